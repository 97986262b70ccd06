"""Opening, recess, interruption, resuming, closing."""

from datetime import timedelta

import pytest

from hearing_server.domain.attendance import Enter, Leave, LostCause, MarkLost
from hearing_server.domain.commands import PlainCommand, TargetedCommand
from hearing_server.domain.events import UnexpectedEventError
from hearing_server.domain.hearing import evolve, next_deadline
from hearing_server.domain.ids import PersonId
from hearing_server.domain.lifecycle import (
    Cancel,
    CheckInOpened,
    Close,
    HearingClosed,
    HearingInterrupted,
    HearingOpened,
    HearingState,
    InterruptionCause,
    OpenCheckIn,
    Recess,
    Resume,
    Start,
)
from hearing_server.domain.permissions import ReasonCode
from hearing_server.domain.roles import Role
from hearing_server.domain.rooms import Location, location
from hearing_server.domain.settings import Settings
from hearing_server.domain.testimony import CallWitness, WitnessReleased
from hearing_server.domain.testimony import TestimonyState as State
from tests.unit.domain.builders import (
    AT,
    CLERK,
    DEFENDANT,
    EVERYBODY,
    JUDGE,
    OBSERVER,
    PANEL,
    PEOPLE,
    PLAINTIFF,
    WITNESS,
    Stage,
    planned,
)


@pytest.mark.parametrize("state", HearingState)
def test_every_state_can_be_reached(state: HearingState) -> None:
    hearing = Stage.in_state(state).hearing
    assert hearing.state is state
    assert hearing.state_since is not None


def test_being_called_to_order_is_remembered_through_a_recess() -> None:
    stage = Stage.in_state(HearingState.CHECK_IN)
    stage.does(Start())
    opened_at = stage.at
    stage.does(Recess())
    stage.does(Resume())
    assert stage.hearing.opened_at == opened_at
    assert stage.hearing.state_since == stage.at


@pytest.mark.parametrize("state", [HearingState.CLOSED, HearingState.CANCELLED])
@pytest.mark.parametrize("command", [Start(), Resume(), Recess(), Close(), CallWitness(person_id=WITNESS)])
def test_a_hearing_that_is_over_stays_over(state: HearingState, command: PlainCommand | TargetedCommand) -> None:
    refusal = Stage.in_state(state).refuses(command)
    assert refusal.code is ReasonCode.WRONG_STATE
    assert refusal.parameters == {"action": command.action, "state": state}


def test_start_brings_in_those_who_wait_but_no_witness_and_no_observer() -> None:
    stage = Stage.in_state(HearingState.CHECK_IN)
    before = {who: location(stage.hearing, stage.person(who)) for who in (JUDGE, PLAINTIFF, WITNESS, OBSERVER)}
    stage.does(Start())
    after = {who: location(stage.hearing, stage.person(who)) for who in (JUDGE, PLAINTIFF, WITNESS, OBSERVER)}
    assert before == {
        JUDGE: Location.COURTROOM,
        PLAINTIFF: Location.WAITING_ROOM,
        WITNESS: Location.WITNESS_ROOM,
        OBSERVER: Location.GALLERY,
    }
    assert after == before | {PLAINTIFF: Location.COURTROOM}


def test_late_and_returning_parties_enter_by_themselves_in_session_and_wait_in_recess() -> None:
    stage = Stage.in_state(HearingState.IN_SESSION, present=[who for who in EVERYBODY if who != DEFENDANT])
    assert location(stage.hearing, stage.person(DEFENDANT)) is Location.OUTSIDE
    stage.does(Enter(person_id=DEFENDANT))
    assert location(stage.hearing, stage.person(DEFENDANT)) is Location.COURTROOM
    stage.does(MarkLost(person_id=DEFENDANT, cause=LostCause.NETWORK))
    stage.does(Recess())
    stage.does(Enter(person_id=DEFENDANT))
    assert location(stage.hearing, stage.person(DEFENDANT)) is Location.WAITING_ROOM
    stage.does(Resume())
    assert location(stage.hearing, stage.person(DEFENDANT)) is Location.COURTROOM


def test_losing_the_only_director_interrupts_after_the_grace_and_not_before() -> None:
    stage = Stage.in_state(HearingState.IN_SESSION)
    stage.does(MarkLost(person_id=JUDGE, cause=LostCause.NETWORK))
    assert stage.tick(later_s=2.9) == ()
    assert stage.hearing.state is HearingState.IN_SESSION
    assert stage.tick(later_s=0.1) == (HearingInterrupted(cause=InterruptionCause.DIRECTION_LOST),)
    assert stage.refuses(Resume()).code is ReasonCode.NOT_PRESENT
    stage.does(Enter(person_id=JUDGE))
    stage.does(Resume())
    assert stage.hearing.state is HearingState.IN_SESSION


def test_a_director_who_is_back_in_time_interrupts_nothing() -> None:
    stage = Stage.in_state(HearingState.IN_SESSION)
    stage.does(MarkLost(person_id=JUDGE, cause=LostCause.NETWORK))
    stage.does(Enter(person_id=JUDGE))
    assert next_deadline(stage.hearing) is None
    assert stage.tick(later_s=60) == ()


def test_check_in_opens_by_itself_at_the_time_of_the_schedule_and_only_once() -> None:
    opens_at = AT + timedelta(minutes=30)
    stage = Stage(settings=Settings(check_in_opens_at=opens_at))
    assert next_deadline(stage.hearing) == opens_at
    assert stage.tick(later_s=60) == ()
    assert stage.tick() == (CheckInOpened(),)
    assert stage.at == opens_at
    assert stage.hearing.state is HearingState.CHECK_IN
    assert next_deadline(stage.hearing) is None


@pytest.mark.parametrize("command", [OpenCheckIn(), Cancel()])
def test_check_in_opens_by_itself_no_more_once_the_hearing_has_moved_on(command: PlainCommand) -> None:
    stage = Stage(settings=Settings(check_in_opens_at=AT + timedelta(minutes=30)))
    stage.does(command)
    assert next_deadline(stage.hearing) is None


def test_of_two_directors_the_last_grace_period_counts() -> None:
    second = PersonId("second-judge")
    stage = Stage([*PEOPLE, planned(second, Role.PRESIDING_JUDGE)], [*EVERYBODY, second])
    stage.advance_to(HearingState.IN_SESSION)
    stage.does(MarkLost(person_id=JUDGE, cause=LostCause.NETWORK))
    assert next_deadline(stage.hearing) is None
    stage.tick(later_s=60)
    stage.does(MarkLost(person_id=second, cause=LostCause.NETWORK))
    assert next_deadline(stage.hearing) == stage.at + timedelta(seconds=3)


def test_an_interruption_and_an_admission_due_together_admit_nobody() -> None:
    stage = Stage.in_state(HearingState.IN_SESSION)
    stage.does(CallWitness(person_id=WITNESS))
    called_at = stage.at
    stage.tick(later_s=1)
    stage.does(MarkLost(person_id=JUDGE, cause=LostCause.NETWORK))
    assert stage.at + timedelta(seconds=3) == called_at + timedelta(seconds=5) == next_deadline(stage.hearing)
    stage.tick()
    assert stage.hearing.state is HearingState.INTERRUPTED
    assert stage.person(WITNESS).testimony is State.WAITING


def test_a_restart_of_the_server_gives_longer_to_come_back() -> None:
    stage = Stage.in_state(HearingState.IN_SESSION)
    for who in EVERYBODY:
        stage.does(MarkLost(person_id=who, cause=LostCause.SERVER_RESTART))
    lost_since = stage.person(JUDGE).presence_since
    due = next_deadline(stage.hearing)
    assert due is not None
    assert lost_since is not None
    assert (due - lost_since).total_seconds() == stage.hearing.settings.restart_grace_s


def test_a_director_who_leaves_interrupts_at_once() -> None:
    stage = Stage.in_state(HearingState.IN_SESSION)
    events = stage.does(Leave(), by=JUDGE)
    assert events[-1] == HearingInterrupted(cause=InterruptionCause.DIRECTION_LEFT)


@pytest.mark.parametrize("who", [PANEL, CLERK, PLAINTIFF])
def test_nobody_else_interrupts_by_going(who: PersonId) -> None:
    stage = Stage.in_state(HearingState.IN_SESSION)
    stage.does(MarkLost(person_id=who, cause=LostCause.NETWORK))
    assert next_deadline(stage.hearing) is None


@pytest.mark.parametrize(
    "state", [HearingState.CHECK_IN, HearingState.RECESS, HearingState.INTERRUPTED, HearingState.CLOSED]
)
def test_outside_a_session_a_director_may_be_away(state: HearingState) -> None:
    stage = Stage.in_state(state)
    stage.does(MarkLost(person_id=JUDGE, cause=LostCause.NETWORK))
    assert next_deadline(stage.hearing) is None


def test_closing_releases_the_witness_on_the_stand() -> None:
    stage = Stage.in_state(HearingState.IN_SESSION)
    stage.puts_on_stand()
    assert stage.does(Close()) == (HearingClosed(), WitnessReleased(person_id=WITNESS))
    assert stage.person(WITNESS).testimony is State.RELEASED


def test_an_event_that_cannot_follow_is_an_error_not_a_guess() -> None:
    stage = Stage.in_state(HearingState.CLOSED)
    with pytest.raises(UnexpectedEventError, match="hearing:opened"):
        evolve(stage.hearing, HearingOpened(), at=stage.at, seq=stage.hearing.seq + 1)
    with pytest.raises(UnexpectedEventError, match="after event"):
        evolve(stage.hearing, HearingOpened(), at=stage.at, seq=stage.hearing.seq)
