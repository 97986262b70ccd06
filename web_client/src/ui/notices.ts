/** What is wrong, what to do, and that the court knows: banners that stay, and short messages that pass. */
import { html, nothing, type TemplateResult } from "lit";
import { repeat } from "lit/directives/repeat.js";
import { reasonText } from "../core/actions.ts";
import { clockText } from "../core/court_clock.ts";
import type { HearingClient, Toast } from "../core/hearing_client.ts";
import { codeText, hasText, t } from "../core/language.ts";
import type { Role } from "../net/messages.gen.ts";
import { icon, type IconName } from "./icons.ts";

export interface Banner {
  id: string;
  kind: "warn" | "danger" | "action";
  icon: IconName;
  title: string;
  text: string;
  action?: { label: string; run(): void };
}

const RECORD_KEEPERS: ReadonlySet<Role> = new Set(["presiding_judge", "panel_judge", "clerk"]);

/** The gravest trouble of the connection, if any; several at once would only frighten. */
function connectionBanner(client: HearingClient): Banner | null {
  const warn = { kind: "warn", icon: "broken" } as const;
  if (client.phase === "restoring") {
    return { ...warn, id: "restoring", title: t("banner.restoring"), text: t("banner.court_sees") };
  }
  if (client.phase !== "open") return null;
  switch (client.media.health) {
    case "lost":
      return { ...warn, id: "media_lost", title: t("banner.media_lost"), text: t("banner.media_lost_text") };
    case "restoring":
      return { ...warn, id: "media_restoring", title: t("banner.media_restoring"), text: t("banner.court_sees") };
    case "weak":
      return { ...warn, icon: "signal-weak", id: "weak", title: t("banner.weak"), text: t("banner.court_sees") };
    default:
      break;
  }
  const weakness = client.view && client.weaknessOf(client.view.me.seat_id);
  if (!weakness) return null;
  const text = weakness.is_video_paused ? t("banner.sound_first") : t("banner.court_sees");
  return { ...warn, icon: "signal-weak", id: "weak", title: t("banner.weak"), text };
}

function deviceBanner(client: HearingClient): Banner | null {
  if (client.view?.me.role === "observer") return null;
  const camera = client.local.problem("camera");
  const microphone = client.local.problem("microphone");
  const kind = microphone ? "microphone" : camera ? "camera" : null;
  if (!kind) return null;
  return {
    id: `device_${kind}`,
    kind: "warn",
    icon: microphone ? "mic-off" : "cam-off",
    title: t(camera && microphone ? "device.both_missing" : `device.${kind}_missing`),
    text: t(`device.${(microphone ?? camera)!}`),
  };
}

/** What is wrong with the record, and what to do: for those who can do something. */
function recordingBanner(client: HearingClient): Banner | null {
  const { view } = client;
  const code = view?.recording.problem_code;
  if (!view || !code || !RECORD_KEEPERS.has(view.me.role)) return null;
  const seatId = view.recording.problem_seat_id;
  const seat = [view.me, ...view.seats].find((one) => one.seat_id === seatId);
  const name = seat ? client.nameOf(seat.person_id) : "";
  return {
    id: `recording_${code}`,
    kind: view.recording.state === "problem" ? "danger" : "warn",
    icon: "alert",
    title: t(`recording.${code}`, { name }),
    text: t(`recording.${code}_text`),
  };
}

export function bannersOf(client: HearingClient): readonly Banner[] {
  const found = [connectionBanner(client), recordingBanner(client), deviceBanner(client)].filter((banner) => banner !== null);
  if (client.media.isSoundBlocked) {
    const action = { label: t("banner.sound_action"), run: () => client.media.retrySound() };
    found.push({
      id: "sound",
      kind: "action",
      icon: "speaker",
      title: t("banner.sound"),
      text: t("banner.sound_text"),
      action,
    });
  }
  return found;
}

export function notice(banner: Banner): TemplateResult {
  return html`<div class="notice notice--${banner.kind}" data-testid=${`banner:${banner.id}`}>
    ${icon(banner.icon)}
    <div class="grow"><b>${banner.title}</b><p>${banner.text}</p></div>
    ${banner.action
      ? html`<button type="button" class="button" @click=${banner.action.run}>${banner.action.label}</button>`
      : nothing}
  </div>`;
}

/** The live region stands in the page from the start: screen readers announce only what is added to one. */
export function banners(list: readonly Banner[]): TemplateResult {
  return html`<div class="banners" role="status" aria-live="polite">${repeat(list, (one) => one.id, notice)}</div>`;
}

function toastText(client: HearingClient, toast: Toast): string {
  if (toast.kind === "copied") return t("toast.copied");
  if (toast.kind === "refused") {
    return hasText(`reason.${toast.code}`)
      ? reasonText(toast.code, toast.parameters, client.notice?.names ?? {})
      : codeText("error", toast.code);
  }
  const name = toast.name || t("person.somebody");
  return t(`toast.${toast.kind}`, { name, time: clockText(toast.at_ms, true) });
}

export function toasts(client: HearingClient): TemplateResult {
  return html`<div class="toasts" role="status" aria-live="polite">
    ${repeat(
      client.toasts,
      (toast) => toast.id,
      (toast) => {
        const isGood = toast.kind === "returned" || toast.kind === "copied";
        return html`<div class="toast on-ink ${isGood ? "" : "toast--warn"}" data-testid=${`toast:${toast.kind}`}>
          ${icon(isGood ? "check-circle" : "alert")}
          <p>${toastText(client, toast)}</p>
          <button
            type="button"
            class="ink-button"
            aria-label=${t("toast.close")}
            @click=${() => client.dismiss(toast.id)}
          >
            ${icon("x")}
          </button>
        </div>`;
      },
    )}
  </div>`;
}
