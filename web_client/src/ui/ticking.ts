/** Times that run by themselves, so that the pages around them need not be drawn again every second. */
import { html, type TemplateResult } from "lit";
import { clockText, elapsedText, minutesSince, nowMs, secondsUntil } from "../core/court_clock.ts";
import { t } from "../core/language.ts";
import { LightElement } from "./light_element.ts";

const TICK_MS = 250;

abstract class TickingElement extends LightElement {
  #timer: ReturnType<typeof setInterval> | undefined;
  #shown = "";

  /** What is shown now; the element is drawn again when it changes. */
  protected abstract text(): string;

  override connectedCallback(): void {
    super.connectedCallback();
    this.#timer = setInterval(() => this.text() !== this.#shown && this.requestUpdate(), TICK_MS);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearInterval(this.#timer);
  }

  protected override render(): TemplateResult {
    this.#shown = this.text();
    return html`${this.#shown}`;
  }
}

/** The court's time of day. `seconds`: with seconds. */
export class CourtClock extends TickingElement {
  static override properties = { seconds: { type: Boolean } };
  declare seconds: boolean;

  protected text(): string {
    return clockText(nowMs(), this.seconds);
  }
}

/** Time since `since` (ISO 8601) as hours, minutes and seconds. */
export class ElapsedTime extends TickingElement {
  static override properties = { since: {} };
  declare since: string | null;

  protected text(): string {
    return this.since ? elapsedText(nowMs() - Date.parse(this.since)) : "";
  }
}

/** Whole minutes since `since`, in words. */
export class WaitingTime extends TickingElement {
  static override properties = { since: {} };
  declare since: string | null;

  protected text(): string {
    return this.since ? t("person.waiting_minutes", { minutes: minutesSince(this.since, nowMs()) }) : "";
  }
}

/** Whole seconds until `until` (ISO 8601). */
export class SecondsLeft extends TickingElement {
  static override properties = { until: {} };
  declare until: string | null;

  protected text(): string {
    return this.until ? String(secondsUntil(this.until, nowMs())) : "";
  }
}

customElements.define("court-clock", CourtClock);
customElements.define("elapsed-time", ElapsedTime);
customElements.define("waiting-time", WaitingTime);
customElements.define("seconds-left", SecondsLeft);
