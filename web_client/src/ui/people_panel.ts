/** Everybody in the hearing as a list, with what may be done about each: call, release, mute, talk, a new link. */
import { html, nothing, type TemplateResult } from "lit";
import { repeat } from "lit/directives/repeat.js";
import { findAction, isAllowed, reasonText, shownAction } from "../core/actions.ts";
import { t } from "../core/language.ts";
import { everybody, type Places } from "../core/places.ts";
import { seatRoleText } from "../core/seat_names.ts";
import type { ActionView, SeatView } from "../net/messages.gen.ts";
import { button } from "./button.ts";
import type { CourtContext } from "./court_context.ts";
import { icon, type IconName } from "./icons.ts";
import { seatTile, weaknessText } from "./seat_tile.ts";
import "./ticking.ts";

function stateIcon(name: IconName, label: string): TemplateResult {
  return html`<span class="state-icon" role="img" aria-label=${label} title=${label}>${icon(name)}</span>`;
}

function microphone(context: CourtContext, seat: SeatView): TemplateResult {
  const { client, view } = context;
  const name = client.nameOf(seat.person_id);
  const isSelf = seat.person_id === view.me.person_id;
  const mute = isSelf ? null : findAction(view, "mute_other", seat.person_id);
  const unmute = isSelf ? null : findAction(view, "unmute_other", seat.person_id);
  if (seat.presence !== "present" || seat.role === "observer") return html``;
  const isPossible = seat.is_muted ? unmute?.allowed : mute?.allowed;
  if (!isPossible) {
    return seat.is_muted
      ? stateIcon(seat.is_mute_locked ? "lock" : "mic-off", t("seat.microphone_off"))
      : stateIcon("mic", t("seat.microphone_on"));
  }
  return button({
    label: t(seat.is_muted ? "person.unmute" : "person.mute", { name }),
    kind: "icon",
    icon: seat.is_mute_locked ? "lock" : seat.is_muted ? "mic-off" : "mic",
    testid: `mute:${seat.person_id}`,
    onClick: () => void client.act({ type: seat.is_muted ? "unmute" : "mute", person_id: seat.person_id }),
  });
}

function witnessAct(context: CourtContext, seat: SeatView): TemplateResult | typeof nothing {
  const { client, view } = context;
  const name = client.nameOf(seat.person_id);
  const call = shownAction(view, "call_witness", seat.person_id);
  if (isAllowed(view, "release_witness", seat.person_id)) {
    return button({
      label: t("person.release"),
      name: t("person.release_name", { name }),
      icon: "back",
      testid: `release:${seat.person_id}`,
      onClick: () => void client.act({ type: "release_witness", person_id: seat.person_id }),
    });
  }
  if (!call) return nothing;
  return button({
    label: t("person.call"),
    name: t("person.call_name", { name }),
    icon: "enter",
    testid: `call:${seat.person_id}`,
    reasonId: call.allowed ? undefined : `why-${seat.person_id}`,
    onClick: () => void client.act({ type: "call_witness", person_id: seat.person_id }),
  });
}

/** Things done seldom, unfolded below the person. */
function furtherActs(context: CourtContext, seat: SeatView): readonly TemplateResult[] {
  const { client, view } = context;
  const { person_id } = seat;
  const name = client.nameOf(person_id);
  const acts: TemplateResult[] = [];
  if (seat.is_talking_with_clerk && isAllowed(view, "end_talk")) {
    const onClick = () => void client.act({ type: "end_talk" });
    acts.push(button({ label: t("person.end_talk"), icon: "chat", testid: `end_talk:${person_id}`, onClick }));
  } else if (isAllowed(view, "talk_to", person_id)) {
    const onClick = () => void client.act({ type: "talk_to", person_id });
    acts.push(button({ label: t("person.talk"), icon: "chat", testid: `talk:${person_id}`, onClick }));
  }
  if (isAllowed(view, "mute_and_lock", person_id) && !seat.is_mute_locked) {
    const onClick = () => void client.act({ type: "mute", person_id, lock: true });
    acts.push(button({ label: t("person.mute_lock"), icon: "lock", testid: `mute_lock:${person_id}`, onClick }));
  }
  if (isAllowed(view, "reissue_link", person_id)) {
    const onClick = () =>
      context.ask({
        title: t("link.ask", { name }),
        effects: [{ icon: "link", text: t("link.effect", { name }) }],
        confirm: t("link.confirm"),
        isDanger: false,
        run: () => context.reissueLink(seat),
      });
    acts.push(button({ label: t("person.link"), icon: "link", testid: `reissue:${person_id}`, onClick }));
  }
  return acts;
}

function status(seat: SeatView): TemplateResult | string {
  if (seat.presence !== "present") return t(`presence.${seat.presence}`);
  if (seat.testimony === "waiting" && seat.presence_since) {
    return html`<waiting-time .since=${seat.presence_since}></waiting-time>`;
  }
  return seat.testimony ? t(`testimony.${seat.testimony}`) : "";
}

function reasonOf(context: CourtContext, action: ActionView | null): string | null {
  if (!action || action.allowed || !action.reason_code) return null;
  return reasonText(action.reason_code, action.parameters, context.client.notice?.names ?? {});
}

function personRow(context: CourtContext, seat: SeatView, hasPicture: boolean): TemplateResult {
  const { client, view } = context;
  const isSelf = seat.person_id === view.me.person_id;
  const name = client.nameOf(seat.person_id);
  const further = isSelf ? [] : furtherActs(context, seat);
  const isUnfolded = context.unfolded === seat.person_id;
  const why = reasonOf(context, shownAction(view, "call_witness", seat.person_id));
  const state = status(seat);
  const weakness = client.weaknessOf(seat.seat_id);
  return html`<li class="person" data-testid=${`person:${seat.person_id}`}>
    ${hasPicture ? html`<div class="person__picture">${seatTile(client, seat, "self")}</div>` : nothing}
    <div class="person__id">
      <b>${name}</b
      ><span class="quiet"
        >${seatRoleText(seat)}${state ? html` · ${state}` : nothing}${isSelf ? html` · ${t("seat.you")}` : nothing}</span
      >
    </div>
    <div class="person__state">
      ${seat.presence === "lost"
        ? html`<span class="badge badge--warn badge--bare">${icon("broken")}<span>${t("seat.fault_short")}</span></span>`
        : nothing}
      ${seat.presence === "present" && weakness ? stateIcon("signal-weak", weaknessText(weakness, isSelf)) : nothing}
      ${microphone(context, seat)} ${witnessAct(context, seat)}
      ${further.length > 0
        ? html`<button
            type="button"
            class="button button--icon"
            data-testid=${`more:${seat.person_id}`}
            aria-label=${t("person.more", { name })}
            title=${t("person.more", { name })}
            aria-expanded=${String(isUnfolded)}
            @click=${() => context.unfold(isUnfolded ? null : seat.person_id)}
          >
            ${icon("dots")}
          </button>`
        : nothing}
    </div>
    ${why ? html`<p class="reason" id=${`why-${seat.person_id}`}>${why}</p>` : nothing}
    ${isUnfolded && further.length > 0 ? html`<div class="person__more">${further}</div>` : nothing}
  </li>`;
}

interface Group {
  title: string;
  seats: readonly SeatView[];
}

function groupsOf(context: CourtContext, places: Places): readonly Group[] {
  const others = everybody(context.view).filter(
    (seat) => !places.waitingWitnesses.includes(seat) && seat.role !== "observer",
  );
  const inside = others.filter((seat) => seat.location === "courtroom");
  const waiting = others.filter((seat) => seat.location === "waiting_room" || seat.location === "witness_room");
  const outside = others.filter((seat) => seat.location === "outside" || seat.location === "gallery");
  return [
    { title: t("people.witnesses"), seats: places.waitingWitnesses },
    { title: t("people.courtroom"), seats: inside },
    { title: t("people.waiting"), seats: waiting },
    { title: t("people.outside"), seats: outside },
    { title: t("people.observers"), seats: places.observers },
  ].filter((group) => group.seats.length > 0);
}

export function peoplePanel(context: CourtContext, places: Places): TemplateResult {
  // Waiting witnesses have no place in the room; who may see them sees them here.
  const shown = new Set(places.waitingWitnesses.filter((seat) => seat.receiving.includes("video")));
  return html`<section class="panel people" aria-labelledby="people">
    <div class="panel__head"><h2 id="people">${t("people.title")}</h2></div>
    <div class="people__list" tabindex="0" role="group" aria-labelledby="people">
      ${groupsOf(context, places).map(
        (group) =>
          html`<h3 class="panel__part">${group.title} · ${group.seats.length}</h3>
            <ul>
              ${repeat(
                group.seats,
                (seat) => seat.seat_id,
                (seat) => personRow(context, seat, shown.has(seat)),
              )}
            </ul>`,
      )}
    </div>
  </section>`;
}
