/** Audio levels of the seats that are received and of the own microphone, read from the peer connections. */
import type { StreamLabel } from "../net/messages.gen.ts";

/** `audioLevel` of the newest packet; the header extension (RFC 6464) is not always negotiated. */
function fromSources(receiver: RTCRtpReceiver): number | null {
  return receiver.getSynchronizationSources()[0]?.audioLevel ?? null;
}

async function fromStats(peer: RTCPeerConnection, type: "inbound-rtp" | "media-source"): Promise<Map<string, number>> {
  const levels = new Map<string, number>();
  for (const report of (await peer.getStats()).values()) {
    if (report.type !== type || report.kind !== "audio") continue;
    levels.set(type === "inbound-rtp" ? String(report.mid) : "own", Number(report.audioLevel ?? 0));
  }
  return levels;
}

/** seat_id -> level for every audio label of the downlink. */
export async function receivedLevels(
  peer: RTCPeerConnection,
  labels: readonly StreamLabel[],
): Promise<Map<string, number>> {
  const levels = new Map<string, number>();
  const seatOf = new Map(labels.filter((label) => label.kind === "audio").map((label) => [label.mid, label.seat_id]));
  let isStatsNeeded = false;
  for (const { mid, receiver } of peer.getTransceivers()) {
    const seatId = mid === null ? undefined : seatOf.get(mid);
    if (seatId === undefined) continue;
    const level = fromSources(receiver);
    levels.set(seatId, level ?? 0);
    if (level === null && receiver.getSynchronizationSources().length > 0) isStatsNeeded = true;
  }
  if (!isStatsNeeded) return levels;
  for (const [mid, level] of await fromStats(peer, "inbound-rtp")) {
    const seatId = seatOf.get(mid);
    if (seatId !== undefined) levels.set(seatId, level);
  }
  return levels;
}

/** Level of the own microphone, 0 when there is none. */
export async function ownLevel(peer: RTCPeerConnection): Promise<number> {
  return (await fromStats(peer, "media-source")).get("own") ?? 0;
}
