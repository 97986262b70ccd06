import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { PeerSlot, type PeerState } from "../src/media/peer_slot.ts";
import type { Offer } from "../src/net/messages.gen.ts";
import type { Outgoing } from "../src/net/connection.ts";

/** A peer connection that takes a moment for each step and writes down what was asked of it. */
class FakePeer {
  signalingState = "stable";
  connectionState = "new";
  localDescription: { sdp: string } | null = null;
  onicecandidate: ((event: { candidate: { candidate: string } | null }) => void) | null = null;
  onconnectionstatechange: (() => void) | null = null;
  remote = "";
  isBroken = false;

  constructor(readonly steps: string[], readonly name: string) {}

  async setRemoteDescription({ sdp }: { sdp: string }): Promise<void> {
    await this.#step(`remote ${sdp}`);
    if (this.isBroken) throw new DOMException("bad", "InvalidAccessError");
    this.remote = sdp;
  }

  async createAnswer(): Promise<{ type: string; sdp: string }> {
    await this.#step("answer");
    return { type: "answer", sdp: `answer to ${this.remote}` };
  }

  async setLocalDescription(answer: { sdp: string }): Promise<void> {
    await this.#step("local");
    this.localDescription = answer;
  }

  become(state: string): void {
    this.connectionState = state;
    this.onconnectionstatechange?.();
  }

  close(): void {
    this.signalingState = "closed";
    this.steps.push(`${this.name} close`);
  }

  async #step(what: string): Promise<void> {
    if (this.signalingState === "closed") throw new DOMException("closed", "InvalidStateError");
    this.steps.push(`${this.name} ${what}`);
    await Promise.resolve();
  }
}

function slot() {
  const steps: string[] = [];
  const sent: Outgoing[] = [];
  const states: PeerState[] = [];
  const peers: FakePeer[] = [];
  const one = new PeerSlot("downlink", {
    send: (message) => sent.push(message),
    prepare: () => undefined,
    onState: (state) => states.push(state),
    makePeer: () => {
      peers.push(new FakePeer(steps, `peer${peers.length + 1}`));
      return peers.at(-1) as unknown as RTCPeerConnection;
    },
  });
  return { one, steps, sent, states, peers };
}

const offer = (epoch: number, negotiation: number, sdp = `offer${epoch}.${negotiation}`): Offer => ({
  type: "offer",
  connection: "downlink",
  epoch,
  negotiation,
  sdp,
});

beforeEach(() => void vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

describe("PeerSlot", () => {
  it("answers with the offer's epoch and negotiation", async () => {
    const { one, sent } = slot();
    await one.take(offer(1, 1));
    expect(sent).toEqual([
      { type: "answer", connection: "downlink", epoch: 1, negotiation: 1, sdp: "answer to offer1.1" },
    ]);
  });

  it("finishes one negotiation before the next begins", async () => {
    const { one, steps } = slot();
    await Promise.all([one.take(offer(1, 1)), one.take(offer(1, 2))]);
    expect(steps).toEqual([
      "peer1 remote offer1.1", "peer1 answer", "peer1 local",
      "peer1 remote offer1.2", "peer1 answer", "peer1 local",
    ]);
  });

  it("makes a new peer connection for a new epoch, and answers only for that one", async () => {
    const { one, sent, peers } = slot();
    const first = one.take(offer(1, 1));
    await one.take(offer(2, 1));
    await first;
    expect(peers).toHaveLength(2);
    expect(peers[0]?.signalingState).toBe("closed");
    expect(sent.map((message) => "epoch" in message && message.epoch)).toEqual([2]);
    await one.take(offer(1, 2));
    expect(peers).toHaveLength(2);
  });

  it("takes a lower epoch after a reset: the relay counts from the beginning", async () => {
    const { one, sent, peers } = slot();
    await one.take(offer(5, 1));
    await one.take(offer(1, 1));
    expect(sent).toHaveLength(1);
    one.reset();
    expect(peers[0]?.signalingState).toBe("closed");
    await one.take(offer(1, 1));
    expect(sent.at(-1)).toMatchObject({ type: "answer", epoch: 1 });
  });

  it("sends candidates of the current peer connection only, and no end mark", async () => {
    const { one, sent, peers } = slot();
    await one.take(offer(1, 1));
    await one.take(offer(2, 1));
    sent.length = 0;
    peers[0]?.onicecandidate?.({ candidate: { candidate: "candidate:old" } });
    peers[1]?.onicecandidate?.({ candidate: { candidate: "candidate:new" } });
    peers[1]?.onicecandidate?.({ candidate: { candidate: "" } });
    peers[1]?.onicecandidate?.({ candidate: null });
    expect(sent).toEqual([{ type: "candidate", connection: "downlink", epoch: 2, candidate: "candidate:new" }]);
  });

  it("fails when an offer cannot be answered, and works again with the next epoch", async () => {
    const { one, states, sent, peers } = slot();
    vi.spyOn(console, "warn").mockImplementation(() => undefined);
    const taken = one.take(offer(1, 1));
    peers[0]!.isBroken = true;
    await taken;
    expect(states.at(-1)).toBe("failed");
    await one.take(offer(2, 1));
    expect(sent).toHaveLength(1);
    expect(states.at(-1)).toBe("connecting");
  });

  it("fails when it is not connected in 15 s; connecting in time prevents that", async () => {
    const { one, states, peers } = slot();
    await one.take(offer(1, 1));
    vi.advanceTimersByTime(15_000);
    expect(states.at(-1)).toBe("failed");
    await one.take(offer(2, 1));
    peers[1]?.become("connected");
    vi.advanceTimersByTime(60_000);
    expect(states.at(-1)).toBe("connected");
  });
});
