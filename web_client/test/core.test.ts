import { beforeAll, describe, expect, it, vi } from "vitest";
import { findAction, reasonText, shownAction } from "../src/core/actions.ts";
import { clockText, elapsedText, minutesSince, secondsUntil } from "../src/core/court_clock.ts";
import { codeText, fill, preferredLanguage, setLanguage, t } from "../src/core/language.ts";
import { barsOf, loudness } from "../src/core/loudness.ts";
import { places } from "../src/core/places.ts";
import { presenceNews } from "../src/core/presence_news.ts";
import { roleText } from "../src/core/seat_names.ts";
import { witnessScreen } from "../src/core/witness_screen.ts";
import { problemOf, videoConstraints } from "../src/media/local_media.ts";
import { SpeakingGate, SPEAKING_LEVEL } from "../src/media/speaking_gate.ts";
import { backoffMs } from "../src/net/backoff.ts";
import { action, seat, view } from "./sample_view.ts";

beforeAll(() => {
  vi.stubGlobal("sessionStorage", { setItem: () => undefined, getItem: () => null });
  vi.stubGlobal("document", { documentElement: { lang: "" } });
  setLanguage("en");
});

describe("places", () => {
  it("seats everybody, with the presiding judge in the middle and parties before counsel", () => {
    const where = places(view());
    expect(where.bench.map((one) => one.person_id)).toEqual(["panel-b", "judge", "panel-a"]);
    expect(where.sides.plaintiff.map((one) => one.person_id)).toEqual(["plaintiff", "counsel"]);
    expect(where.sides.defendant.map((one) => one.person_id)).toEqual(["defendant"]);
    expect(where.clerks).toHaveLength(1);
    expect(where.stand).toBeNull();
    expect(where.waitingWitnesses).toHaveLength(2);
  });

  it("gives everybody the same places, whoever looks", () => {
    const judge = view();
    const other = view({ me: judge.seats[4]!, seats: [...judge.seats.filter((_, i) => i !== 4), judge.me] });
    const ids = (one: ReturnType<typeof places>) => [...one.bench, ...one.sides.plaintiff].map((x) => x.seat_id);
    expect(ids(places(other))).toEqual(ids(places(judge)));
  });

  it.each(["called", "testifying"] as const)("puts a witness who is %s at the stand", (testimony) => {
    const { seats } = view();
    const where = places(view({ seats: seats.map((one) => (one.person_id === "witness-b" ? { ...one, testimony } : one)) }));
    expect(where.stand?.person_id).toBe("witness-b");
    expect(where.waitingWitnesses.map((one) => one.person_id)).toEqual(["witness-a"]);
  });
});

describe("actions", () => {
  it("finds an action by what it concerns", () => {
    const one = view({ actions: [action("mute_other", { person_id: "clerk" }), action("recess")] });
    expect(findAction(one, "mute_other", "clerk")).not.toBeNull();
    expect(findAction(one, "mute_other")).toBeNull();
    expect(findAction(one, "recess")).not.toBeNull();
  });

  it("keeps a refused button only where its reason helps", () => {
    const refused = (name: "call_witness" | "recess", reason_code: "witness_not_present" | "wrong_state" | "witness_already_called") =>
      shownAction(view({ actions: [action(name, { allowed: false, reason_code })] }), name);
    expect(refused("call_witness", "witness_not_present")).not.toBeNull();
    expect(refused("call_witness", "witness_already_called")).toBeNull();
    expect(refused("recess", "wrong_state")).toBeNull();
    expect(shownAction(view(), "start")).toBeNull();
    const over = view({ state: "closed", actions: [action("call_witness", { allowed: false, reason_code: "wrong_state" })] });
    expect(shownAction(over, "call_witness")).toBeNull();
  });

  it("words a reason with the person's name and the state", () => {
    expect(reasonText("witness_not_present", { person_id: "w" }, { w: "Chen Xiulan" })).toContain("Chen Xiulan");
    expect(reasonText("wrong_state", { state: "recess" }, {})).toContain(t("state.recess"));
    const call = reasonText("wrong_state", { state: "recess", action: "call_witness" }, {});
    expect(call).toBe(t("reason.wrong_state.call_witness"));
    expect(reasonText("brand_new_code", {}, {})).toContain("brand_new_code");
  });
});

describe("presence news", () => {
  const changed = (presence: "present" | "lost" | "left" | "absent") =>
    view({ seats: [seat("plaintiff", "party", { presence })] });

  it("tells who was lost, came back and left, once", () => {
    expect(presenceNews(changed("present"), changed("lost"))).toEqual([{ kind: "lost", person_id: "plaintiff" }]);
    expect(presenceNews(changed("lost"), changed("present"))).toEqual([{ kind: "returned", person_id: "plaintiff" }]);
    expect(presenceNews(changed("present"), changed("left"))).toEqual([{ kind: "left", person_id: "plaintiff" }]);
    expect(presenceNews(changed("lost"), changed("lost"))).toEqual([]);
  });

  it("says nothing of the first view or of a first arrival", () => {
    expect(presenceNews(null, changed("lost"))).toEqual([]);
    expect(presenceNews(changed("absent"), changed("present"))).toEqual([]);
  });
});

describe("witness screen", () => {
  const screen = (testimony: "waiting" | "called" | "testifying" | "released", state: "in_session" | "recess" | "interrupted" | "closed") =>
    witnessScreen(view({ state, me: seat("w", "witness", { testimony }) }));

  it("follows testimony and state", () => {
    expect(screen("waiting", "in_session")).toBe("waiting");
    expect(screen("called", "in_session")).toBe("called");
    expect(screen("testifying", "in_session")).toBe("testimony");
    expect(screen("testifying", "recess")).toBe("paused");
    expect(screen("testifying", "interrupted")).toBe("paused");
    expect(screen("released", "in_session")).toBe("released");
    expect(screen("waiting", "closed")).toBe("closed");
  });
});

describe("language", () => {
  it("is the tab's own, else the browser's, else English", () => {
    expect(preferredLanguage("zh", "en-GB")).toBe("zh");
    expect(preferredLanguage(null, "zh-TW")).toBe("zh");
    expect(preferredLanguage("klingon", "fr-FR")).toBe("en");
  });

  it("fills parameters as text and leaves unknown ones visible", () => {
    expect(fill("{name} is {what}", { name: "<b>" })).toBe("<b> is {what}");
  });

  it("has a text for any code", () => {
    expect(codeText("error", "link_used")).toBe(t("error.link_used"));
    expect(codeText("error", "brand_new_code")).toContain("brand_new_code");
  });

  it("names a role by its side where that says more", () => {
    expect(roleText("party", "defendant")).toBe(t("role.party.defendant"));
    expect(roleText("clerk", null)).toBe(t("role.clerk"));
  });
});

describe("times", () => {
  it("are never negative and carry over", () => {
    expect(elapsedText(2_537_000)).toBe("00:42:17");
    expect(elapsedText(-5)).toBe("00:00:00");
    expect(elapsedText(100 * 3_600_000)).toBe("100:00:00");
    const at = Date.parse("2026-03-02T02:00:00Z");
    expect(secondsUntil("2026-03-02T02:00:07.2Z", at)).toBe(8);
    expect(secondsUntil("2026-03-02T01:00:00Z", at)).toBe(0);
    expect(minutesSince("2026-03-02T01:42:10Z", at)).toBe(17);
    expect(clockText(new Date(2026, 2, 2, 9, 5, 3).getTime(), true)).toBe("09:05:03");
  });
});

describe("speaking", () => {
  it("begins at once, outlasts a short pause, ends after a long one", () => {
    const gate = new SpeakingGate();
    const loud = new Map([["a", SPEAKING_LEVEL], ["b", 0]]);
    const quiet = new Map([["a", 0], ["b", 0]]);
    expect(gate.update(loud, 0)).toBe(true);
    expect([...gate.speaking]).toEqual(["a"]);
    expect(gate.update(quiet, 600)).toBe(false);
    expect(gate.update(quiet, 800)).toBe(true);
    expect(gate.speaking.size).toBe(0);
  });

  it("ends at once for a seat that is no longer heard", () => {
    const gate = new SpeakingGate();
    gate.update(new Map([["a", 1]]), 0);
    expect(gate.update(new Map(), 1)).toBe(true);
  });
});

describe("devices", () => {
  it("tell apart a refusal, a missing and a busy device", () => {
    expect(problemOf("NotAllowedError")).toBe("denied");
    expect(problemOf("NotFoundError")).toBe("absent");
    expect(problemOf("NotReadableError")).toBe("busy");
  });

  it("are asked for less on a phone", () => {
    expect(videoConstraints(false).width).toEqual({ ideal: 1280 });
    expect(videoConstraints(true).width).toEqual({ ideal: 640 });
  });

  it("show loudness from silence to too loud", () => {
    expect(barsOf(0)).toBe(0);
    expect(barsOf(1)).toBe(20);
    expect([0, 3, 11, 19].map(loudness)).toEqual(["silent", "quiet", "right", "loud"]);
  });
});

describe("backoff", () => {
  it("doubles from 250 ms to 3 s, with at most a quarter of jitter", () => {
    expect([0, 1, 2, 3, 4, 50].map((attempt) => backoffMs(attempt, 0))).toEqual([250, 500, 1000, 2000, 3000, 3000]);
    expect(backoffMs(50, 1)).toBe(3750);
  });
});
