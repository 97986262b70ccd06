"""The situations in which every command is tried: every state, and what changes the rules within one."""

from collections.abc import Callable

from hearing_server.domain.attendance import Leave, LostCause, MarkLost
from hearing_server.domain.lifecycle import HearingState, Recess
from hearing_server.domain.muting import Mute, SetCamera
from hearing_server.domain.outages import MediaLostCause, RecordMediaLost
from hearing_server.domain.talk import TalkTo
from hearing_server.domain.testimony import CallWitness, ReleaseWitness
from tests.unit.domain.builders import CLERK, DEFENDANT, JUDGE, PANEL, PLAINTIFF, WITNESS, Stage


def _in(state: HearingState) -> Callable[[], Stage]:
    return lambda: Stage.in_state(state)


def _called() -> Stage:
    stage = Stage.in_state(HearingState.IN_SESSION)
    stage.does(CallWitness(person_id=WITNESS))
    return stage


def _on_stand() -> Stage:
    stage = _called()
    stage.tick()
    return stage


def _recess_in_testimony() -> Stage:
    stage = _on_stand()
    stage.does(Recess())
    return stage


def _released() -> Stage:
    stage = _on_stand()
    stage.does(ReleaseWitness(person_id=WITNESS))
    return stage


def _muted() -> Stage:
    stage = Stage.in_state(HearingState.IN_SESSION)
    stage.does(Mute(person_id=PLAINTIFF, lock=True))
    stage.does(Mute(person_id=DEFENDANT))
    stage.does(Mute(person_id=CLERK), by=CLERK)
    stage.does(SetCamera(is_on=False), by=PANEL)
    return stage


def _talking() -> Stage:
    stage = Stage.in_state(HearingState.IN_SESSION)
    stage.does(TalkTo(person_id=WITNESS), by=CLERK)
    return stage


def _talking_after() -> Stage:
    stage = Stage.in_state(HearingState.CLOSED)
    stage.does(TalkTo(person_id=JUDGE), by=CLERK)
    return stage


def _lost() -> Stage:
    stage = _on_stand()
    for who in (WITNESS, CLERK, PLAINTIFF):
        stage.does(MarkLost(person_id=who, cause=LostCause.NETWORK))
    return stage


def _judge_left() -> Stage:
    stage = _on_stand()
    stage.does(Leave(), by=JUDGE)
    return stage


def _media_down() -> Stage:
    stage = Stage.in_state(HearingState.IN_SESSION)
    stage.does(RecordMediaLost(cause=MediaLostCause.PROCESS_DIED))
    return stage


SITUATIONS: dict[str, Callable[[], Stage]] = {
    **{state.value: _in(state) for state in HearingState},
    "witness_called": _called,
    "witness_on_stand": _on_stand,
    "recess_in_testimony": _recess_in_testimony,
    "witness_released": _released,
    "people_muted": _muted,
    "clerk_talking": _talking,
    "clerk_talking_after_the_hearing": _talking_after,
    "people_lost": _lost,
    "judge_left": _judge_left,
    "media_down": _media_down,
}
