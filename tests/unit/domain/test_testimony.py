"""The witness's path: waiting, called, on the stand, released, and what goes wrong on the way."""

from datetime import timedelta

import pytest

from hearing_server.domain.attendance import Enter, Leave, LostCause, MarkLost
from hearing_server.domain.commands import PersonCommand
from hearing_server.domain.ids import PersonId
from hearing_server.domain.lifecycle import Close, HearingState, Recess, Resume
from hearing_server.domain.muting import CourtMute, Mute
from hearing_server.domain.permissions import ReasonCode
from hearing_server.domain.rooms import Location, location
from hearing_server.domain.testimony import (
    CallLapsed,
    CallWitness,
    LapseCause,
    ReleaseWitness,
    WitnessAdmitted,
    WitnessCalled,
    WitnessReleased,
)
from hearing_server.domain.testimony import TestimonyState as State
from tests.unit.domain.builders import CLERK, JUDGE, NOBODY, OTHER_WITNESS, PLAINTIFF, WITNESS, Stage


@pytest.fixture
def stage() -> Stage:
    return Stage.in_state(HearingState.IN_SESSION)


def where(stage: Stage) -> Location:
    return location(stage.hearing, stage.person(WITNESS))


@pytest.mark.parametrize("by", [JUDGE, CLERK])
def test_a_called_witness_enters_after_the_notice_and_not_before(stage: Stage, by: PersonId) -> None:
    (called,) = stage.does(CallWitness(person_id=WITNESS), by=by)
    assert called == WitnessCalled(person_id=WITNESS, admit_at=stage.at + timedelta(seconds=5))
    assert (stage.person(WITNESS).testimony, where(stage)) == (State.CALLED, Location.WITNESS_ROOM)
    assert stage.tick(later_s=4.9) == ()
    assert where(stage) is Location.WITNESS_ROOM
    assert stage.tick(later_s=0.1) == (WitnessAdmitted(person_id=WITNESS),)
    assert (stage.person(WITNESS).testimony, where(stage)) == (State.TESTIFYING, Location.COURTROOM)
    assert stage.person(WITNESS).admit_at is None


def test_a_released_witness_is_isolated_again_and_may_be_recalled(stage: Stage) -> None:
    stage.puts_on_stand()
    assert stage.does(ReleaseWitness(person_id=WITNESS)) == (WitnessReleased(person_id=WITNESS),)
    assert (stage.person(WITNESS).testimony, where(stage)) == (State.RELEASED, Location.WITNESS_ROOM)
    stage.puts_on_stand()
    assert where(stage) is Location.COURTROOM


def test_a_released_witness_who_comes_back_is_isolated(stage: Stage) -> None:
    stage.puts_on_stand()
    stage.does(ReleaseWitness(person_id=WITNESS))
    stage.does(MarkLost(person_id=WITNESS, cause=LostCause.NETWORK))
    stage.does(Enter(person_id=WITNESS))
    assert (stage.person(WITNESS).testimony, where(stage)) == (State.RELEASED, Location.WITNESS_ROOM)


@pytest.mark.parametrize("lock", [False, True])
def test_release_lifts_the_mute_of_the_court_but_opens_no_microphone_the_witness_closed(
    stage: Stage, lock: bool
) -> None:
    stage.puts_on_stand()
    stage.does(Mute(person_id=WITNESS, lock=lock), by=JUDGE)
    stage.does(Mute(person_id=WITNESS), by=WITNESS)
    stage.does(ReleaseWitness(person_id=WITNESS))
    assert stage.person(WITNESS).court_mute is CourtMute.NONE
    assert stage.person(WITNESS).is_self_muted


def test_one_witness_at_a_time(stage: Stage) -> None:
    stage.does(CallWitness(person_id=WITNESS))
    for _ in ("called", "on the stand"):
        refusal = stage.refuses(CallWitness(person_id=OTHER_WITNESS))
        assert refusal.code is ReasonCode.ANOTHER_WITNESS_ON_STAND
        assert refusal.parameters == {"person_id": WITNESS}
        assert stage.refuses(CallWitness(person_id=WITNESS)).code is ReasonCode.WITNESS_ALREADY_CALLED
        stage.tick(later_s=5)
    stage.does(ReleaseWitness(person_id=WITNESS))
    stage.does(CallWitness(person_id=OTHER_WITNESS))


def test_who_cannot_be_called(stage: Stage) -> None:
    assert stage.refuses(CallWitness(person_id=PLAINTIFF)).code is ReasonCode.NOT_A_WITNESS
    assert stage.refuses(CallWitness(person_id=NOBODY)).code is ReasonCode.UNKNOWN_PERSON
    stage.does(MarkLost(person_id=WITNESS, cause=LostCause.NETWORK))
    assert stage.refuses(CallWitness(person_id=WITNESS)).code is ReasonCode.WITNESS_NOT_PRESENT


def test_only_a_witness_on_the_stand_can_be_released(stage: Stage) -> None:
    assert stage.refuses(ReleaseWitness(person_id=WITNESS)).code is ReasonCode.WITNESS_NOT_ON_STAND
    stage.does(CallWitness(person_id=WITNESS))
    assert stage.refuses(ReleaseWitness(person_id=WITNESS)).code is ReasonCode.WITNESS_NOT_ON_STAND
    assert stage.refuses(ReleaseWitness(person_id=PLAINTIFF)).code is ReasonCode.NOT_A_WITNESS


@pytest.mark.parametrize("was", [State.WAITING, State.RELEASED])
def test_a_call_lapses_when_the_witness_is_not_there_in_time(stage: Stage, was: State) -> None:
    if was is State.RELEASED:
        stage.puts_on_stand()
        stage.does(ReleaseWitness(person_id=WITNESS))
    stage.does(CallWitness(person_id=WITNESS))
    stage.does(MarkLost(person_id=WITNESS, cause=LostCause.NETWORK))
    assert stage.tick() == (CallLapsed(person_id=WITNESS, cause=LapseCause.WITNESS_NOT_PRESENT),)
    assert stage.person(WITNESS).testimony is was


def test_a_witness_back_in_time_is_admitted(stage: Stage) -> None:
    stage.does(CallWitness(person_id=WITNESS))
    stage.does(MarkLost(person_id=WITNESS, cause=LostCause.NETWORK))
    stage.does(Enter(person_id=WITNESS))
    assert stage.tick() == (WitnessAdmitted(person_id=WITNESS),)


@pytest.mark.parametrize("stop", [Recess(), Close(), Leave()])
def test_a_call_lapses_when_the_hearing_stops(stage: Stage, stop: PersonCommand) -> None:
    stage.does(CallWitness(person_id=WITNESS))
    events = stage.does(stop, by=JUDGE)
    assert events[-1] == CallLapsed(person_id=WITNESS, cause=LapseCause.NOT_IN_SESSION)
    assert stage.tick(later_s=60) == ()
    assert stage.person(WITNESS).testimony is State.WAITING


def test_a_late_tick_interrupts_before_it_would_admit(stage: Stage) -> None:
    """The judge was gone before the witness was due: nobody enters a courtroom nobody directs."""
    stage.does(CallWitness(person_id=WITNESS))
    stage.does(MarkLost(person_id=JUDGE, cause=LostCause.NETWORK))
    events = stage.tick(later_s=60)
    assert [event.type for event in events] == ["hearing:interrupted", "witness:call_lapsed"]


def test_a_lost_witness_keeps_the_stand_and_comes_back_to_it(stage: Stage) -> None:
    stage.puts_on_stand()
    stage.does(MarkLost(person_id=WITNESS, cause=LostCause.NETWORK))
    assert (stage.person(WITNESS).testimony, where(stage)) == (State.TESTIFYING, Location.OUTSIDE)
    assert stage.refuses(CallWitness(person_id=OTHER_WITNESS)).code is ReasonCode.ANOTHER_WITNESS_ON_STAND
    stage.does(Enter(person_id=WITNESS))
    assert (stage.person(WITNESS).testimony, where(stage)) == (State.TESTIFYING, Location.COURTROOM)


def test_a_witness_who_leaves_keeps_the_stand_until_released(stage: Stage) -> None:
    stage.puts_on_stand()
    stage.does(Leave(), by=WITNESS)
    assert (stage.person(WITNESS).testimony, where(stage)) == (State.TESTIFYING, Location.OUTSIDE)
    stage.does(ReleaseWitness(person_id=WITNESS))
    stage.does(CallWitness(person_id=OTHER_WITNESS))


def test_a_recess_isolates_the_witness_on_the_stand_and_resuming_brings_them_back(stage: Stage) -> None:
    stage.puts_on_stand()
    stage.does(Recess())
    assert (stage.person(WITNESS).testimony, where(stage)) == (State.TESTIFYING, Location.WITNESS_ROOM)
    stage.does(Resume())
    assert where(stage) is Location.COURTROOM
