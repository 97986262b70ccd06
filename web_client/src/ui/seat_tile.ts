/** One person's place: picture, name plate, and what is the matter, in words. */
import { html, nothing, type TemplateResult } from "lit";
import { classMap } from "lit/directives/class-map.js";
import type { HearingClient } from "../core/hearing_client.ts";
import { t } from "../core/language.ts";
import { seatRoleText } from "../core/seat_names.ts";
import type { Health, HearingState, SeatView } from "../net/messages.gen.ts";
import { icon, silhouette, type IconName } from "./icons.ts";

/** `desk`: the plate stands below the picture. `self`: small, without a plate. */
export type TileKind = "desk" | "plain" | "stand" | "main" | "self";

interface Mark {
  icon: IconName;
  text: string;
  isWarning: boolean;
}

function pictureOf(client: HearingClient, seat: SeatView): MediaStream | null {
  if (seat.seat_id === client.view?.me.seat_id) return seat.is_camera_on ? client.local.preview : null;
  // A face that stands still looks like somebody who says nothing.
  return client.arePicturesPaused ? null : client.media.streams.of(seat.seat_id, "video");
}

/** What a person should know about this seat beyond the picture; the gravest thing only. */
function markOf(client: HearingClient, seat: SeatView, isSelf: boolean, hasPicture: boolean): Mark | null {
  const state: HearingState | undefined = client.view?.state;
  if (seat.presence === "lost") return { icon: "broken", text: t("seat.fault"), isWarning: true };
  if (seat.presence === "left") return { icon: "leave", text: t("seat.left"), isWarning: false };
  if (seat.presence === "absent") return { icon: "absent", text: t("seat.absent"), isWarning: false };
  const weakness = client.weaknessOf(seat.seat_id);
  // Whoever is about to show something must know who cannot see it; a banner tells the person.
  if (weakness) return { icon: "signal-weak", text: weaknessText(weakness, isSelf), isWarning: true };
  if (client.arePicturesPaused && !isSelf && seat.receiving.includes("video")) {
    return { icon: "signal-weak", text: t("seat.picture_paused"), isWarning: true };
  }
  if (seat.is_talking_with_clerk) return { icon: "chat", text: t("seat.talking"), isWarning: false };
  if (!seat.is_camera_on) return { icon: "cam-off", text: t("seat.camera_off"), isWarning: false };
  if (isSelf) return hasPicture ? null : { icon: "cam-off", text: t("seat.no_camera"), isWarning: false };
  // In a recess everybody waits; saying it of each would say nothing.
  const isSitting = state === "check_in" || state === "in_session";
  if (isSitting && seat.testimony !== "called" && (seat.location === "waiting_room" || seat.location === "witness_room")) {
    return { icon: "clock", text: t("seat.waiting"), isWarning: false };
  }
  return null;
}

export function weaknessText(weakness: Health, isSelf: boolean): string {
  return t(weakness.is_video_paused && !isSelf ? "seat.sound_only" : "seat.weak");
}

function microphone(seat: SeatView, isSpeaking: boolean): { icon: IconName; text: string } {
  if (seat.presence !== "present") return { icon: "absent", text: t(`presence.${seat.presence}`) };
  if (isSpeaking) return { icon: "speaker", text: t("seat.speaking") };
  if (seat.is_muted) return { icon: "mic-off", text: t("seat.microphone_off") };
  return { icon: "mic", text: t("seat.microphone_on") };
}

function plate(client: HearingClient, seat: SeatView, isSpeaking: boolean): TemplateResult {
  const sound = microphone(seat, isSpeaking);
  return html`<figcaption class="tile__plate">
    ${icon(sound.icon)}<span class="role">${seatRoleText(seat)}</span
    ><span class="who">${client.nameOf(seat.person_id)}</span><span class="sr-only">${sound.text}</span>
  </figcaption>`;
}

export function seatTile(client: HearingClient, seat: SeatView, kind: TileKind): TemplateResult {
  const isSelf = seat.seat_id === client.view?.me.seat_id;
  const isSpeaking = client.media.speaking.has(seat.seat_id) && !seat.is_muted;
  const stream = pictureOf(client, seat);
  const mark = markOf(client, seat, isSelf, stream !== null);
  const classes = {
    [`tile--${kind}`]: kind !== "plain",
    "tile--speaking": isSpeaking,
    "tile--fault": seat.presence === "lost",
    "tile--mirror": isSelf,
    "tile--away": seat.presence === "absent" || seat.presence === "left",
  };
  return html`<figure
    class="tile ${classMap(classes)}"
    data-testid=${`tile:${seat.seat_id}`}
    data-presence=${seat.presence}
    data-speaking=${String(isSpeaking)}
  >
    <div class="tile__picture">
      ${stream ? nothing : silhouette()}
      <video
        class="picture"
        autoplay
        playsinline
        aria-hidden="true"
        .muted=${true}
        .srcObject=${stream}
        ?hidden=${stream === null}
      ></video>
      ${mark || (isSelf && kind === "self")
        ? html`<div class="tile__marks">
            ${isSelf && kind === "self"
              ? html`<span class="badge badge--ink">${icon("user")}<span>${t("seat.you")}</span></span>`
              : nothing}
            ${mark
              ? html`<span class="badge badge--ink ${mark.isWarning ? "badge--warn" : ""}"
                  >${icon(mark.icon)}<span>${mark.text}</span></span
                >`
              : nothing}
          </div>`
        : nothing}
    </div>
    ${kind === "self" ? nothing : plate(client, seat, isSpeaking)}
  </figure>`;
}
