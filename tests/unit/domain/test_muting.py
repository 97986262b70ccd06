"""Microphones and cameras: the person's own switch and the court's, kept apart."""

import pytest

from hearing_server.domain.attendance import LostCause, MarkLost
from hearing_server.domain.commands import PersonCommand
from hearing_server.domain.ids import PersonId
from hearing_server.domain.lifecycle import Close, HearingState
from hearing_server.domain.muting import (
    CameraSwitched,
    CourtMute,
    Mute,
    MutedByCourt,
    MutedSelf,
    SetCamera,
    Unmute,
    UnmutedByCourt,
    UnmutedSelf,
)
from hearing_server.domain.permissions import ReasonCode
from tests.unit.domain.builders import CLERK, JUDGE, NOBODY, OBSERVER, PANEL, PLAINTIFF, WITNESS, Stage

MUTE, LOCK, UNMUTE = Mute(person_id=PLAINTIFF), Mute(person_id=PLAINTIFF, lock=True), Unmute(person_id=PLAINTIFF)


@pytest.fixture
def stage() -> Stage:
    return Stage.in_state(HearingState.IN_SESSION)


@pytest.mark.parametrize("by", [JUDGE, CLERK])
def test_a_court_mute_without_lock_may_be_undone_by_the_person(stage: Stage, by: PersonId) -> None:
    assert stage.does(MUTE, by=by) == (MutedByCourt(person_id=PLAINTIFF, is_locked=False),)
    assert stage.person(PLAINTIFF).is_muted
    assert stage.does(UNMUTE, by=PLAINTIFF) == (UnmutedSelf(person_id=PLAINTIFF),)
    assert not stage.person(PLAINTIFF).is_muted


def test_a_locked_mute_may_be_undone_only_by_the_court(stage: Stage) -> None:
    stage.does(LOCK, by=JUDGE)
    assert stage.refuses(UNMUTE, by=PLAINTIFF).code is ReasonCode.MUTE_LOCKED
    assert stage.does(UNMUTE, by=CLERK) == (UnmutedByCourt(person_id=PLAINTIFF),)
    assert not stage.person(PLAINTIFF).is_muted


def test_the_court_opens_no_microphone_its_owner_closed(stage: Stage) -> None:
    assert stage.does(MUTE, by=PLAINTIFF) == (MutedSelf(person_id=PLAINTIFF),)
    assert stage.refuses(UNMUTE, by=JUDGE).code is ReasonCode.MUTED_BY_SELF
    stage.does(LOCK, by=JUDGE)
    stage.does(UNMUTE, by=JUDGE)
    assert stage.person(PLAINTIFF).is_muted
    stage.does(UNMUTE, by=PLAINTIFF)
    assert not stage.person(PLAINTIFF).is_muted


def test_muting_twice_is_refused_but_a_mute_may_become_locked(stage: Stage) -> None:
    stage.does(MUTE, by=JUDGE)
    assert stage.refuses(MUTE, by=JUDGE).code is ReasonCode.ALREADY_MUTED
    stage.does(LOCK, by=JUDGE)
    assert stage.person(PLAINTIFF).court_mute is CourtMute.LOCKED
    assert stage.refuses(LOCK, by=JUDGE).code is ReasonCode.ALREADY_MUTED
    assert stage.refuses(MUTE, by=JUDGE).code is ReasonCode.ALREADY_MUTED


def test_who_is_not_muted_cannot_be_unmuted(stage: Stage) -> None:
    assert stage.refuses(UNMUTE, by=JUDGE).code is ReasonCode.NOT_MUTED
    assert stage.refuses(UNMUTE, by=PLAINTIFF).code is ReasonCode.NOT_MUTED
    stage.does(MUTE, by=PLAINTIFF)
    assert stage.refuses(MUTE, by=PLAINTIFF).code is ReasonCode.ALREADY_MUTED


def test_a_lock_and_a_mute_outlast_the_connection(stage: Stage) -> None:
    stage.does(LOCK, by=JUDGE)
    stage.does(MarkLost(person_id=PLAINTIFF, cause=LostCause.NETWORK))
    assert stage.person(PLAINTIFF).court_mute is CourtMute.LOCKED


def test_somebody_not_there_may_be_muted_for_when_they_come(stage: Stage) -> None:
    stage.does(MarkLost(person_id=PLAINTIFF, cause=LostCause.NETWORK))
    stage.does(LOCK, by=JUDGE)
    assert stage.person(PLAINTIFF).is_muted


@pytest.mark.parametrize(
    ("command", "by", "code"),
    [
        (Mute(person_id=JUDGE), CLERK, ReasonCode.NOT_YOUR_ROLE),
        (Mute(person_id=PANEL, lock=True), CLERK, ReasonCode.NOT_YOUR_ROLE),
        (Unmute(person_id=PANEL), CLERK, ReasonCode.NOT_YOUR_ROLE),
        (Mute(person_id=OBSERVER), JUDGE, ReasonCode.NOT_IN_COURTROOM),
        (Mute(person_id=JUDGE, lock=True), JUDGE, ReasonCode.NOT_YOURSELF),
        (Mute(person_id=PLAINTIFF, lock=True), PLAINTIFF, ReasonCode.NOT_YOUR_ROLE),
        (Mute(person_id=WITNESS), PLAINTIFF, ReasonCode.NOT_YOUR_ROLE),
        (Mute(person_id=CLERK), PANEL, ReasonCode.NOT_YOUR_ROLE),
        (Mute(person_id=NOBODY), JUDGE, ReasonCode.UNKNOWN_PERSON),
        (Mute(person_id=OBSERVER), OBSERVER, ReasonCode.NOT_YOUR_ROLE),
        (SetCamera(is_on=True), OBSERVER, ReasonCode.NOT_YOUR_ROLE),
    ],
)
def test_whom_nobody_may_mute(stage: Stage, command: PersonCommand, by: PersonId, code: ReasonCode) -> None:
    assert stage.refuses(command, by=by).code is code


@pytest.mark.parametrize("who", [CLERK, PANEL, WITNESS])
def test_the_presiding_judge_may_mute_everybody_else_who_sends(stage: Stage, who: PersonId) -> None:
    stage.does(Mute(person_id=who, lock=True), by=JUDGE)
    assert stage.person(who).is_muted


def test_a_lock_can_still_be_lifted_after_the_hearing(stage: Stage) -> None:
    stage.does(LOCK, by=JUDGE)
    stage.does(Close())
    assert stage.refuses(Mute(person_id=WITNESS), by=CLERK).code is ReasonCode.WRONG_STATE
    stage.does(UNMUTE, by=CLERK)


def test_a_camera_is_switched_by_its_owner(stage: Stage) -> None:
    assert stage.refuses(SetCamera(is_on=True), by=PLAINTIFF).code is ReasonCode.NO_CHANGE
    off = CameraSwitched(person_id=PLAINTIFF, is_on=False)
    assert stage.does(SetCamera(is_on=False), by=PLAINTIFF) == (off,)
    assert not stage.person(PLAINTIFF).is_camera_on
