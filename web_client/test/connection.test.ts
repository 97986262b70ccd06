import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Connection, type ConnectionPhase, type EndReason } from "../src/net/connection.ts";
import type { ServerNotice } from "../src/net/messages.gen.ts";
import { FakeSocket } from "./fake_socket.ts";

function connect(lastSeq: () => number | null = () => null) {
  const phases: [ConnectionPhase, EndReason | null][] = [];
  const notices: ServerNotice[] = [];
  let opened = 0;
  const connection = new Connection(
    {
      onOpen: () => opened++,
      onNotice: (notice) => notices.push(notice),
      onPhase: (phase, reason) => phases.push([phase, reason]),
      lastSeq,
    },
    { url: "ws://court/ws", token: "t".repeat(32), makeSocket: (url) => new FakeSocket(url) as unknown as WebSocket, random: () => 0 },
  );
  connection.start();
  return { connection, phases, notices, opened: () => opened };
}

beforeEach(() => {
  vi.useFakeTimers();
  FakeSocket.made = [];
});
afterEach(() => vi.useRealTimers());

describe("authentication", () => {
  it("comes first, with the token and the last event seen", () => {
    const { opened } = connect(() => 41);
    FakeSocket.last.open();
    expect(FakeSocket.last.sent).toEqual([{ type: "authenticate", id: 1, token: "t".repeat(32), resume_from: 41 }]);
    expect(opened()).toBe(1);
  });

  it("lets nothing else through before it has succeeded", async () => {
    const { connection } = connect();
    FakeSocket.last.open(false);
    await expect(connection.send({ type: "start" })).rejects.toMatchObject({ code: "not_connected" });
    expect(FakeSocket.last.sent).toHaveLength(1);
  });

  it.each([
    ["link_unknown", "session_unknown"],
    ["wrong_state", "hearing_over"],
  ] as const)("refused with %s ends the connection as %s", (code, reason) => {
    const { phases } = connect();
    FakeSocket.last.open(false);
    FakeSocket.last.say({ type: "refused", id: 1, code, message: "" });
    expect(phases.at(-1)).toEqual(["ended", reason]);
    vi.advanceTimersByTime(60_000);
    expect(FakeSocket.made).toHaveLength(1);
  });

  it("refused for a passing reason is tried again", () => {
    connect();
    FakeSocket.last.open(false);
    FakeSocket.last.say({ type: "refused", id: 1, code: "rate_limited", message: "" });
    vi.advanceTimersByTime(4_000);
    expect(FakeSocket.made).toHaveLength(2);
  });
});

describe("commands", () => {
  it("get increasing ids and their own answers, in any order", async () => {
    const { connection } = connect();
    FakeSocket.last.open();
    const start = connection.send({ type: "start" });
    const link = connection.send({ type: "reissue_link", person_id: "p2" });
    expect(FakeSocket.last.sent.map((message) => message.id)).toEqual([1, 2, 3]);
    FakeSocket.last.say({ type: "link", id: 3, person_id: "p2", url: "https://court/enter#x" });
    FakeSocket.last.say({ type: "ok", id: 3 });
    FakeSocket.last.say({ type: "refused", id: 2, code: "wrong_state", message: "", parameters: { state: "closed" } });
    await expect(link).resolves.toMatchObject({ type: "link" });
    await expect(start).rejects.toMatchObject({ code: "wrong_state", parameters: { state: "closed" } });
  });

  it("fail when the socket closes before the answer", async () => {
    const { connection } = connect();
    FakeSocket.last.open();
    const start = connection.send({ type: "start" });
    FakeSocket.last.close();
    await expect(start).rejects.toMatchObject({ code: "not_connected" });
  });

  it("without an answer show that the socket is dead", async () => {
    const { connection, phases } = connect();
    FakeSocket.last.open();
    const start = expect(connection.send({ type: "start" })).rejects.toMatchObject({ code: "no_answer" });
    await vi.advanceTimersByTimeAsync(10_000);
    await start;
    expect(FakeSocket.made[0]?.isClosed).toBe(true);
    expect(phases.at(-1)).toEqual(["restoring", null]);
  });
});

describe("a lost connection", () => {
  it("is restored with a fresh id sequence, and the page is told", () => {
    const { phases, opened } = connect();
    FakeSocket.last.open();
    FakeSocket.last.close();
    expect(phases.at(-1)).toEqual(["restoring", null]);
    vi.advanceTimersByTime(250);
    FakeSocket.last.open();
    expect(FakeSocket.last.sent[0]?.id).toBe(1);
    expect(phases.at(-1)).toEqual(["open", null]);
    expect(opened()).toBe(2);
  });

  it("is tried ever more slowly, at most every 3 s", () => {
    connect();
    for (const delayMs of [250, 500, 1000, 2000, 3000, 3000]) {
      FakeSocket.last.close();
      const before = FakeSocket.made.length;
      vi.advanceTimersByTime(delayMs - 1);
      expect(FakeSocket.made).toHaveLength(before);
      vi.advanceTimersByTime(1);
      expect(FakeSocket.made).toHaveLength(before + 1);
    }
  });

  it("is tried again when opening takes too long", () => {
    connect();
    vi.advanceTimersByTime(8_000 + 250);
    expect(FakeSocket.made).toHaveLength(2);
  });

  it("ignores what an old socket still says", () => {
    const { notices } = connect();
    const old = FakeSocket.last;
    old.open();
    old.close();
    vi.advanceTimersByTime(250);
    old.say({ type: "media_state", state: "lost" });
    expect(notices.map((notice) => notice.type)).toEqual(["welcome"]);
  });
});

describe("goodbye", () => {
  it.each(["left", "replaced", "revoked", "hearing_over"] as const)("%s is final", (code) => {
    const { phases } = connect();
    FakeSocket.last.open();
    FakeSocket.last.say({ type: "goodbye", code });
    expect(phases.at(-1)).toEqual(["ended", code]);
    vi.advanceTimersByTime(60_000);
    expect(FakeSocket.made).toHaveLength(1);
  });

  it.each(["too_slow", "shutting_down"] as const)("%s takes the seat again", (code) => {
    connect();
    FakeSocket.last.open();
    FakeSocket.last.say({ type: "goodbye", code });
    vi.advanceTimersByTime(250);
    expect(FakeSocket.made).toHaveLength(2);
  });
});
