"""What each seat is shown. That actions and decisions agree is in `test_random_hearings`."""

import pytest

from hearing_server.domain.attendance import LostCause, MarkLost, Presence
from hearing_server.domain.ids import PersonId
from hearing_server.domain.lifecycle import HearingState, Recess
from hearing_server.domain.muting import Mute, SetCamera
from hearing_server.domain.permissions import Action, ReasonCode
from hearing_server.domain.rooms import StreamKind
from hearing_server.domain.seat_view import UnknownPersonError, seat_view
from hearing_server.domain.talk import TalkTo
from hearing_server.domain.testimony import CallWitness
from hearing_server.domain.testimony import TestimonyState as State
from hearing_server.domain.views import ActionView, SeatView
from tests.unit.domain.builders import (
    CLERK,
    COUNSEL,
    DEFENDANT,
    EVERYBODY,
    JUDGE,
    NOBODY,
    OBSERVER,
    OTHER_WITNESS,
    PANEL,
    PLAINTIFF,
    WITNESS,
    Stage,
)

SITTING = {JUDGE, PANEL, CLERK, PLAINTIFF, DEFENDANT, COUNSEL}


def shown_to(stage: Stage, viewer: PersonId) -> dict[PersonId, SeatView]:
    return {seat.person_id: seat for seat in seat_view(stage.hearing, viewer).seats}


def actions_of(stage: Stage, viewer: PersonId) -> dict[tuple[Action, PersonId | None], ActionView]:
    return {(entry.action, entry.person_id): entry for entry in seat_view(stage.hearing, viewer).actions}


@pytest.mark.parametrize("viewer", [JUDGE, PANEL, CLERK])
@pytest.mark.parametrize("state", HearingState)
def test_court_officers_see_every_seat(state: HearingState, viewer: PersonId) -> None:
    assert set(shown_to(Stage.in_state(state), viewer)) == set(EVERYBODY) - {viewer}


@pytest.mark.parametrize("viewer", [PLAINTIFF, COUNSEL, OBSERVER])
def test_others_see_a_witness_only_on_the_stand_and_never_an_observer(viewer: PersonId) -> None:
    stage = Stage.in_state(HearingState.IN_SESSION)
    assert set(shown_to(stage, viewer)) == SITTING - {viewer}
    stage.does(CallWitness(person_id=WITNESS))
    assert WITNESS not in shown_to(stage, viewer)
    stage.tick()
    assert set(shown_to(stage, viewer)) == SITTING - {viewer} | {WITNESS}
    assert shown_to(stage, viewer)[WITNESS].receiving == (StreamKind.AUDIO, StreamKind.VIDEO)


@pytest.mark.parametrize("state", HearingState)
def test_a_waiting_witness_sees_no_list_of_people(state: HearingState) -> None:
    stage = Stage.in_state(state)
    assert shown_to(stage, WITNESS) == {}
    assert seat_view(stage.hearing, WITNESS).me.person_id == WITNESS


def test_a_witness_in_a_talk_sees_the_clerk_alone_even_without_sound_or_picture() -> None:
    stage = Stage.in_state(HearingState.IN_SESSION)
    stage.does(TalkTo(person_id=WITNESS), by=CLERK)
    stage.does(Mute(person_id=CLERK), by=CLERK)
    stage.does(SetCamera(is_on=False), by=CLERK)
    assert set(shown_to(stage, WITNESS)) == {CLERK}
    assert shown_to(stage, WITNESS)[CLERK].receiving == ()
    assert seat_view(stage.hearing, WITNESS).me.is_talking_with_clerk
    assert shown_to(stage, JUDGE)[WITNESS].is_talking_with_clerk
    assert not shown_to(stage, JUDGE)[PLAINTIFF].is_talking_with_clerk


def test_a_witness_on_the_stand_sees_the_courtroom_until_the_recess() -> None:
    stage = Stage.in_state(HearingState.IN_SESSION)
    stage.puts_on_stand()
    assert set(shown_to(stage, WITNESS)) == SITTING
    stage.does(Recess())
    assert shown_to(stage, WITNESS) == {}
    assert WITNESS in shown_to(stage, PLAINTIFF)


def test_a_called_witness_knows_when_the_courtroom_opens() -> None:
    stage = Stage.in_state(HearingState.IN_SESSION)
    (called,) = stage.does(CallWitness(person_id=WITNESS))
    me = seat_view(stage.hearing, WITNESS).me
    assert me.testimony is State.CALLED
    assert me.admit_at == getattr(called, "admit_at", None)
    assert me.admit_at is not None


def test_a_lost_person_is_shown_as_lost_and_since_when() -> None:
    stage = Stage.in_state(HearingState.IN_SESSION)
    stage.does(MarkLost(person_id=PLAINTIFF, cause=LostCause.NETWORK))
    seen = shown_to(stage, JUDGE)[PLAINTIFF]
    assert (seen.presence, seen.presence_since, seen.receiving) == (Presence.LOST, stage.at, ())


def test_mutes_are_told_apart() -> None:
    stage = Stage.in_state(HearingState.IN_SESSION)
    stage.does(Mute(person_id=DEFENDANT), by=DEFENDANT)
    stage.does(Mute(person_id=PLAINTIFF, lock=True))
    seats = shown_to(stage, JUDGE)

    def mutes(person_id: PersonId) -> tuple[bool, bool, bool]:
        seen = seats[person_id]
        return seen.is_muted, seen.is_muted_by_court, seen.is_mute_locked

    assert mutes(DEFENDANT) == (True, False, False)
    assert mutes(PLAINTIFF) == (True, True, True)
    assert mutes(COUNSEL) == (False, False, False)


def test_actions_name_the_people_they_concern_and_say_why_not() -> None:
    stage = Stage.in_state(HearingState.IN_SESSION)
    actions = actions_of(stage, CLERK)
    assert actions[Action.CALL_WITNESS, WITNESS].allowed
    assert (Action.CALL_WITNESS, PLAINTIFF) not in actions
    assert (Action.MUTE_OTHER, JUDGE) not in actions
    assert (Action.MUTE_OTHER, OBSERVER) not in actions
    assert (Action.MUTE_OTHER, CLERK) not in actions
    assert (Action.START, None) not in actions
    talk = actions[Action.TALK_TO, PLAINTIFF]
    assert (talk.allowed, talk.reason_code, talk.parameters) == (
        False,
        ReasonCode.NOT_WAITING,
        {"person_id": PLAINTIFF},
    )
    resume = actions_of(stage, JUDGE)[Action.RESUME, None]
    assert (resume.allowed, resume.reason_code) == (False, ReasonCode.WRONG_STATE)
    assert resume.parameters == {"action": "resume", "state": "in_session"}


def test_a_witness_is_offered_nothing_but_their_own_switches_and_the_door() -> None:
    actions = actions_of(Stage.in_state(HearingState.IN_SESSION), OTHER_WITNESS)
    assert set(actions) == {
        (action, None) for action in (Action.MUTE_SELF, Action.UNMUTE_SELF, Action.SET_CAMERA, Action.LEAVE)
    }


def test_a_stranger_has_no_view() -> None:
    with pytest.raises(UnknownPersonError):
        seat_view(Stage().hearing, NOBODY)


def test_a_view_carries_the_number_of_the_last_event() -> None:
    stage = Stage.in_state(HearingState.RECESS)
    view = seat_view(stage.hearing, PANEL)
    assert view.seq == len(stage.log) == stage.hearing.seq
    assert (view.state, view.state_since, view.opened_at) == (
        HearingState.RECESS,
        stage.hearing.state_since,
        stage.hearing.opened_at,
    )
