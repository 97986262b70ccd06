/** A hearing in session with one of everybody, to be changed by tests. */
import type { ActionView, HearingView, Role, SeatView } from "../src/net/messages.gen.ts";

export function seat(person: string, role: Role, changes: Partial<SeatView> = {}): SeatView {
  return {
    seat_id: `seat-${person}`,
    person_id: person,
    role,
    side: null,
    represents: null,
    presence: "present",
    presence_since: null,
    location: "courtroom",
    is_muted: false,
    is_muted_by_court: false,
    is_mute_locked: false,
    is_camera_on: true,
    testimony: role === "witness" ? "waiting" : null,
    admit_at: null,
    receiving: [],
    is_talking_with_clerk: false,
    ...changes,
  };
}

export function action(name: ActionView["action"], changes: Partial<ActionView> = {}): ActionView {
  return { action: name, person_id: null, allowed: true, reason_code: null, parameters: {}, ...changes };
}

export function view(changes: Partial<HearingView> = {}): HearingView {
  return {
    hearing_id: "hearing",
    seq: 7,
    state: "in_session",
    state_since: null,
    opened_at: "2026-03-02T02:00:00Z",
    recording: { state: "recording", since: "2026-03-02T02:00:00Z", problem_code: null, problem_seat_id: null },
    me: seat("judge", "presiding_judge"),
    seats: [
      seat("panel-a", "panel_judge"),
      seat("panel-b", "panel_judge"),
      seat("clerk", "clerk"),
      seat("counsel", "counsel", { side: "plaintiff" }),
      seat("plaintiff", "party", { side: "plaintiff" }),
      seat("defendant", "party", { side: "defendant" }),
      seat("witness-a", "witness", { location: "witness_room" }),
      seat("witness-b", "witness", { location: "witness_room" }),
      seat("visitor", "observer", { location: "gallery" }),
    ],
    actions: [],
    ...changes,
  };
}
