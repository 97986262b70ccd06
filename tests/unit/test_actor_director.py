"""A scripted presiding judge leads the demonstration."""

from dataclasses import replace

from hearing_server.cli.actor_director import Director, Step
from hearing_server.domain import testimony
from hearing_server.domain.attendance import Presence
from hearing_server.domain.ids import HearingId, PersonId, SeatId
from hearing_server.domain.lifecycle import HearingState
from hearing_server.domain.roles import Role
from hearing_server.domain.rooms import Location
from hearing_server.domain.views import HearingView, RecordingState, RecordingView, SeatView


def seat(name: str, role: Role, presence: Presence = Presence.PRESENT) -> SeatView:
    return SeatView(
        seat_id=SeatId(f"seat-{name}"),
        person_id=PersonId(name),
        role=role,
        side=None,
        represents=None,
        presence=presence,
        presence_since=None,
        location=Location.COURTROOM,
        is_muted=False,
        is_muted_by_court=False,
        is_mute_locked=False,
        is_camera_on=True,
        testimony=testimony.TestimonyState.WAITING if role is Role.WITNESS else None,
        admit_at=None,
        receiving=(),
        is_talking_with_clerk=False,
    )


def view(state: HearingState, *seats: SeatView) -> HearingView:
    return HearingView(
        hearing_id=HearingId("h"),
        seq=1,
        state=state,
        state_since=None,
        opened_at=None,
        me=seat("judge", Role.PRESIDING_JUDGE),
        seats=seats,
        actions=(),
        recording=RecordingView(state=RecordingState.OFF, since=None, problem_code=None, problem_seat_id=None),
    )


PARTY, FIRST, SECOND = seat("party", Role.PARTY), seat("w1", Role.WITNESS), seat("w2", Role.WITNESS)
ALL = (PARTY, FIRST, SECOND)
ABSENT = (replace(PARTY, presence=Presence.ABSENT), FIRST, SECOND)


def run(director: Director, seen: HearingView, from_s: int, to_s: int) -> list[tuple[int, Step]]:
    """What the director does, looking once a second."""
    steps = [(now, director.next_step(seen, float(now))) for now in range(from_s, to_s)]
    return [(now, step) for now, step in steps if step is not None]


def test_the_hearing_starts_five_seconds_after_all_are_there() -> None:
    director = Director()
    assert run(director, view(HearingState.CHECK_IN, *ABSENT), 0, 60) == []
    assert run(director, view(HearingState.CHECK_IN, *ALL), 60, 100) == [(65, Step("start"))]


def test_somebody_who_leaves_again_starts_the_count_anew() -> None:
    director = Director()
    run(director, view(HearingState.CHECK_IN, *ALL), 0, 4)
    run(director, view(HearingState.CHECK_IN, *ABSENT), 4, 6)
    assert run(director, view(HearingState.CHECK_IN, *ALL), 6, 20) == [(11, Step("start"))]


def test_nobody_is_waited_for_for_ever() -> None:
    assert [step for _, step in run(Director(), view(HearingState.CHECK_IN, *ABSENT), 0, 200)] == [Step("start")]


def test_the_first_witness_is_called_and_released_once() -> None:
    director = Director()
    in_session = view(HearingState.IN_SESSION, *ALL)
    assert run(director, in_session, 0, 30) == [(20, Step("call_witness", PersonId("w1")))]
    on_stand = replace(FIRST, testimony=testimony.TestimonyState.TESTIFYING)
    testifying = view(HearingState.IN_SESSION, PARTY, on_stand, SECOND)
    assert run(director, testifying, 30, 120) == [(90, Step("release_witness", PersonId("w1")))]
    released = view(HearingState.IN_SESSION, PARTY, replace(FIRST, testimony=testimony.TestimonyState.RELEASED), SECOND)
    assert run(director, released, 120, 400) == []


def test_a_witness_who_is_not_there_is_passed_over() -> None:
    missing = replace(FIRST, presence=Presence.LOST)
    steps = run(Director(), view(HearingState.IN_SESSION, PARTY, missing, SECOND), 0, 60)
    assert [step for _, step in steps] == [Step("call_witness", PersonId("w2"))]


def test_a_refused_step_is_tried_again_and_every_interruption_is_ended() -> None:
    director = Director()
    ready = view(HearingState.CHECK_IN, *ALL)
    ((at, step),) = run(director, ready, 0, 20)
    director.retry(step)
    assert [again for _, again in run(director, ready, at + 1, at + 5)] == [step]
    interrupted = view(HearingState.INTERRUPTED, *ALL)
    assert run(director, interrupted, 100, 105) == [(103, Step("resume"))]
    run(director, view(HearingState.IN_SESSION, *ALL), 105, 110)
    assert [step for _, step in run(director, interrupted, 200, 204)] == [Step("resume")]
    assert run(director, view(HearingState.CLOSED, *ALL), 300, 500) == []
