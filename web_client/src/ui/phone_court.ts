/** The courtroom on a phone: who speaks to the court on top, the others below, the own controls under the thumb. */
import { html, nothing, type TemplateResult } from "lit";
import { keyed } from "lit/directives/keyed.js";
import { repeat } from "lit/directives/repeat.js";
import { isAllowed } from "../core/actions.ts";
import { t } from "../core/language.ts";
import { isCourtOfficer, type Places } from "../core/places.ts";
import type { SeatView } from "../net/messages.gen.ts";
import { actButtons } from "./acts.ts";
import type { ButtonOptions } from "./button.ts";
import type { CourtContext } from "./court_context.ts";
import { icon } from "./icons.ts";
import { askLeave, OWN_MICROPHONE_REASON, ownCamera, ownMicrophone } from "./own_controls.ts";
import { peoplePanel } from "./people_panel.ts";
import { seatTile } from "./seat_tile.ts";
import { standFacts } from "./stage.ts";
import { languageButton, stateFact } from "./state_line.ts";

function phoneButton(options: ButtonOptions): TemplateResult {
  const isDisabled = options.reasonId !== undefined;
  return html`<button
    type="button"
    class="phone-button"
    data-testid=${options.testid ?? nothing}
    aria-label=${options.name ?? nothing}
    aria-disabled=${isDisabled ? "true" : nothing}
    aria-describedby=${options.reasonId ?? nothing}
    @click=${isDisabled ? null : options.onClick}
  >
    ${options.icon ? icon(options.icon) : nothing}<span>${options.label}</span>
  </button>`;
}

function bar(context: CourtContext): TemplateResult {
  const microphone = ownMicrophone(context);
  const camera = ownCamera(context);
  const leave: ButtonOptions = {
    label: t("state_line.leave"),
    icon: "leave",
    testid: "leave",
    onClick: () => askLeave(context),
  };
  return html`<footer class="phone-bar">
    ${microphone ? phoneButton(microphone.options) : nothing} ${camera ? phoneButton(camera) : nothing}
    ${isAllowed(context.view, "leave") ? phoneButton(leave) : nothing}
    ${microphone?.reason
      ? html`<p class="phone-why" id=${OWN_MICROPHONE_REASON}>${microphone.reason}</p>`
      : nothing}
  </footer>`;
}

/** Everybody who has a place, the one on top left out. */
function others(context: CourtContext, places: Places, main: SeatView | null): readonly SeatView[] {
  const { bench, clerks, sides, stand } = places;
  const seats = [...bench, ...(stand ? [stand] : []), ...sides.plaintiff, ...sides.defendant, ...clerks];
  const { me } = context.view;
  const isPlaced = seats.some((seat) => seat.seat_id === me.seat_id);
  return [...seats.filter((seat) => seat !== main && seat !== me), ...(isPlaced && me !== main ? [me] : [])];
}

export function phoneCourt(context: CourtContext, places: Places, notices: TemplateResult): TemplateResult {
  const { client, view } = context;
  const main = places.stand ?? places.bench.find((seat) => seat.role === "presiding_judge") ?? null;
  const isOfficer = isCourtOfficer(view.me.role);
  const acts = actButtons(context);
  return html`<header class="phone-top on-ink">
      <div class="spread">
        <h1 id="case">${client.notice?.case.number}</h1>
        ${languageButton(() => client.dispatchEvent(new Event("change")))}
      </div>
      <div class="phone-facts">${stateFact(view)}<court-clock class="fact"></court-clock></div>
    </header>
    <main id="main" class="phone-main" tabindex="0" aria-labelledby="case">
      ${notices}
      ${main
        ? keyed(
            main.seat_id,
            html`<section aria-label=${t(places.stand ? "court.stand" : "court.bench")}>
              ${seatTile(client, main, "main")}${places.stand === main ? standFacts(context, main) : nothing}
            </section>`,
          )
        : nothing}
      ${acts.length > 0 ? html`<div class="acts" role="toolbar" aria-label=${t("court.acts")}>${acts}</div>` : nothing}
      <section class="phone-seats" aria-label=${t("court.other_seats")}>
        ${repeat(
          others(context, places, main),
          (seat) => seat.seat_id,
          (seat) => seatTile(client, seat, "desk"),
        )}
      </section>
      ${isOfficer ? peoplePanel(context, places) : nothing}
    </main>
    ${bar(context)}`;
}
