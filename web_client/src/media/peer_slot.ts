/**
 * One of the two peer connections of a seat. The server offers, this side answers. A new epoch replaces the peer
 * connection; all operations on it run one after another in the order in which the offers came.
 */
import type { IceServer, Offer } from "../net/messages.gen.ts";
import type { Outgoing } from "../net/connection.ts";

export type PeerState = "idle" | "connecting" | "connected" | "disconnected" | "failed";

export interface PeerSlotHost {
  send(message: Outgoing): void;
  /** Between setRemoteDescription and createAnswer: give the transceivers their tracks and directions. */
  prepare(peer: RTCPeerConnection, epoch: number): Promise<void> | void;
  onState(state: PeerState): void;
  makePeer(configuration: RTCConfiguration): RTCPeerConnection;
}

/** ICE and DTLS have this long after the first answer of an epoch. */
const CONNECT_LIMIT_MS = 15_000;

export class PeerSlot {
  readonly connection: Offer["connection"];
  #epoch = 0;
  #peer: RTCPeerConnection | null = null;
  #state: PeerState = "idle";
  #chain: Promise<void> = Promise.resolve();
  #watchdog: ReturnType<typeof setTimeout> | undefined;
  readonly #host: PeerSlotHost;

  constructor(connection: Offer["connection"], host: PeerSlotHost) {
    this.connection = connection;
    this.#host = host;
  }

  get epoch(): number {
    return this.#epoch;
  }

  get peer(): RTCPeerConnection | null {
    return this.#peer;
  }

  get state(): PeerState {
    return this.#state;
  }

  /** Answer `offer`. Offers of an older epoch are dropped. Resolves when it has been dealt with; never rejects. */
  take(offer: Offer): Promise<void> {
    if (offer.epoch < this.#epoch) return this.#chain;
    if (offer.epoch > this.#epoch) this.#renew(offer.epoch, offer.ice_servers ?? []);
    const peer = this.#peer;
    if (!peer) return this.#chain;
    return this.run(async () => {
      if (peer !== this.#peer) return;
      try {
        await this.#answer(peer, offer);
      } catch (error) {
        // A peer connection that was closed in between throws; its successor has an offer of its own.
        if (peer === this.#peer && peer.signalingState !== "closed") this.#fail(error);
      }
    });
  }

  /** Do something with the peer connection after everything asked for earlier. */
  run(operation: () => Promise<void> | void): Promise<void> {
    this.#chain = this.#chain.then(operation);
    return this.#chain;
  }

  /** Forget the epoch too: a relay that has started anew counts from the beginning. */
  reset(): void {
    this.close();
    this.#epoch = 0;
  }

  /** Idempotent. */
  close(): void {
    clearTimeout(this.#watchdog);
    this.#peer?.close();
    this.#peer = null;
    this.#enter("idle");
  }

  async #answer(peer: RTCPeerConnection, offer: Offer): Promise<void> {
    await peer.setRemoteDescription({ type: "offer", sdp: offer.sdp });
    await this.#host.prepare(peer, offer.epoch);
    const answer = await peer.createAnswer();
    await peer.setLocalDescription(answer);
    if (peer !== this.#peer) return;
    this.#host.send({
      type: "answer",
      connection: this.connection,
      epoch: offer.epoch,
      negotiation: offer.negotiation,
      sdp: peer.localDescription?.sdp ?? answer.sdp ?? "",
    });
  }

  #renew(epoch: number, iceServers: readonly IceServer[]): void {
    this.close();
    this.#epoch = epoch;
    const peer = this.#host.makePeer({
      iceServers: iceServers.map((server) => ({ ...server, urls: [...server.urls] })),
      bundlePolicy: "max-bundle",
    });
    this.#peer = peer;
    this.#enter("connecting");
    peer.onicecandidate = ({ candidate }) => {
      if (candidate?.candidate && peer === this.#peer) {
        this.#host.send({ type: "candidate", connection: this.connection, epoch, candidate: candidate.candidate });
      }
    };
    peer.onconnectionstatechange = () => peer === this.#peer && this.#follow(peer.connectionState);
    this.#watchdog = setTimeout(() => peer === this.#peer && this.#enter("failed"), CONNECT_LIMIT_MS);
  }

  #follow(state: RTCPeerConnectionState): void {
    if (state === "connected" || state === "failed") clearTimeout(this.#watchdog);
    if (state === "connected" || state === "disconnected" || state === "failed") this.#enter(state);
  }

  #fail(error: unknown): void {
    clearTimeout(this.#watchdog);
    console.warn(`media: the ${this.connection} offer could not be answered`, (error as Error).name);
    this.#enter("failed");
  }

  #enter(state: PeerState): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#host.onState(state);
  }
}
