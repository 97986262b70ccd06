/** An element that draws into the page itself, so that one style sheet and one accessibility tree serve everything. */
import { LitElement } from "lit";

export class LightElement extends LitElement {
  protected override createRenderRoot(): HTMLElement {
    return this;
  }
}
