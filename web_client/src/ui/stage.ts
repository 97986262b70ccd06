/** The room: the bench above, the sides facing each other, the stand in the middle. Tiles never move. */
import { html, nothing, type TemplateResult } from "lit";
import { keyed } from "lit/directives/keyed.js";
import { repeat } from "lit/directives/repeat.js";
import { isAllowed } from "../core/actions.ts";
import { t } from "../core/language.ts";
import type { Places } from "../core/places.ts";
import type { SeatView, Side } from "../net/messages.gen.ts";
import { button } from "./button.ts";
import type { CourtContext } from "./court_context.ts";
import { emblem, icon } from "./icons.ts";
import { seatTile, type TileKind } from "./seat_tile.ts";
import "./ticking.ts";

function tiles(context: CourtContext, seats: readonly SeatView[], kind: TileKind): unknown {
  return repeat(
    seats,
    (seat) => seat.seat_id,
    (seat) => seatTile(context.client, seat, kind),
  );
}

function bench(context: CourtContext, places: Places): TemplateResult {
  const observers = places.observers.filter((seat) => seat.presence === "present").length;
  return html`<section class="bench" aria-label=${t("court.bench")}>
    ${emblem(t("court.emblem"))}
    <div class="bench__seats">${tiles(context, places.bench, "desk")}</div>
    <div class="bench__end quiet">
      ${tiles(context, places.clerks, "desk")}
      ${observers > 0
        ? html`<span class="row">${icon("users")}<span>${t("court.observers", { count: observers })}</span></span>`
        : nothing}
    </div>
  </section>`;
}

function side(context: CourtContext, places: Places, which: Side): TemplateResult {
  const title = t(`court.side_${which}`);
  return html`<section class="side" aria-label=${title}>
    <h2>${title}</h2>
    ${tiles(context, places.sides[which], "plain")}
  </section>`;
}

/** The empty stand carries the next step: calling the witness who waits. */
function emptyStand(context: CourtContext, places: Places): TemplateResult {
  const { client, view } = context;
  const next = places.waitingWitnesses.find((seat) => isAllowed(view, "call_witness", seat.person_id));
  const name = next ? client.nameOf(next.person_id) : "";
  return html`<div class="stand__empty">
    ${icon("stand")}
    <p class="stand__state">${t("stand.empty")}</p>
    ${next
      ? html`<p class="quiet">${t("stand.waiting", { name })}</p>
          ${button({
            label: t("stand.call", { name }),
            icon: "enter",
            kind: "primary",
            testid: "stand-call",
            onClick: () => void client.act({ type: "call_witness", person_id: next.person_id }),
          })}`
      : nothing}
  </div>`;
}

/** Who is on the stand, or on the way to it. */
export function standFacts(context: CourtContext, seat: SeatView): TemplateResult {
  const { client, view } = context;
  const release = isAllowed(view, "release_witness", seat.person_id);
  const isCalled = seat.testimony === "called";
  return html`<ul class="stand__facts">
      <li>
        ${isCalled
          ? html`<span class="badge badge--action"
              >${icon("clock")}<span>${t("stand.called")} <seconds-left .until=${seat.admit_at}></seconds-left></span
            ></span>`
          : html`<span class="badge badge--ok">${icon("check")}<span>${t("testimony.testifying")}</span></span>`}
      </li>
    </ul>
    ${release
      ? html`<div class="row stand__acts">
          ${button({
            label: t("stand.release"),
            name: t("person.release_name", { name: client.nameOf(seat.person_id) }),
            icon: "back",
            testid: "stand-release",
            onClick: () => void client.act({ type: "release_witness", person_id: seat.person_id }),
          })}
        </div>`
      : nothing}`;
}

function stand(context: CourtContext, places: Places): TemplateResult {
  const { stand: seat } = places;
  return html`<section class="stand" aria-label=${t("court.stand")}>
    <h2>${t("court.stand")}</h2>
    ${seat
      ? keyed(seat.seat_id, html`${seatTile(context.client, seat, "stand")}${standFacts(context, seat)}`)
      : emptyStand(context, places)}
  </section>`;
}

export function stage(context: CourtContext, places: Places): TemplateResult {
  return html`<div class="stage">
    <div class="stage__room">
      ${bench(context, places)}
      <div class="well">
        ${side(context, places, "plaintiff")} ${stand(context, places)} ${side(context, places, "defendant")}
      </div>
    </div>
  </div>`;
}
