/** Where everybody sits, as in a court: the bench above, the sides facing, the stand in the middle. */
import type { HearingView, Role, SeatView, Side } from "../net/messages.gen.ts";

const OFFICERS: ReadonlySet<Role> = new Set(["presiding_judge", "panel_judge", "clerk"]);

export function isCourtOfficer(role: Role): boolean {
  return OFFICERS.has(role);
}

export interface Places {
  bench: readonly SeatView[];
  clerks: readonly SeatView[];
  sides: Readonly<Record<Side, readonly SeatView[]>>;
  /** Called or testifying: who is on the stand or about to be. */
  stand: SeatView | null;
  /** Witnesses who are neither on the stand nor called. */
  waitingWitnesses: readonly SeatView[];
  observers: readonly SeatView[];
}

export function everybody(view: HearingView): readonly SeatView[] {
  return [view.me, ...view.seats];
}

/** The presiding judge in the middle: as many colleagues to the left as to the right, the earlier ones nearer. */
function benchOrder(judges: readonly SeatView[]): readonly SeatView[] {
  const presiding = judges.filter((seat) => seat.role === "presiding_judge");
  const left: SeatView[] = [];
  const right: SeatView[] = [];
  judges
    .filter((seat) => seat.role === "panel_judge")
    .forEach((seat, index) => (index % 2 === 0 ? right.push(seat) : left.unshift(seat)));
  return [...left, ...presiding, ...right];
}

function byId(a: SeatView, b: SeatView): number {
  return a.seat_id < b.seat_id ? -1 : 1;
}

/** Parties before their counsel. */
function bySpeaker(a: SeatView, b: SeatView): number {
  return Number(a.role === "counsel") - Number(b.role === "counsel") || byId(a, b);
}

/** Seats keep their places whatever happens: the order depends on ids and roles only, not on the viewer. */
export function places(view: HearingView): Places {
  const all = everybody(view);
  const of = (...roles: Role[]): SeatView[] => all.filter((seat) => roles.includes(seat.role)).sort(byId);
  const witnesses = of("witness");
  const stand = witnesses.find((seat) => seat.testimony === "testifying" || seat.testimony === "called") ?? null;
  const people = of("party", "counsel").sort(bySpeaker);
  return {
    bench: benchOrder(of("presiding_judge", "panel_judge")),
    clerks: of("clerk"),
    sides: {
      // Somebody without a side sits with the plaintiff's side rather than nowhere.
      plaintiff: people.filter((seat) => seat.side !== "defendant"),
      defendant: people.filter((seat) => seat.side === "defendant"),
    },
    stand,
    waitingWitnesses: witnesses.filter((seat) => seat !== stand),
    observers: of("observer"),
  };
}
