/** The media of one seat: the uplink with the own camera and microphone, the downlink with everybody else's. */
import type { Outgoing } from "../net/connection.ts";
import type { MediaState, Offer, Streams } from "../net/messages.gen.ts";
import { AudioOutlet } from "./audio_outlet.ts";
import { ownLevel, receivedLevels } from "./levels.ts";
import type { LocalMedia } from "./local_media.ts";
import { PeerSlot, type PeerState } from "./peer_slot.ts";
import { SeatStreams } from "./seat_streams.ts";
import { SpeakingGate } from "./speaking_gate.ts";

/** `lost`: the court's media process died and offers will follow. `weak`: packets stopped; it may recover by itself. */
export type MediaHealth = "opening" | "good" | "weak" | "restoring" | "lost";

export interface MediaSessionHost {
  send(message: Outgoing): void;
  onChange(): void;
  ownSeatId(): string | null;
}

const LEVEL_INTERVAL_MS = 200;
/** Time between two requests for new peer connections, doubling up to the limit while they keep failing. */
const REOPEN_MS = 1000;
const REOPEN_LIMIT_MS = 10_000;
/** After asking, or after the court's media was lost, offers have this long to come. */
const OFFER_LIMIT_MS = 12_000;

export class MediaSession {
  readonly streams = new SeatStreams();
  readonly #gate = new SpeakingGate();
  readonly #outlet: AudioOutlet;
  readonly #uplink: PeerSlot;
  readonly #downlink: PeerSlot;
  readonly #host: MediaSessionHost;
  readonly #local: LocalMedia;
  readonly #levelTimer: ReturnType<typeof setInterval>;
  #reopenTimer: ReturnType<typeof setTimeout> | undefined;
  #offerTimer: ReturnType<typeof setTimeout> | undefined;
  #reopenMs = REOPEN_MS;
  #isLost = false;
  #hasBeenGood = false;
  #isReading = false;

  constructor(host: MediaSessionHost, local: LocalMedia) {
    this.#host = host;
    this.#local = local;
    this.#outlet = new AudioOutlet(() => host.onChange());
    const makePeer = (configuration: RTCConfiguration) => new RTCPeerConnection(configuration);
    const common = { send: host.send.bind(host), onState: (state: PeerState) => this.#onState(state), makePeer };
    this.#uplink = new PeerSlot("uplink", { ...common, prepare: (peer) => this.#attachLocal(peer) });
    this.#downlink = new PeerSlot("downlink", { ...common, prepare: (peer, epoch) => this.#collect(peer, epoch) });
    local.addEventListener("change", this.#onLocalChange);
    this.#levelTimer = setInterval(() => void this.#readLevels(), LEVEL_INTERVAL_MS);
  }

  get health(): MediaHealth {
    if (this.#isLost) return "lost";
    const states = [this.#uplink.state, this.#downlink.state];
    if (states.includes("failed")) return "restoring";
    if (states.includes("disconnected")) return "weak";
    if (states.every((state) => state === "connected" || state === "idle")) return "good";
    return this.#hasBeenGood ? "restoring" : "opening";
  }

  get speaking(): ReadonlySet<string> {
    return this.#gate.speaking;
  }

  get isSoundBlocked(): boolean {
    return this.#outlet.isBlocked;
  }

  retrySound(): void {
    this.#outlet.retry();
  }

  /** Name -> peer connection, for measurements. */
  peerConnections(): Map<string, RTCPeerConnection> {
    const found = new Map<string, RTCPeerConnection>();
    for (const slot of [this.#uplink, this.#downlink]) if (slot.peer) found.set(slot.connection, slot.peer);
    return found;
  }

  /** Ask for both peer connections, new ones if there were any. */
  open(): void {
    clearTimeout(this.#reopenTimer);
    this.#reopenTimer = undefined;
    this.#expectOffers();
    this.#host.send({ type: "open_media" });
  }

  /** Drop everything received so far: the other side has started anew. */
  reset(): void {
    this.#uplink.reset();
    this.#downlink.reset();
    this.streams.clear();
    this.#publish();
  }

  onOffer(offer: Offer): void {
    this.#isLost = false;
    clearTimeout(this.#offerTimer);
    void (offer.connection === "uplink" ? this.#uplink : this.#downlink).take(offer);
  }

  onStreams(streams: Streams): void {
    this.streams.setLabels(streams);
    this.#publish();
  }

  onMediaState(notice: MediaState): void {
    if (notice.state === "lost") {
      this.#isLost = true;
      this.reset();
      this.#expectOffers();
    } else if (notice.state === "failed" && !this.#isOld(notice)) this.reopen();
    this.#host.onChange();
  }

  /** Closing a connection makes it fail at the server: that is no reason to close its successor too. */
  #isOld(notice: MediaState): boolean {
    const slot = notice.connection === "uplink" ? this.#uplink : this.#downlink;
    return typeof notice.epoch === "number" && notice.epoch < slot.epoch;
  }

  /** Idempotent. */
  close(): void {
    clearInterval(this.#levelTimer);
    clearTimeout(this.#reopenTimer);
    clearTimeout(this.#offerTimer);
    this.#local.removeEventListener("change", this.#onLocalChange);
    this.#uplink.close();
    this.#downlink.close();
    this.streams.clear();
    this.#outlet.close();
  }

  #expectOffers(): void {
    clearTimeout(this.#offerTimer);
    this.#offerTimer = setTimeout(() => this.open(), OFFER_LIMIT_MS);
  }

  readonly #onLocalChange = (): void => {
    const peer = this.#uplink.peer;
    if (peer) void this.#uplink.run(() => this.#attachLocal(peer)).catch(() => undefined);
    this.#host.onChange();
  };

  /** The first section of each kind carries the own track; without a device it stays silent until there is one. */
  async #attachLocal(peer: RTCPeerConnection): Promise<void> {
    if (peer.signalingState === "closed") return;
    const tracks = { audio: this.#local.audio, video: this.#local.video };
    const seen = new Set<string>();
    for (const transceiver of peer.getTransceivers()) {
      const kind = transceiver.receiver.track.kind as "audio" | "video";
      if (seen.has(kind)) continue;
      seen.add(kind);
      transceiver.direction = "sendonly";
      await transceiver.sender.replaceTrack(tracks[kind]);
    }
  }

  #collect(peer: RTCPeerConnection, epoch: number): void {
    const tracks = new Map<string, MediaStreamTrack>();
    for (const transceiver of peer.getTransceivers()) {
      if (transceiver.mid === null) continue;
      transceiver.direction = "recvonly";
      tracks.set(transceiver.mid, transceiver.receiver.track);
    }
    this.streams.setTracks(epoch, tracks);
    this.#publish();
  }

  #publish(): void {
    this.#outlet.show(this.streams.audible());
    this.#host.onChange();
  }

  #onState(state: PeerState): void {
    if (state === "failed") this.reopen();
    if (this.health === "good") {
      this.#hasBeenGood = true;
      this.#reopenMs = REOPEN_MS;
    }
    this.#host.onChange();
  }

  /** Ask for new peer connections after a while; the while grows as long as they keep failing. */
  reopen(): void {
    if (this.#reopenTimer !== undefined) return;
    this.#reopenTimer = setTimeout(() => this.open(), this.#reopenMs);
    this.#reopenMs = Math.min(this.#reopenMs * 2, REOPEN_LIMIT_MS);
  }

  async #readLevels(): Promise<void> {
    if (this.#isReading) return;
    this.#isReading = true;
    const levels = new Map<string, number>();
    const { peer: down } = this.#downlink;
    const { peer: up } = this.#uplink;
    const own = this.#host.ownSeatId();
    try {
      if (down) for (const [seat, level] of await receivedLevels(down, this.streams.labels())) levels.set(seat, level);
      if (up && own && this.#local.audio?.enabled) levels.set(own, await ownLevel(up));
    } catch {
      return; // closed between two reads
    } finally {
      this.#isReading = false;
    }
    if (this.#gate.update(levels, performance.now())) this.#host.onChange();
  }
}
