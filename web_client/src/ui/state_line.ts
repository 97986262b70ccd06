/** The line at the top of every page: which case, what state, what time. */
import { html, nothing, type TemplateResult } from "lit";
import type { HearingView, HearingState } from "../net/messages.gen.ts";
import { language, languageTag, setLanguage, t } from "../core/language.ts";
import { toggleTheme } from "../core/theme.ts";
import { icon, type IconName } from "./icons.ts";
import "./ticking.ts";

const STATE_ICONS: Readonly<Record<HearingState, IconName>> = {
  scheduled: "clock",
  check_in: "clock",
  in_session: "live",
  recess: "pause",
  interrupted: "broken",
  closed: "stop",
  cancelled: "x-circle",
};
const STATE_CLASSES: Partial<Record<HearingState, string>> = { in_session: "fact--live", interrupted: "fact--warn" };

/** The state in words, icon and colour; while the court sits, how long it has been sitting. */
export function stateFact(view: HearingView): TemplateResult {
  const isRunning = view.opened_at !== null && view.state !== "closed" && view.state !== "cancelled";
  return html`<span class="fact ${STATE_CLASSES[view.state] ?? ""}" role="status"
      >${icon(STATE_ICONS[view.state])}<b data-testid="state" data-state=${view.state}>${t(`state.${view.state}`)}</b></span
    >
    ${isRunning
      ? html`<span class="fact"
          ><span class="sr-only">${t("state_line.elapsed")}</span
          ><elapsed-time .since=${view.opened_at}></elapsed-time
        ></span>`
      : nothing}
    ${recordingFact(view)}`;
}

/** Whether the person is somewhere that is never recorded, and must not be told otherwise. */
function isApart({ me }: HearingView): boolean {
  return me.location === "witness_room" || me.location === "waiting_room" || me.is_talking_with_clerk;
}

/** The recording light: whether and since when this is recorded, or is not although it should be. */
function recordingFact(view: HearingView): TemplateResult | typeof nothing {
  const { state, since } = view.recording;
  if (state === "off" || (state !== "paused" && isApart(view))) return nothing;
  const name: IconName = state === "recording" ? "record" : state === "paused" ? "pause" : "alert";
  const kind = state === "recording" ? "fact--rec" : state === "problem" ? "fact--warn" : "";
  return html`<span class="fact ${kind}" data-testid="recording" data-recording=${state}
    >${icon(name)}<span
      ><span role="status">${t(`recording.${state}`)}</span>
      ${state === "paused" ? nothing : html`<elapsed-time .since=${since}></elapsed-time>`}</span
    ></span
  >`;
}

/** Switches the language without leaving the page. `redraw` draws the page in the new one. */
export function languageButton(redraw: () => void): TemplateResult {
  const other = language() === "zh" ? "en" : "zh";
  const change = () => {
    setLanguage(other);
    redraw();
  };
  const label = other === "zh" ? "中文" : "English";
  return html`<button type="button" class="ink-button" data-testid="language" lang=${languageTag(other)} @click=${change}>
    ${icon("globe")}<span>${label}</span>
  </button>`;
}

export function themeButton(): TemplateResult {
  return html`<button
    type="button"
    class="ink-button"
    aria-label=${t("state_line.theme")}
    title=${t("state_line.theme")}
    @click=${toggleTheme}
  >
    ${icon("theme")}
  </button>`;
}
