/** Behind a personal link: which case, who you are, does your camera work; one button enters. */
import { html, nothing, type TemplateResult } from "lit";
import { codeText, t } from "../core/language.ts";
import { roleText } from "../core/seat_names.ts";
import { keepDevices, readDevices, type DeviceChoice, type SeatSession } from "../core/seat_session.ts";
import { ringBell } from "../media/bell.ts";
import { listDevices, LocalMedia, type DeviceKind, type DeviceList } from "../media/local_media.ts";
import { enter, peek, RequestError } from "../net/http.ts";
import type { PeekReply, Role } from "../net/messages.gen.ts";
import { button } from "../ui/button.ts";
import { emblem, icon, silhouette } from "../ui/icons.ts";
import { kioskFrame, witnessSteps } from "../ui/kiosk_frame.ts";
import "../ui/level_meter.ts";
import { LightElement } from "../ui/light_element.ts";
import { isPhoneScreen } from "../ui/screen.ts";
import { messagePage } from "./message_page.ts";

/** The seat is entered; the devices go with it. */
export class EnteredEvent extends Event {
  constructor(
    readonly session: SeatSession,
    readonly local: LocalMedia,
  ) {
    super("entered");
  }
}

export class EnterPage extends LightElement {
  static override properties = {
    token: {},
    reply: { state: true },
    error: { state: true },
    devices: { state: true },
    isJoining: { state: true },
    isRinging: { state: true },
  };
  declare token: string;
  declare reply: PeekReply | null;
  declare error: RequestError | null;
  declare devices: DeviceList;
  declare isJoining: boolean;
  declare isRinging: boolean;
  #local = new LocalMedia();
  #choice: DeviceChoice = readDevices();
  #isHandedOver = false;
  readonly #onDevices = (): void => void this.#list();

  constructor() {
    super();
    this.reply = null;
    this.error = null;
    this.devices = { cameras: [], microphones: [] };
    this.isJoining = false;
    this.isRinging = false;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#local.addEventListener("change", this.#onDevices);
    navigator.mediaDevices?.addEventListener("devicechange", this.#onDevices);
    void this.#peek();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#local.removeEventListener("change", this.#onDevices);
    navigator.mediaDevices?.removeEventListener("devicechange", this.#onDevices);
    if (!this.#isHandedOver) this.#local.close();
  }

  get #sends(): boolean {
    return this.reply !== null && this.reply.role !== "observer";
  }

  async #peek(): Promise<void> {
    this.error = null;
    try {
      this.reply = await peek(this.token);
      if (this.#sends) await this.#local.open(this.#choice, isPhoneScreen());
    } catch (error) {
      this.error = error instanceof RequestError ? error : new RequestError("internal_error");
    }
  }

  async #list(): Promise<void> {
    this.devices = await listDevices();
    this.requestUpdate();
  }

  #choose(kind: DeviceKind, deviceId: string): void {
    const key = kind === "camera" ? "camera_id" : "microphone_id";
    this.#choice = { ...this.#choice, [key]: deviceId };
    keepDevices(this.#choice);
    void this.#local.open(this.#choice, isPhoneScreen());
  }

  async #join(): Promise<void> {
    if (this.isJoining) return;
    this.isJoining = true;
    try {
      const { resume_token, hearing_id, seat_id, role } = await enter(this.token);
      this.#isHandedOver = true;
      const session: SeatSession = { resume_token, hearing_id, seat_id, role: role as Role };
      this.dispatchEvent(new EnteredEvent(session, this.#local));
    } catch (error) {
      this.error = error instanceof RequestError ? error : new RequestError("internal_error");
    } finally {
      this.isJoining = false;
    }
  }

  async #ring(): Promise<void> {
    if (this.isRinging) return;
    this.isRinging = true;
    await ringBell().catch(() => undefined);
    this.isRinging = false;
  }

  protected override render(): TemplateResult {
    this.className = "page-kiosk";
    const { reply, error } = this;
    const redraw = () => this.requestUpdate();
    if (error) {
      const isPassing = ["unreachable", "rate_limited", "internal_error", "storage_failed"].includes(error.code);
      return messagePage({
        icon: isPassing ? "broken" : "link",
        title: t(isPassing ? "enter.not_now" : "enter.no_entry"),
        text: codeText("error", error.code, error.parameters),
        testid: `error:${error.code}`,
        action: isPassing ? { label: t("enter.again"), run: () => void this.#peek() } : null,
        case: reply?.case ?? null,
        redraw,
      });
    }
    return kioskFrame({
      case: reply?.case ?? null,
      facts: html`<court-clock class="state-line__clock"></court-clock>`,
      steps: reply?.role === "witness" ? witnessSteps("devices") : nothing,
      main: reply ? this.#subject(reply) : html`<p class="lead kiosk-wait" role="status">${t("enter.reading")}</p>`,
      redraw,
    });
  }

  #subject(reply: PeekReply): TemplateResult {
    return html`<div class="entry">
      <div class="entry__case">
        ${emblem(t("court.emblem"))}
        <div>
          <h1>${reply.case.title}</h1>
          <p class="entry__you">${t("enter.you_are", { name: reply.name, role: roleText(reply.role) })}</p>
        </div>
      </div>
      ${this.#sends
        ? html`<div class="kiosk-two">${this.#preview()} ${this.#checks()}</div>`
        : html`<div class="notice notice--action">${icon("eye")}<p>${t("enter.observer")}</p></div>`}
      <div class="entry__act">
        <p class="quiet">${t("enter.once")}</p>
        ${button({
          label: t(this.isJoining ? "enter.joining" : "enter.join"),
          icon: "enter",
          kind: "primary",
          testid: "join",
          onClick: () => void this.#join(),
        })}
      </div>
    </div>`;
  }

  #preview(): TemplateResult {
    const { preview } = this.#local;
    return html`<div class="stack">
      <figure class="tile tile--mirror">
        <div class="tile__picture">
          ${preview ? nothing : silhouette()}
          <video
            class="picture"
            data-testid="preview"
            autoplay
            playsinline
            aria-label=${t("enter.preview")}
            .muted=${true}
            .srcObject=${preview}
            ?hidden=${!preview}
          ></video>
        </div>
      </figure>
      <p class="row">
        ${preview
          ? html`<span class="badge badge--ok">${icon("check")}<span>${t("enter.seen")}</span></span>`
          : html`<span class="badge badge--warn">${icon("cam-off")}<span>${t("enter.unseen")}</span></span>`}
      </p>
    </div>`;
  }

  #checks(): TemplateResult {
    const { cameras, microphones } = this.devices;
    const { audio } = this.#local;
    return html`<div class="stack kiosk-checks">
      ${this.#check("camera", cameras, this.#local.video, nothing)}
      ${this.#check("microphone", microphones, audio, html`<level-meter .track=${audio}></level-meter>`)}
      <div class="check">
        ${icon("speaker")}
        <div class="grow stack-1">
          <b>${t("device.speaker")}</b>
          <p>
            ${button({
              label: t(this.isRinging ? "device.ringing" : "device.ring"),
              testid: "ring",
              onClick: () => void this.#ring(),
            })}
          </p>
        </div>
      </div>
    </div>`;
  }

  #check(
    kind: DeviceKind,
    list: readonly MediaDeviceInfo[],
    track: MediaStreamTrack | null,
    extra: TemplateResult | typeof nothing,
  ): TemplateResult {
    const problem = this.#local.problem(kind);
    const current = track?.getSettings().deviceId ?? "";
    const change = (event: Event) => this.#choose(kind, (event.target as HTMLSelectElement).value);
    return html`<div class="check ${track ? "is-done" : ""}">
      ${icon(track ? "check-circle" : problem ? "alert" : "clock")}
      <div class="grow stack-1">
        <label for=${`choose-${kind}`}><b>${t(`device.${kind}`)}</b></label>
        ${problem ? html`<p role="status" data-testid=${`problem:${kind}`}>${t(`device.${problem}`)}</p>` : nothing}
        ${!track && !problem ? html`<p class="quiet" role="status">${t("device.asking")}</p>` : nothing}
        ${list.length > 0
          ? html`<select class="input" id=${`choose-${kind}`} data-testid=${`choose:${kind}`} @change=${change}>
              ${list.map(
                (device, index) =>
                  html`<option value=${device.deviceId} .selected=${device.deviceId === current}>
                    ${device.label || `${t(`device.${kind}`)} ${index + 1}`}
                  </option>`,
              )}
            </select>`
          : nothing}
        ${track ? extra : nothing}
      </div>
    </div>`;
  }
}

customElements.define("enter-page", EnterPage);
