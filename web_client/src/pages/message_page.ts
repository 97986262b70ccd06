/** A page that says one thing and what to do next. */
import { html, nothing, type TemplateResult } from "lit";
import type { CaseView } from "../net/messages.gen.ts";
import { button } from "../ui/button.ts";
import { icon, type IconName } from "../ui/icons.ts";
import { kioskFrame } from "../ui/kiosk_frame.ts";

export interface PageMessage {
  icon: IconName;
  title: string;
  text: string;
  testid: string;
  action: { label: string; run(): void } | null;
  case: CaseView | null;
  redraw(): void;
}

export function messagePage(message: PageMessage): TemplateResult {
  const { action } = message;
  return kioskFrame({
    case: message.case,
    facts: nothing,
    steps: nothing,
    main: html`<div class="kiosk-wait" role="status" data-testid=${message.testid}>
      <span class="kiosk-sign">${icon(message.icon)}</span>
      <h1>${message.title}</h1>
      <p class="lead">${message.text}</p>
      ${action ? button({ label: action.label, kind: "primary", testid: "again", onClick: action.run }) : nothing}
    </div>`,
    redraw: message.redraw,
  });
}
