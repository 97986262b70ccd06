"""Builds what one seat may see of the hearing, with the actions it may take now."""

from collections.abc import Iterator, Mapping

from hearing_server.domain.ids import PersonId, SeatId
from hearing_server.domain.lifecycle import HearingState
from hearing_server.domain.media_plan import MediaPlan, connected_to, media_plan
from hearing_server.domain.muting import CourtMute
from hearing_server.domain.permission_table import refusal_of, requests_of
from hearing_server.domain.recording import NOTHING_IS_RECORDED, Problem, RecorderProblemCode
from hearing_server.domain.roles import COURT_OFFICERS, Role
from hearing_server.domain.rooms import StreamKind, location
from hearing_server.domain.state import Hearing, Person
from hearing_server.domain.testimony import TestimonyState
from hearing_server.domain.views import ActionView, HearingView, RecordingState, RecordingView, SeatView


class UnknownPersonError(LookupError):
    """Nobody in this hearing has the id; there is no view to build."""

    code = "unknown_person"


def seat_view(hearing: Hearing, person_id: PersonId, plan: MediaPlan | None = None) -> HearingView:
    """Return the hearing as `person_id` may see it.

    Args:
        plan: `media_plan(hearing)`, for a caller who builds many views of one hearing.
    Raises:
        UnknownPersonError: `person_id` is not in the hearing.
    """
    me = hearing.people.get(person_id)
    if me is None:
        raise UnknownPersonError(f"{person_id} is not in hearing {hearing.hearing_id}")
    plan = media_plan(hearing) if plan is None else plan
    received = {(edge.source, edge.kind) for edge in plan.edges if edge.receiver == me.seat_id}
    return HearingView(
        hearing_id=hearing.hearing_id,
        seq=hearing.seq,
        state=hearing.state,
        state_since=hearing.state_since,
        opened_at=hearing.opened_at,
        recording=_recording(hearing, me),
        me=_seat(hearing, me, received),
        seats=tuple(_seat(hearing, person, received) for person in _visible_to(hearing, me)),
        actions=tuple(_actions(hearing, me)),
    )


RECORDING_IN: Mapping[HearingState, RecordingState] = {
    **dict.fromkeys(HearingState, RecordingState.OFF),
    HearingState.IN_SESSION: RecordingState.RECORDING,
    HearingState.RECESS: RecordingState.PAUSED,
    HearingState.INTERRUPTED: RecordingState.PAUSED,
}
_GRAVEST_FIRST = (*NOTHING_IS_RECORDED, RecorderProblemCode.STALLED_INPUT, RecorderProblemCode.DISK_LOW)


def _recording(hearing: Hearing, viewer: Person) -> RecordingView:
    state = RECORDING_IN[hearing.state]
    problems = hearing.recording.problems
    told = {
        problem: since
        for problem, since in problems.items()
        if problem[0] in NOTHING_IS_RECORDED or viewer.role in COURT_OFFICERS
    }
    if state is RecordingState.OFF or not told:
        return RecordingView(state=state, since=hearing.state_since, problem_code=None, problem_seat_id=None)

    def gravity(problem: Problem) -> tuple[int, bool, object]:
        return _GRAVEST_FIRST.index(problem[0]), problem[1] is not None, told[problem]

    code, seat_id = gravest = min(told, key=gravity)
    is_failing = state is RecordingState.RECORDING and code in NOTHING_IS_RECORDED
    return RecordingView(
        state=RecordingState.PROBLEM if is_failing else state,
        since=told[gravest] if is_failing else hearing.state_since,
        problem_code=code,
        problem_seat_id=seat_id if viewer.role in COURT_OFFICERS else None,
    )


def _visible_to(hearing: Hearing, viewer: Person) -> Iterator[Person]:
    """Court officers see every seat, a witness only who can be heard or seen, everybody else neither waiting witnesses
    nor observers."""
    reachable = connected_to(hearing, viewer)
    for person in hearing.people.values():
        if person.person_id == viewer.person_id:
            continue
        if viewer.role in COURT_OFFICERS:
            is_visible = True
        elif viewer.role is Role.WITNESS:
            is_visible = person.seat_id in reachable
        elif person.role is Role.WITNESS:
            is_visible = person.testimony is TestimonyState.TESTIFYING
        else:
            is_visible = person.role is not Role.OBSERVER
        if is_visible:
            yield person


def _seat(hearing: Hearing, person: Person, received: set[tuple[SeatId, StreamKind]]) -> SeatView:
    return SeatView(
        seat_id=person.seat_id,
        person_id=person.person_id,
        role=person.role,
        side=person.side,
        represents=person.represents,
        presence=person.presence,
        presence_since=person.presence_since,
        location=location(hearing, person),
        is_muted=person.is_muted,
        is_muted_by_court=person.court_mute is not CourtMute.NONE,
        is_mute_locked=person.court_mute is CourtMute.LOCKED,
        is_camera_on=person.is_camera_on,
        testimony=person.testimony,
        admit_at=person.admit_at,
        receiving=tuple(kind for kind in StreamKind if (person.seat_id, kind) in received),
        is_talking_with_clerk=hearing.is_in_talk(person.person_id),
    )


def _actions(hearing: Hearing, viewer: Person) -> Iterator[ActionView]:
    for request in requests_of(hearing, viewer):
        refusal = refusal_of(hearing, request, by=viewer.person_id)
        yield ActionView(
            action=request.action,
            person_id=request.person_id,
            allowed=refusal is None,
            reason_code=None if refusal is None else refusal.code,
            parameters={} if refusal is None else refusal.parameters,
        )
