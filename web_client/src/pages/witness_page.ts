/** The witness's page: one step at a time, and at most one button. */
import { html, nothing, type TemplateResult } from "lit";
import { repeat } from "lit/directives/repeat.js";
import { isAllowed } from "../core/actions.ts";
import { t } from "../core/language.ts";
import { witnessScreen, type WitnessScreen } from "../core/witness_screen.ts";
import type { HearingClient } from "../core/hearing_client.ts";
import type { HearingView, SeatView } from "../net/messages.gen.ts";
import { button } from "../ui/button.ts";
import { icon, type IconName } from "../ui/icons.ts";
import { kioskFrame, witnessSteps, type Step } from "../ui/kiosk_frame.ts";
import { LightElement } from "../ui/light_element.ts";
import { banners, bannersOf, toasts } from "../ui/notices.ts";
import { seatTile } from "../ui/seat_tile.ts";
import { stateFact } from "../ui/state_line.ts";
import "../ui/ticking.ts";

const STEP_OF: Readonly<Record<WitnessScreen, Step>> = {
  waiting: "wait",
  called: "wait",
  testimony: "testify",
  paused: "testify",
  released: "finish",
  closed: "finish",
  cancelled: "finish",
};
const ICON_OF: Partial<Record<WitnessScreen, IconName>> = {
  paused: "pause",
  released: "check-circle",
  closed: "stop",
  cancelled: "x-circle",
};

export class WitnessPage extends LightElement {
  static override properties = { client: { attribute: false } };
  declare client: HearingClient;
  readonly #redraw = (): void => this.requestUpdate();

  override connectedCallback(): void {
    super.connectedCallback();
    this.client.addEventListener("change", this.#redraw);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.client.removeEventListener("change", this.#redraw);
  }

  protected override render(): TemplateResult | typeof nothing {
    const { client } = this;
    const { view } = client;
    if (!view) return nothing;
    this.className = "page-kiosk";
    const screen = witnessScreen(view);
    const frame = kioskFrame({
      case: client.notice?.case ?? null,
      facts: html`${stateFact(view)}${screen === "waiting"
        ? nothing
        : html`<court-clock class="state-line__clock"></court-clock>`}`,
      steps: screen === "testimony" ? nothing : witnessSteps(STEP_OF[screen]),
      main: html`${banners(bannersOf(client))}${screen === "testimony" ? this.#testimony(view) : this.#step(view, screen)}`,
      redraw: () => client.dispatchEvent(new Event("change")),
    });
    return html`<div class="page-kiosk__screen" data-testid="witness-screen" data-screen=${screen}>${frame}</div>
      ${toasts(client)}`;
  }

  #step(view: HearingView, screen: Exclude<WitnessScreen, "testimony">): TemplateResult {
    const talking = view.me.is_talking_with_clerk ? view.seats.filter((seat) => seat.role === "clerk") : [];
    if (talking.length > 0) return this.#talk(view, talking);
    const isWaiting = screen === "waiting" || screen === "called" || screen === "paused" || screen === "released";
    const mayLeave = (screen === "closed" || screen === "cancelled") && isAllowed(view, "leave");
    return html`<div class="kiosk-wait">
      ${screen === "called"
        ? html`<div class="countdown" role="timer"><seconds-left .until=${view.me.admit_at}></seconds-left></div>`
        : screen === "waiting"
          ? html`<court-clock class="kiosk-clock"></court-clock>`
          : html`<span class="kiosk-sign">${icon(ICON_OF[screen] ?? "clock")}</span>`}
      <div role="status" aria-live="assertive">
        <h1>${t(`witness.${screen}`)}</h1>
        <p class="lead">${t(`witness.${screen}_text`)}</p>
      </div>
      ${screen === "called"
        ? html`<p class="row quiet">${icon("info")}<span>${t("witness.press_nothing")}</span></p>`
        : nothing}
      ${isWaiting ? html`<div class="kiosk-self">${seatTile(this.client, view.me, "self")}</div>` : nothing}
      ${mayLeave
        ? button({
            label: t("state_line.leave"),
            kind: "primary",
            testid: "leave",
            onClick: () => void this.client.act({ type: "leave" }),
          })
        : nothing}
    </div>`;
  }

  #talk(view: HearingView, clerks: readonly SeatView[]): TemplateResult {
    return html`<div class="kiosk-wait">
      <div class="kiosk-talk">${this.#tiles(clerks)}</div>
      <div role="status"><h1>${t("witness.talk")}</h1><p class="lead">${t("witness.talk_text")}</p></div>
      <div class="kiosk-self">${seatTile(this.client, view.me, "self")}</div>
    </div>`;
  }

  #testimony(view: HearingView): TemplateResult {
    const judge =
      view.seats.find((seat) => seat.role === "presiding_judge") ?? view.seats.find((seat) => seat.role === "panel_judge");
    const others = view.seats.filter((seat) => seat !== judge && seat.role !== "observer");
    return html`<h1 class="sr-only">${t("witness.testimony")}</h1>
      <div class="kiosk-testify">
        <div class="kiosk-testify__judge">${judge ? this.#tiles([judge]) : nothing}</div>
        <div class="kiosk-testify__side">
          <div class="kiosk-testify__others">${this.#tiles(others)}</div>
          ${seatTile(this.client, view.me, "self")}
        </div>
        ${this.#maySpeak(view)}
      </div>`;
  }

  #tiles(seats: readonly SeatView[]): unknown {
    return repeat(
      seats,
      (seat) => seat.seat_id,
      (seat) => seatTile(this.client, seat, "plain"),
    );
  }

  #maySpeak(view: HearingView): TemplateResult {
    const { me } = view;
    const key = me.is_muted ? "muted" : "may_speak";
    const isPossible = isAllowed(view, me.is_muted ? "unmute_self" : "mute_self");
    const change = () => void this.client.act({ type: me.is_muted ? "unmute" : "mute", person_id: me.person_id });
    return html`<div class="may-speak ${me.is_muted ? "may-speak--off" : ""}" role="status">
      ${icon(me.is_muted ? "mic-off" : "mic")}
      <div class="grow">
        <b>${t(`witness.${key}`)}</b>
        <p>${t(me.is_muted && !isPossible ? "witness.muted_by_court" : `witness.${key}_text`)}</p>
      </div>
      ${isPossible
        ? button({
            label: t(me.is_muted ? "witness.unmute" : "witness.mute"),
            testid: `mute:${me.person_id}`,
            onClick: change,
          })
        : nothing}
    </div>`;
  }
}

customElements.define("witness-page", WitnessPage);
