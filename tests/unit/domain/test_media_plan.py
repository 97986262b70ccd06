"""Who hears and sees whom in each state, one by one. `test_random_hearings` has what must hold in all of them."""

import pytest

from hearing_server.domain.attendance import Enter, LostCause, MarkLost
from hearing_server.domain.ids import PersonId
from hearing_server.domain.lifecycle import HearingState, Recess, Resume
from hearing_server.domain.media_plan import media_plan
from hearing_server.domain.muting import Mute, SetCamera
from hearing_server.domain.rooms import StreamKind
from hearing_server.domain.talk import EndTalk, TalkTo
from hearing_server.domain.testimony import CallWitness, ReleaseWitness
from tests.unit.domain.builders import (
    CLERK,
    COUNSEL,
    DEFENDANT,
    EVERYBODY,
    JUDGE,
    OBSERVER,
    OTHER_WITNESS,
    PANEL,
    PLAINTIFF,
    WITNESS,
    Stage,
    seat,
)

COURT = {JUDGE, PANEL, CLERK}
SITTING = COURT | {PLAINTIFF, DEFENDANT, COUNSEL}


def heard_by(stage: Stage, receiver: PersonId) -> set[PersonId]:
    return _sources(stage, receiver, StreamKind.AUDIO)


def seen_by(stage: Stage, receiver: PersonId) -> set[PersonId]:
    return _sources(stage, receiver, StreamKind.VIDEO)


def _sources(stage: Stage, receiver: PersonId, kind: StreamKind) -> set[PersonId]:
    edges = media_plan(stage.hearing).edges
    found = {edge.source for edge in edges if edge.receiver == seat(receiver) and edge.kind is kind}
    return {who for who in EVERYBODY if seat(who) in found}


def recorded(stage: Stage, kind: StreamKind) -> set[PersonId]:
    found = {tap.source for tap in media_plan(stage.hearing).taps if tap.kind is kind}
    return {who for who in EVERYBODY if seat(who) in found}


def test_at_check_in_the_court_is_among_itself_and_the_clerk_sees_who_waits() -> None:
    stage = Stage.in_state(HearingState.CHECK_IN)
    waiting = {PLAINTIFF, DEFENDANT, COUNSEL, WITNESS, OTHER_WITNESS}
    assert heard_by(stage, JUDGE) == seen_by(stage, JUDGE) == {PANEL, CLERK}
    assert heard_by(stage, CLERK) == {JUDGE, PANEL}
    assert seen_by(stage, CLERK) == {JUDGE, PANEL} | waiting
    for who in waiting | {OBSERVER}:
        assert heard_by(stage, who) == seen_by(stage, who) == set()


def test_in_session_all_hear_all_except_the_witnesses() -> None:
    stage = Stage.in_state(HearingState.IN_SESSION)
    for who in SITTING:
        assert heard_by(stage, who) == SITTING - {who}
    assert seen_by(stage, PLAINTIFF) == SITTING - {PLAINTIFF}
    assert seen_by(stage, CLERK) == SITTING - {CLERK} | {WITNESS, OTHER_WITNESS}
    assert heard_by(stage, OBSERVER) == seen_by(stage, OBSERVER) == SITTING
    for who in (WITNESS, OTHER_WITNESS):
        assert heard_by(stage, who) == seen_by(stage, who) == set()


def test_a_called_witness_still_receives_nothing_and_one_on_the_stand_everything() -> None:
    stage = Stage.in_state(HearingState.IN_SESSION)
    stage.does(CallWitness(person_id=WITNESS))
    assert heard_by(stage, WITNESS) == seen_by(stage, WITNESS) == set()
    stage.tick()
    assert heard_by(stage, WITNESS) == seen_by(stage, WITNESS) == SITTING
    assert WITNESS in heard_by(stage, PLAINTIFF) & heard_by(stage, OBSERVER)
    assert heard_by(stage, OTHER_WITNESS) == set()
    stage.does(ReleaseWitness(person_id=WITNESS))
    assert heard_by(stage, WITNESS) == seen_by(stage, WITNESS) == set()
    assert WITNESS not in heard_by(stage, JUDGE)


@pytest.mark.parametrize("state", [HearingState.RECESS, HearingState.INTERRUPTED])
def test_while_the_hearing_rests_nobody_hears_anybody(state: HearingState) -> None:
    stage = Stage.in_state(state)
    for who in EVERYBODY:
        assert heard_by(stage, who) == set()
    assert seen_by(stage, JUDGE) == set()
    assert seen_by(stage, CLERK) == {PLAINTIFF, DEFENDANT, COUNSEL, WITNESS, OTHER_WITNESS}


@pytest.mark.parametrize("state", [HearingState.SCHEDULED, HearingState.CLOSED, HearingState.CANCELLED])
def test_where_no_court_is_open_nothing_flows(state: HearingState) -> None:
    plan = media_plan(Stage.in_state(state).hearing)
    assert not plan.publishers | plan.edges | plan.taps


def test_resuming_restores_every_connection() -> None:
    stage = Stage.in_state(HearingState.IN_SESSION)
    stage.puts_on_stand()
    before = media_plan(stage.hearing)
    stage.does(Recess())
    assert media_plan(stage.hearing) != before
    stage.does(Resume())
    assert media_plan(stage.hearing) == before


@pytest.mark.parametrize("lock", [False, True])
def test_who_is_muted_is_heard_and_recorded_by_nobody_and_still_seen(lock: bool) -> None:
    stage = Stage.in_state(HearingState.IN_SESSION)
    assert PLAINTIFF in heard_by(stage, JUDGE)
    stage.does(Mute(person_id=PLAINTIFF, lock=lock))
    assert all(PLAINTIFF not in heard_by(stage, who) for who in EVERYBODY)
    assert (seat(PLAINTIFF), StreamKind.AUDIO) not in media_plan(stage.hearing).publishers
    assert PLAINTIFF not in recorded(stage, StreamKind.AUDIO)
    assert PLAINTIFF in seen_by(stage, JUDGE) & recorded(stage, StreamKind.VIDEO)


def test_a_camera_that_is_off_sends_to_nobody() -> None:
    stage = Stage.in_state(HearingState.IN_SESSION)
    stage.does(SetCamera(is_on=False), by=WITNESS)
    stage.does(SetCamera(is_on=False), by=JUDGE)
    assert WITNESS not in seen_by(stage, CLERK)
    assert all(JUDGE not in seen_by(stage, who) for who in EVERYBODY)
    assert JUDGE in heard_by(stage, PLAINTIFF)


def test_in_a_talk_the_clerk_is_out_of_the_courtroom_in_both_directions() -> None:
    stage = Stage.in_state(HearingState.IN_SESSION)
    before = media_plan(stage.hearing)
    stage.does(TalkTo(person_id=WITNESS), by=CLERK)
    assert heard_by(stage, CLERK) == seen_by(stage, CLERK) == {WITNESS}
    assert heard_by(stage, WITNESS) == seen_by(stage, WITNESS) == {CLERK}
    for who in SITTING - {CLERK}:
        assert heard_by(stage, who) == SITTING - {CLERK, who}
    assert CLERK not in heard_by(stage, OBSERVER) | recorded(stage, StreamKind.AUDIO)
    assert WITNESS not in recorded(stage, StreamKind.AUDIO)
    stage.does(EndTalk(), by=CLERK)
    assert media_plan(stage.hearing) == before


def test_after_the_hearing_the_clerk_talks_with_each_signer() -> None:
    stage = Stage.in_state(HearingState.CLOSED)
    stage.does(TalkTo(person_id=PLAINTIFF), by=CLERK)
    assert heard_by(stage, CLERK) == {PLAINTIFF}
    assert heard_by(stage, PLAINTIFF) == {CLERK}
    assert not media_plan(stage.hearing).taps


def test_recording_follows_the_session() -> None:
    stage = Stage.in_state(HearingState.CHECK_IN)
    assert recorded(stage, StreamKind.AUDIO) == set()
    stage = Stage.in_state(HearingState.IN_SESSION)
    assert recorded(stage, StreamKind.AUDIO) == recorded(stage, StreamKind.VIDEO) == SITTING
    stage.puts_on_stand()
    assert recorded(stage, StreamKind.AUDIO) == SITTING | {WITNESS}
    stage.does(Recess())
    assert recorded(stage, StreamKind.AUDIO) == set()


def test_who_is_lost_is_connected_to_nobody_until_they_return() -> None:
    stage = Stage.in_state(HearingState.IN_SESSION)
    before = media_plan(stage.hearing)
    stage.does(MarkLost(person_id=PLAINTIFF, cause=LostCause.NETWORK))
    plan = media_plan(stage.hearing)
    assert seat(PLAINTIFF) not in {end for edge in plan.edges for end in (edge.source, edge.receiver)}
    stage.does(Enter(person_id=PLAINTIFF))
    assert media_plan(stage.hearing) == before


def test_a_judge_alone_in_the_courtroom_is_recorded() -> None:
    stage = Stage.in_state(HearingState.IN_SESSION, present=[JUDGE])
    plan = media_plan(stage.hearing)
    assert not plan.edges
    assert plan.publishers == {(seat(JUDGE), kind) for kind in StreamKind}
