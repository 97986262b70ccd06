"""The clerk's talk with one person who waits."""

import pytest

from hearing_server.domain.attendance import Leave, LostCause, MarkLost
from hearing_server.domain.commands import Command
from hearing_server.domain.ids import PersonId
from hearing_server.domain.lifecycle import Cancel, HearingState, OpenCheckIn, Resume, Start
from hearing_server.domain.permissions import ReasonCode
from hearing_server.domain.roles import Role
from hearing_server.domain.talk import EndTalk, TalkEnded, TalkStarted, TalkTo
from hearing_server.domain.testimony import CallWitness
from tests.unit.domain.builders import (
    CLERK,
    EVERYBODY,
    JUDGE,
    NOBODY,
    OBSERVER,
    PANEL,
    PEOPLE,
    PLAINTIFF,
    WITNESS,
    Stage,
    planned,
)

SECOND_CLERK = PersonId("second-clerk")
ENDED = TalkEnded(clerk_id=CLERK, person_id=WITNESS)


def test_a_talk_begins_and_ends_by_the_clerk() -> None:
    stage = Stage.in_state(HearingState.IN_SESSION)
    assert stage.refuses(EndTalk(), by=CLERK).code is ReasonCode.NOT_TALKING
    begun = stage.does(TalkTo(person_id=WITNESS), by=CLERK)
    assert begun == (TalkStarted(clerk_id=CLERK, person_id=WITNESS),)
    assert stage.hearing.talks == {CLERK: WITNESS}
    assert stage.refuses(TalkTo(person_id=WITNESS), by=CLERK).code is ReasonCode.ALREADY_TALKING
    assert stage.does(EndTalk(), by=CLERK) == (ENDED,)
    assert stage.hearing.talks == {}


@pytest.mark.parametrize(
    ("state", "person_id", "is_possible"),
    [
        (HearingState.CHECK_IN, PLAINTIFF, True),
        (HearingState.CHECK_IN, WITNESS, True),
        (HearingState.CHECK_IN, JUDGE, False),
        (HearingState.IN_SESSION, PLAINTIFF, False),
        (HearingState.IN_SESSION, WITNESS, True),
        (HearingState.IN_SESSION, PANEL, False),
        (HearingState.RECESS, PLAINTIFF, True),
        (HearingState.RECESS, JUDGE, True),
        (HearingState.INTERRUPTED, PLAINTIFF, True),
        (HearingState.CLOSED, PLAINTIFF, True),
        (HearingState.CLOSED, WITNESS, True),
        (HearingState.CLOSED, PANEL, True),
        (HearingState.RECESS, OBSERVER, False),
        (HearingState.RECESS, CLERK, False),
    ],
)
def test_with_whom_a_talk_may_begin(state: HearingState, person_id: PersonId, is_possible: bool) -> None:
    stage = Stage.in_state(state)
    if is_possible:
        stage.does(TalkTo(person_id=person_id), by=CLERK)
    else:
        assert stage.refuses(TalkTo(person_id=person_id), by=CLERK).code is ReasonCode.NOT_WAITING


def test_nobody_can_talk_with_who_is_not_there_or_about_to_enter() -> None:
    stage = Stage.in_state(HearingState.IN_SESSION)
    stage.does(CallWitness(person_id=WITNESS))
    assert stage.refuses(TalkTo(person_id=WITNESS), by=CLERK).code is ReasonCode.NOT_WAITING
    assert stage.refuses(TalkTo(person_id=NOBODY), by=CLERK).code is ReasonCode.UNKNOWN_PERSON
    stage = Stage.in_state(HearingState.CHECK_IN, present=[JUDGE, CLERK])
    assert stage.refuses(TalkTo(person_id=PLAINTIFF), by=CLERK).code is ReasonCode.NOT_WAITING


def test_two_clerks_do_not_talk_with_one_person() -> None:
    stage = Stage([*PEOPLE, planned(SECOND_CLERK, Role.CLERK)], [*EVERYBODY, SECOND_CLERK])
    stage.does(OpenCheckIn())
    stage.does(TalkTo(person_id=WITNESS), by=CLERK)
    assert stage.refuses(TalkTo(person_id=WITNESS), by=SECOND_CLERK).code is ReasonCode.ALREADY_TALKING
    assert stage.refuses(EndTalk(), by=SECOND_CLERK).code is ReasonCode.NOT_TALKING
    stage.does(TalkTo(person_id=PLAINTIFF), by=SECOND_CLERK)
    assert stage.hearing.talks == {CLERK: WITNESS, SECOND_CLERK: PLAINTIFF}


@pytest.mark.parametrize(
    ("command", "by"),
    [
        (MarkLost(person_id=WITNESS, cause=LostCause.NETWORK), None),
        (MarkLost(person_id=CLERK, cause=LostCause.NETWORK), None),
        (Leave(), WITNESS),
        (Leave(), CLERK),
        (CallWitness(person_id=WITNESS), JUDGE),
    ],
)
def test_what_ends_a_talk_with_a_witness(command: Command, by: PersonId | None) -> None:
    stage = Stage.in_state(HearingState.IN_SESSION)
    stage.does(TalkTo(person_id=WITNESS), by=CLERK)
    assert stage.does(command, by=by)[-1] == ENDED
    assert stage.hearing.talks == {}


@pytest.mark.parametrize(
    ("state", "command"),
    [(HearingState.CHECK_IN, Start()), (HearingState.CHECK_IN, Cancel()), (HearingState.RECESS, Resume())],
)
def test_what_ends_a_talk_with_a_party(state: HearingState, command: Command) -> None:
    stage = Stage.in_state(state)
    stage.does(TalkTo(person_id=PLAINTIFF), by=CLERK)
    assert stage.does(command)[-1] == TalkEnded(clerk_id=CLERK, person_id=PLAINTIFF)


def test_a_talk_with_a_witness_goes_on_when_the_court_sits() -> None:
    stage = Stage.in_state(HearingState.CHECK_IN)
    stage.does(TalkTo(person_id=WITNESS), by=CLERK)
    stage.does(Start())
    assert stage.hearing.talks == {CLERK: WITNESS}
