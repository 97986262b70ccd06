/** Shows how loud the microphone hears, with what to do about it in words. */
import { html, type TemplateResult } from "lit";
import { t } from "../core/language.ts";
import { BARS, barsOf, loudness } from "../core/loudness.ts";
import { LightElement } from "./light_element.ts";

const READ_MS = 100;
/** The bar falls this much a reading, so that a word can be seen. */
const FALL = 1;

export class LevelMeter extends LightElement {
  static override properties = { track: { attribute: false }, bars: { state: true } };
  declare track: MediaStreamTrack | null;
  declare bars: number;
  #context: AudioContext | null = null;
  #source: MediaStreamAudioSourceNode | null = null;
  #analyser: AnalyserNode | null = null;
  #timer: ReturnType<typeof setInterval> | undefined;
  /** Browsers start audio processing only after a touch. */
  readonly #wake = (): void => void this.#context?.resume().catch(() => undefined);

  constructor() {
    super();
    this.track = null;
    this.bars = 0;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#context = new AudioContext();
    this.#analyser = this.#context.createAnalyser();
    this.#analyser.fftSize = 1024;
    for (const kind of ["pointerdown", "keydown"]) document.addEventListener(kind, this.#wake);
    this.#timer = setInterval(() => this.#read(), READ_MS);
    this.#connect();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearInterval(this.#timer);
    for (const kind of ["pointerdown", "keydown"]) document.removeEventListener(kind, this.#wake);
    void this.#context?.close();
    this.#context = null;
    this.#source = null;
  }

  protected override updated(changed: ReadonlyMap<PropertyKey, unknown>): void {
    if (changed.has("track")) this.#connect();
  }

  #connect(): void {
    this.#source?.disconnect();
    this.#source = null;
    if (!this.track || !this.#context || !this.#analyser) return;
    this.#source = this.#context.createMediaStreamSource(new MediaStream([this.track]));
    this.#source.connect(this.#analyser);
  }

  #read(): void {
    if (!this.#analyser || !this.#source) {
      this.bars = 0;
      return;
    }
    const samples = new Float32Array(this.#analyser.fftSize);
    this.#analyser.getFloatTimeDomainData(samples);
    let sum = 0;
    for (const sample of samples) sum += sample * sample;
    this.bars = Math.max(barsOf(Math.sqrt(sum / samples.length)), this.bars - FALL, 0);
  }

  protected override render(): TemplateResult {
    const { bars } = this;
    const cells = Array.from({ length: BARS }, (_, index) => {
      const isOn = index < bars;
      return html`<i class="${isOn ? "on" : ""} ${isOn && index > 16 ? "high" : ""}"></i>`;
    });
    return html`<div
        class="meter"
        role="meter"
        aria-valuemin="0"
        aria-valuemax=${BARS}
        aria-valuenow=${bars}
        aria-label=${t("device.level")}
      >
        ${cells}
      </div>
      <p class="quiet">${t(`device.level_${loudness(bars)}`)}</p>`;
  }
}

customElements.define("level-meter", LevelMeter);
