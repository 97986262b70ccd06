/** Buttons. One that is not allowed now stays reachable by keyboard and says why beside it. */
import { html, nothing, type TemplateResult } from "lit";
import { ifDefined } from "lit/directives/if-defined.js";
import { icon, type IconName } from "./icons.ts";

export interface ButtonOptions {
  label: string;
  icon?: IconName;
  testid?: string;
  /** Full name for screen readers where the label alone is ambiguous; it contains the label. */
  name?: string;
  kind?: "primary" | "danger" | "danger-fill" | "plain" | "icon";
  /** Id of the element that says why the button is not allowed; set exactly when it is not. */
  reasonId?: string | undefined;
  onClick(): void;
}

export function button(options: ButtonOptions): TemplateResult {
  const isDisabled = options.reasonId !== undefined;
  const isIconOnly = options.kind === "icon";
  return html`<button
    type="button"
    class="button ${options.kind ? `button--${options.kind}` : ""}"
    data-testid=${ifDefined(options.testid)}
    aria-label=${ifDefined(options.name ?? (isIconOnly ? options.label : undefined))}
    title=${ifDefined(isIconOnly ? (options.name ?? options.label) : undefined)}
    aria-disabled=${ifDefined(isDisabled ? "true" : undefined)}
    aria-describedby=${ifDefined(options.reasonId)}
    @click=${isDisabled ? null : options.onClick}
  >
    ${options.icon ? icon(options.icon) : nothing}${isIconOnly ? nothing : html`<span>${options.label}</span>`}
  </button>`;
}
