import { describe, expect, it } from "vitest";
import { SeatStreams } from "../src/media/seat_streams.ts";
import type { StreamLabel } from "../src/net/messages.gen.ts";

const track = (name: string) => ({ name }) as unknown as MediaStreamTrack;
const make = () => new SeatStreams((one) => ({ of: one }) as unknown as MediaStream);
const label = (mid: string, seat_id: string, kind: "audio" | "video" = "video"): StreamLabel => ({ mid, seat_id, kind });

describe("SeatStreams", () => {
  it("joins labels and tracks whichever comes first", () => {
    const early = make();
    early.setLabels({ type: "streams", epoch: 1, streams: [label("0", "judge")] });
    expect(early.of("judge", "video")).toBeNull();
    early.setTracks(1, new Map([["0", track("a")]]));
    const late = make();
    late.setTracks(1, new Map([["0", track("a")]]));
    late.setLabels({ type: "streams", epoch: 1, streams: [label("0", "judge")] });
    for (const streams of [early, late]) expect(streams.of("judge", "video")).not.toBeNull();
  });

  it("never joins labels with the tracks of another epoch", () => {
    const streams = make();
    streams.setTracks(1, new Map([["0", track("a")]]));
    streams.setLabels({ type: "streams", epoch: 2, streams: [label("0", "witness")] });
    expect(streams.of("witness", "video")).toBeNull();
    streams.setTracks(2, new Map([["0", track("b")]]));
    expect(streams.of("witness", "video")).not.toBeNull();
    streams.setLabels({ type: "streams", epoch: 1, streams: [] });
    expect(streams.of("witness", "video")).not.toBeNull();
  });

  it("keeps the same object while the track is the same", () => {
    const streams = make();
    const one = track("a");
    streams.setTracks(1, new Map([["0", one]]));
    streams.setLabels({ type: "streams", epoch: 1, streams: [label("0", "judge")] });
    const before = streams.of("judge", "video");
    streams.setTracks(1, new Map([["0", one], ["1", track("b")]]));
    streams.setLabels({ type: "streams", epoch: 1, streams: [label("0", "judge"), label("1", "party")] });
    expect(streams.of("judge", "video")).toBe(before);
  });

  it("drops a seat that is no longer labelled, and reuses its section for another", () => {
    const streams = make();
    streams.setTracks(1, new Map([["0", track("a")], ["1", track("b")]]));
    streams.setLabels({ type: "streams", epoch: 1, streams: [label("0", "judge"), label("1", "judge", "audio")] });
    expect([...streams.audible().keys()]).toEqual(["judge"]);
    streams.setLabels({ type: "streams", epoch: 1, streams: [label("0", "party")] });
    expect(streams.of("judge", "video")).toBeNull();
    expect(streams.of("party", "video")).not.toBeNull();
    expect(streams.audible().size).toBe(0);
  });

  it("counts epochs from the beginning after it was cleared", () => {
    const streams = make();
    streams.setTracks(5, new Map([["0", track("a")]]));
    streams.setLabels({ type: "streams", epoch: 5, streams: [label("0", "judge")] });
    streams.clear();
    expect(streams.of("judge", "video")).toBeNull();
    streams.setLabels({ type: "streams", epoch: 1, streams: [label("0", "judge")] });
    streams.setTracks(1, new Map([["0", track("b")]]));
    expect(streams.of("judge", "video")).not.toBeNull();
  });
});
