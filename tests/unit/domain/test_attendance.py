"""Entering, being lost, returning, leaving; and what only the system may report."""

import pytest

from hearing_server.domain.attendance import (
    Enter,
    Leave,
    LostCause,
    MarkLost,
    PersonEntered,
    PersonLeft,
    PersonLost,
    PersonReturned,
    Presence,
)
from hearing_server.domain.commands import SYSTEM, SystemCommand
from hearing_server.domain.hearing import Tick, decide
from hearing_server.domain.ids import PersonId
from hearing_server.domain.lifecycle import HearingState
from hearing_server.domain.muting import Mute
from hearing_server.domain.outages import (
    MediaLost,
    MediaLostCause,
    MediaRestored,
    RecordMediaLost,
    RecordMediaRestored,
)
from hearing_server.domain.permissions import ReasonCode, Refusal
from hearing_server.domain.rooms import Location, location
from tests.unit.domain.builders import EVERYBODY, JUDGE, NOBODY, PLAINTIFF, Stage


def test_coming_and_going_is_told_apart() -> None:
    stage = Stage(present=[])
    assert stage.person(PLAINTIFF).presence is Presence.ABSENT
    assert stage.does(Enter(person_id=PLAINTIFF)) == (PersonEntered(person_id=PLAINTIFF),)
    lost = MarkLost(person_id=PLAINTIFF, cause=LostCause.NETWORK)
    assert stage.does(lost) == (PersonLost(person_id=PLAINTIFF, cause=LostCause.NETWORK),)
    assert stage.person(PLAINTIFF).presence is Presence.LOST
    assert stage.person(PLAINTIFF).lost_cause is LostCause.NETWORK
    assert stage.does(Enter(person_id=PLAINTIFF)) == (PersonReturned(person_id=PLAINTIFF),)
    assert stage.person(PLAINTIFF).lost_cause is None
    assert stage.does(Leave(), by=PLAINTIFF) == (PersonLeft(person_id=PLAINTIFF),)
    assert stage.person(PLAINTIFF).presence is Presence.LEFT
    assert stage.does(Enter(person_id=PLAINTIFF)) == (PersonReturned(person_id=PLAINTIFF),)


def test_what_is_so_already_is_no_event() -> None:
    stage = Stage(present=[PLAINTIFF])
    assert stage.refuses(Enter(person_id=PLAINTIFF)).code is ReasonCode.NO_CHANGE
    assert stage.refuses(MarkLost(person_id=JUDGE, cause=LostCause.NETWORK)).code is ReasonCode.NO_CHANGE
    assert stage.refuses(Enter(person_id=NOBODY)).code is ReasonCode.UNKNOWN_PERSON
    assert stage.refuses(MarkLost(person_id=NOBODY, cause=LostCause.NETWORK)).code is ReasonCode.UNKNOWN_PERSON


@pytest.mark.parametrize("going", ["lost", "left"])
def test_who_is_not_here_may_do_nothing_and_is_nowhere(going: str) -> None:
    stage = Stage.in_state(HearingState.IN_SESSION)
    if going == "lost":
        stage.does(MarkLost(person_id=PLAINTIFF, cause=LostCause.NETWORK))
    else:
        stage.does(Leave(), by=PLAINTIFF)
    refusal = stage.refuses(Mute(person_id=PLAINTIFF), by=PLAINTIFF)
    assert refusal.code is ReasonCode.NOT_PRESENT
    assert stage.refuses(Leave(), by=PLAINTIFF).code is ReasonCode.NOT_PRESENT
    assert location(stage.hearing, stage.person(PLAINTIFF)) is Location.OUTSIDE


@pytest.mark.parametrize("by", [*EVERYBODY, NOBODY])
@pytest.mark.parametrize(
    "command",
    [
        Enter(person_id=PLAINTIFF),
        MarkLost(person_id=JUDGE, cause=LostCause.NETWORK),
        RecordMediaLost(cause=MediaLostCause.PROCESS_DIED),
        RecordMediaRestored(),
        Tick(),
    ],
)
def test_only_the_system_gives_system_commands(command: SystemCommand, by: PersonId) -> None:
    stage = Stage.in_state(HearingState.IN_SESSION)
    answer = decide(stage.hearing, command, by=by, at=stage.at)
    assert isinstance(answer, Refusal)
    assert answer.code is (ReasonCode.UNKNOWN_PERSON if by == NOBODY else ReasonCode.NOT_YOUR_ROLE)


def test_the_system_is_not_a_person() -> None:
    stage = Stage.in_state(HearingState.IN_SESSION)
    refusal = stage.refuses(Leave(), by=SYSTEM)
    assert refusal.code is ReasonCode.UNKNOWN_PERSON


def test_a_media_outage_is_logged_and_changes_nothing_else() -> None:
    stage = Stage.in_state(HearingState.IN_SESSION)
    people = stage.hearing.people
    lost = RecordMediaLost(cause=MediaLostCause.PROCESS_DIED)
    assert stage.does(lost) == (MediaLost(cause=MediaLostCause.PROCESS_DIED),)
    assert stage.hearing.media_lost_since == stage.at
    assert stage.refuses(lost).code is ReasonCode.NO_CHANGE
    assert (stage.hearing.state, stage.hearing.people) == (HearingState.IN_SESSION, people)
    assert stage.does(RecordMediaRestored()) == (MediaRestored(),)
    assert stage.hearing.media_lost_since is None
    assert stage.refuses(RecordMediaRestored()).code is ReasonCode.NO_CHANGE
