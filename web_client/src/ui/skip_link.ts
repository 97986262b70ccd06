/** The first stop of the Tab key. It moves the focus itself: the address's fragment belongs to personal links. */
import { html, type TemplateResult } from "lit";
import { t } from "../core/language.ts";

function toMain(event: Event): void {
  event.preventDefault();
  document.querySelector<HTMLElement>("#main")?.focus();
}

/** The page's <main> needs id="main" and tabindex="-1". */
export function skipLink(): TemplateResult {
  return html`<a class="skip" href="#main" @click=${toMain}>${t("court.skip")}</a>`;
}
