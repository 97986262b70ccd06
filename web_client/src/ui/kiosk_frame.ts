/** The frame of every page that shows one thing at a time: who the court is on top, one subject below. */
import { html, nothing, type TemplateResult } from "lit";
import { t } from "../core/language.ts";
import type { CaseView } from "../net/messages.gen.ts";
import { icon } from "./icons.ts";
import { skipLink } from "./skip_link.ts";
import { languageButton, themeButton } from "./state_line.ts";
import "./ticking.ts";

export interface KioskFrame {
  case: CaseView | null;
  facts: TemplateResult | typeof nothing;
  steps: TemplateResult | typeof nothing;
  main: TemplateResult;
  redraw(): void;
}

/** The page's own element needs the class `page-kiosk`. */
export function kioskFrame(frame: KioskFrame): TemplateResult {
  return html`${skipLink()}
    <header class="kiosk-top on-ink">
      <div class="kiosk-top__name">
        <p class="kiosk-top__court">${frame.case?.court_name ?? t("frame.title")}</p>
        ${frame.case ? html`<p class="quiet-ink">${frame.case.number}</p>` : nothing}
      </div>
      <div class="state-line__facts">${frame.facts}</div>
      <div class="state-line__tools">${languageButton(frame.redraw)}${themeButton()}</div>
    </header>
    ${frame.steps}
    <main id="main" class="kiosk-main" tabindex="-1">${frame.main}</main>`;
}

const STEPS = ["devices", "wait", "testify", "finish"] as const;
export type Step = (typeof STEPS)[number];

/** A witness's way through the hearing. */
export function witnessSteps(now: Step): TemplateResult {
  const current = STEPS.indexOf(now);
  return html`<nav class="kiosk-steps" aria-label=${t("step.title")}>
    <ol class="steps">
      ${STEPS.map(
        (step, index) =>
          html`<li
            class=${index < current ? "is-done" : index === current ? "is-now" : ""}
            aria-current=${index === current ? "step" : nothing}
          >
            <span class="dot">${index < current ? icon("check") : index + 1}</span><span>${t(`step.${step}`)}</span>
          </li>`,
      )}
    </ol>
  </nav>`;
}
