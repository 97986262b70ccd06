"""What must never be true of a media plan or a view, written from the law's side, not from the code's."""

from collections.abc import Iterator

from hearing_server.domain.attendance import Presence
from hearing_server.domain.hearing import decide
from hearing_server.domain.ids import PersonId, SeatId
from hearing_server.domain.lifecycle import HearingState
from hearing_server.domain.media_plan import Edge, MediaPlan, Rendition
from hearing_server.domain.permissions import Refusal
from hearing_server.domain.roles import BENCH, COURT_OFFICERS, Role
from hearing_server.domain.rooms import StreamKind
from hearing_server.domain.state import Hearing, Person
from hearing_server.domain.testimony import TestimonyState
from hearing_server.domain.views import HearingView
from tests.unit.domain.builders import AT
from tests.unit.domain.every_command import command_for, every_command

SESSION = HearingState.IN_SESSION


def plan_faults(hearing: Hearing, plan: MediaPlan) -> set[str]:
    """Return the names of everything wrong with `plan`; empty: it is lawful."""
    return set(_edge_faults(hearing, plan)) | set(_tap_faults(hearing, plan)) | set(_whole_faults(hearing, plan))


def _people(hearing: Hearing) -> dict[SeatId, Person]:
    return {person.seat_id: person for person in hearing.people.values()}


def _is_secluded(hearing: Hearing, person: Person) -> bool:
    is_on_stand = person.testimony is TestimonyState.TESTIFYING and hearing.state is SESSION
    return person.role is Role.WITNESS and not is_on_stand


def _waits(hearing: Hearing, person: Person) -> bool:
    is_party = person.role in {Role.PARTY, Role.COUNSEL}
    return _is_secluded(hearing, person) or (is_party and hearing.state is not SESSION)


def _are_talking(hearing: Hearing, one: Person, other: Person) -> bool:
    pairs = hearing.talks.items()
    return (one.person_id, other.person_id) in pairs or (other.person_id, one.person_id) in pairs


def _edge_faults(hearing: Hearing, plan: MediaPlan) -> Iterator[str]:
    people = _people(hearing)
    for edge in plan.edges:
        found = _faults_of_edge(hearing, edge, people[edge.source], people[edge.receiver])
        yield from (name for name, is_so in found.items() if is_so)


def _faults_of_edge(hearing: Hearing, edge: Edge, source: Person, receiver: Person) -> dict[str, bool]:
    state = hearing.state
    is_talk = _are_talking(hearing, source, receiver)
    is_watch = receiver.role is Role.CLERK and edge.kind is StreamKind.VIDEO
    clerks = [person for person in (source, receiver) if person.role is Role.CLERK]
    return {
        "hears_oneself": source is receiver,
        "secluded_witness_receives": _is_secluded(hearing, receiver) and not is_talk,
        "secluded_witness_is_heard": _is_secluded(hearing, source) and not (is_talk or is_watch),
        "waiting_person_receives": _waits(hearing, receiver) and not is_talk,
        "waiting_person_is_heard": _waits(hearing, source) and not (is_talk or is_watch),
        "observer_sends": source.role is Role.OBSERVER,
        "observer_receives_out_of_session": receiver.role is Role.OBSERVER and state is not SESSION,
        "muted_is_heard": edge.kind is StreamKind.AUDIO and source.is_muted,
        "camera_off_is_seen": edge.kind is StreamKind.VIDEO and not source.is_camera_on,
        "absent_is_connected": not {source.presence, receiver.presence} <= {Presence.PRESENT},
        "clerk_in_talk_is_in_court": not is_talk and any(hearing.is_in_talk(clerk.person_id) for clerk in clerks),
        "silent_state_connects_seats": state not in {SESSION, HearingState.CHECK_IN} and not clerks,
        "closed_hearing_connects": state is HearingState.CLOSED and not is_talk,
        "no_court_but_media": state in {HearingState.SCHEDULED, HearingState.CANCELLED},
        "unknown_rendition": edge.rendition is not Rendition.ORIGINAL,
    }


def _tap_faults(hearing: Hearing, plan: MediaPlan) -> Iterator[str]:
    people = _people(hearing)
    for tap in plan.taps:
        source = people[tap.source]
        if hearing.state is not SESSION:
            yield "tap_out_of_session"
        if _waits(hearing, source) or hearing.is_in_talk(source.person_id):
            yield "tap_of_a_private_room"
        if source.presence is not Presence.PRESENT or source.role is Role.OBSERVER:
            yield "tap_of_nobody_in_court"
        if (tap.kind is StreamKind.AUDIO and source.is_muted) or (
            tap.kind is StreamKind.VIDEO and not source.is_camera_on
        ):
            yield "tap_of_a_muted_stream"


def _whole_faults(hearing: Hearing, plan: MediaPlan) -> Iterator[str]:
    needed = {(edge.source, edge.kind) for edge in plan.edges} | {(tap.source, tap.kind) for tap in plan.taps}
    if plan.publishers != needed:
        yield "publishers_are_not_what_is_needed"
    inside = {
        person.seat_id: person
        for person in hearing.people.values()
        if person.presence is Presence.PRESENT
        and not hearing.is_in_talk(person.person_id)
        and person.role is not Role.OBSERVER
        and not _waits(hearing, person)
    }
    if hearing.state not in {SESSION, HearingState.CHECK_IN}:
        inside = {}
    wanted = {
        Edge(source, kind, Rendition.ORIGINAL, receiver)
        for source, person in inside.items()
        for receiver in inside
        for kind in StreamKind
        if source != receiver and not (person.is_muted if kind is StreamKind.AUDIO else not person.is_camera_on)
    }
    if not wanted <= plan.edges:
        yield "courtroom_is_not_connected"
    if hearing.state is SESSION and {tap.source for tap in plan.taps} != {
        seat for seat, person in inside.items() if person.is_camera_on or not person.is_muted
    }:
        yield "courtroom_is_not_recorded"


def view_faults(hearing: Hearing, viewer: PersonId, view: HearingView, plan: MediaPlan) -> set[str]:
    """Return the names of everything wrong with `view`; empty: it tells neither too much nor anything untrue."""
    return set(_seat_faults(hearing, viewer, view, plan)) | set(_action_faults(hearing, viewer, view))


def _seat_faults(hearing: Hearing, viewer: PersonId, view: HearingView, plan: MediaPlan) -> Iterator[str]:
    me = hearing.people[viewer]
    if view.me.person_id != viewer or viewer in {seat.person_id for seat in view.seats}:
        yield "wrong_own_seat"
    received = {(edge.source, edge.kind) for edge in plan.edges if edge.receiver == me.seat_id}
    if view.recording.problem_seat_id is not None and me.role not in COURT_OFFICERS:
        yield "whose_record_fails_is_told"
    if received != {(seat.seat_id, kind) for seat in view.seats for kind in seat.receiving}:
        yield "received_streams_are_not_shown"
    for seat in view.seats:
        person = hearing.people[seat.person_id]
        if me.role in COURT_OFFICERS:
            continue
        if _is_secluded(hearing, me) and not _are_talking(hearing, me, person):
            yield "secluded_witness_sees_a_list"
        if person.role is Role.WITNESS and person.testimony is not TestimonyState.TESTIFYING:
            yield "waiting_witness_is_shown"
        if person.role is Role.OBSERVER:
            yield "observer_is_shown"
    must_see = set(hearing.people) - {viewer}
    if me.role is Role.WITNESS:
        must_see = set()
    elif me.role not in COURT_OFFICERS:
        must_see = {p for p in must_see if hearing.people[p].role in BENCH | {Role.CLERK, Role.PARTY, Role.COUNSEL}}
    if not must_see <= {seat.person_id for seat in view.seats}:
        yield "seat_is_missing"


def _action_faults(hearing: Hearing, viewer: PersonId, view: HearingView) -> Iterator[str]:
    listed = set()
    for entry in view.actions:
        command = command_for(entry.action, entry.person_id, hearing.people[viewer])
        listed.add(command)
        answer = decide(hearing, command, by=viewer, at=AT)
        if entry.allowed == isinstance(answer, Refusal):
            yield "view_and_decision_differ"
        if isinstance(answer, Refusal) and (entry.reason_code, entry.parameters) != (answer.code, answer.parameters):
            yield "view_gives_another_reason"
    for command in every_command(hearing.people):
        if command not in listed and not isinstance(decide(hearing, command, by=viewer, at=AT), Refusal):
            yield "accepted_but_not_listed"
