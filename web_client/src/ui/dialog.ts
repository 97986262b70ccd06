/** One question at a time, before something that cannot be undone: names the matter, lists the effects. */
import { html, nothing, type TemplateResult } from "lit";
import { t } from "../core/language.ts";
import { icon, type IconName } from "./icons.ts";
import { LightElement } from "./light_element.ts";

export interface Question {
  title: string;
  effects: readonly { icon: IconName; text: string }[];
  confirm: string;
  isDanger: boolean;
  run(): void;
}

export class QuestionDialog extends LightElement {
  static override properties = { question: { attribute: false } };
  declare question: Question;

  protected override firstUpdated(): void {
    this.querySelector("dialog")?.showModal();
  }

  #close(): void {
    this.dispatchEvent(new Event("done"));
  }

  protected override render(): TemplateResult {
    const { question } = this;
    const confirm = () => {
      this.#close();
      question.run();
    };
    return html`<dialog class="dialog" aria-labelledby="question" @close=${() => this.#close()}>
      <div class="dialog__head"><h2 id="question">${question.title}</h2></div>
      <div class="dialog__body">
        <ul class="effects">
          ${question.effects.map((effect) => html`<li>${icon(effect.icon)}<span>${effect.text}</span></li>`)}
        </ul>
      </div>
      <div class="dialog__foot">
        <button type="button" class="button" data-testid="dismiss" @click=${() => this.#close()}>
          ${t("dialog.dismiss")}
        </button>
        <button
          type="button"
          class="button ${question.isDanger ? "button--danger-fill" : "button--primary"}"
          data-testid="confirm"
          @click=${confirm}
        >
          ${question.confirm}
        </button>
      </div>
    </dialog>`;
  }
}

/** A new personal link, shown to the clerk once. */
export class LinkDialog extends LightElement {
  static override properties = { name: {}, url: {} };
  declare name: string;
  declare url: string;

  protected override firstUpdated(): void {
    this.querySelector("dialog")?.showModal();
    this.querySelector("input")?.select();
  }

  #close(): void {
    this.dispatchEvent(new Event("done"));
  }

  async #copy(): Promise<void> {
    try {
      await navigator.clipboard.writeText(this.url);
      this.dispatchEvent(new Event("copied"));
    } catch {
      this.querySelector("input")?.select(); // no permission: the person copies the selected text
    }
  }

  protected override render(): TemplateResult {
    return html`<dialog class="dialog" aria-labelledby="new-link" @close=${() => this.#close()}>
      <div class="dialog__head"><h2 id="new-link">${t("link.title", { name: this.name })}</h2></div>
      <div class="dialog__body">
        <p>${t("link.text")}</p>
        <div class="field">
          <label for="link-url">${t("link.label")}</label>
          <input class="input mono" id="link-url" data-testid="link-url" readonly .value=${this.url ?? nothing} />
        </div>
      </div>
      <div class="dialog__foot">
        <button type="button" class="button" data-testid="dismiss" @click=${() => this.#close()}>${t("dialog.done")}</button>
        <button type="button" class="button button--primary" @click=${() => void this.#copy()}>
          ${icon("doc")}<span>${t("link.copy")}</span>
        </button>
      </div>
    </dialog>`;
  }
}

customElements.define("question-dialog", QuestionDialog);
customElements.define("link-dialog", LinkDialog);
