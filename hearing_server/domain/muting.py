"""Microphones and cameras: what people switch themselves, and what the court switches for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar

from hearing_server.domain.commands import PersonCommand, PlainCommand
from hearing_server.domain.events import Event
from hearing_server.domain.ids import PersonId
from hearing_server.domain.lifecycle import PRESIDING_AND_CLERK, HearingState
from hearing_server.domain.permissions import (
    Action,
    Check,
    ReasonCode,
    Refusal,
    Request,
    Rule,
    TargetRule,
    refuse,
)
from hearing_server.domain.roles import BENCH, SENDING_ROLES, Role

if TYPE_CHECKING:
    from hearing_server.domain.state import Hearing, Person


class CourtMute(StrEnum):
    """The court's own mute, kept apart from the person's: neither can undo the other's by accident."""

    NONE = "none"
    MUTED = "muted"  # the person may unmute
    LOCKED = "locked"  # only the court may unmute


@dataclass(frozen=True, slots=True, kw_only=True)
class Mute(PersonCommand):
    """Mute somebody, or oneself. `lock`: the person cannot undo it; only the court may lock, and nobody themselves."""

    type: ClassVar[str] = "mute"
    person_id: PersonId
    lock: bool = False

    def request(self, by: PersonId) -> Request:
        if self.lock:
            return Request(action=Action.MUTE_AND_LOCK, person_id=self.person_id)
        if self.person_id == by:
            return Request(action=Action.MUTE_SELF, person_id=None)
        return Request(action=Action.MUTE_OTHER, person_id=self.person_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmute(PersonCommand):
    """Unmute oneself, or lift the court's mute of somebody. It never opens a microphone its owner closed."""

    type: ClassVar[str] = "unmute"
    person_id: PersonId

    def request(self, by: PersonId) -> Request:
        if self.person_id == by:
            return Request(action=Action.UNMUTE_SELF, person_id=None)
        return Request(action=Action.UNMUTE_OTHER, person_id=self.person_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetCamera(PlainCommand):
    type: ClassVar[str] = "set_camera"
    action: ClassVar[Action] = Action.SET_CAMERA
    is_on: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MutedByCourt(Event):
    type: ClassVar[str] = "person:muted_by_court"
    person_id: PersonId
    is_locked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class UnmutedByCourt(Event):
    type: ClassVar[str] = "person:unmuted_by_court"
    person_id: PersonId


@dataclass(frozen=True, slots=True, kw_only=True)
class MutedSelf(Event):
    type: ClassVar[str] = "person:muted_self"
    person_id: PersonId


@dataclass(frozen=True, slots=True, kw_only=True)
class UnmutedSelf(Event):
    """The person opened their microphone. A court mute that was not locked ends with it."""

    type: ClassVar[str] = "person:unmuted_self"
    person_id: PersonId


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraSwitched(Event):
    type: ClassVar[str] = "person:camera_switched"
    person_id: PersonId
    is_on: bool


MutingEvent = MutedByCourt | UnmutedByCourt | MutedSelf | UnmutedSelf | CameraSwitched

_HEARING_RUNS = frozenset(
    {HearingState.CHECK_IN, HearingState.IN_SESSION, HearingState.RECESS, HearingState.INTERRUPTED}
)
_BY_COURT = Rule(roles=PRESIDING_AND_CLERK, states=_HEARING_RUNS)
# Also after the hearing, or a person locked until the end could not speak with the clerk about signing.
_LIFTED_BY_COURT = Rule(roles=PRESIDING_AND_CLERK, states=_HEARING_RUNS | {HearingState.CLOSED})
_BY_SELF = Rule(roles=SENDING_ROLES, states=_HEARING_RUNS | {HearingState.CLOSED})

RULES: Mapping[Action, Rule] = {
    Action.MUTE_OTHER: _BY_COURT,
    Action.MUTE_AND_LOCK: _BY_COURT,
    Action.UNMUTE_OTHER: _LIFTED_BY_COURT,
    Action.MUTE_SELF: _BY_SELF,
    Action.UNMUTE_SELF: _BY_SELF,
    Action.SET_CAMERA: _BY_SELF,
}


def _muted_by(action: Action) -> TargetRule:
    def rule(actor: Person, target: Person) -> Refusal | None:
        if target.person_id == actor.person_id:
            return refuse(ReasonCode.NOT_YOURSELF, action=action)
        if actor.role is Role.CLERK and target.role in BENCH:
            return refuse(ReasonCode.NOT_YOUR_ROLE, action=action, role=actor.role)
        if target.role not in SENDING_ROLES:
            return refuse(ReasonCode.NOT_IN_COURTROOM, person_id=target.person_id)
        return None

    return rule


def _check_mute_self(hearing: Hearing, actor: Person, target: Person) -> Refusal | None:
    return refuse(ReasonCode.ALREADY_MUTED, person_id=actor.person_id) if actor.is_self_muted else None


def _check_unmute_self(hearing: Hearing, actor: Person, target: Person) -> Refusal | None:
    if actor.court_mute is CourtMute.LOCKED:
        return refuse(ReasonCode.MUTE_LOCKED, person_id=actor.person_id)
    return None if actor.is_muted else refuse(ReasonCode.NOT_MUTED, person_id=actor.person_id)


def _check_mute_other(hearing: Hearing, actor: Person, target: Person) -> Refusal | None:
    return refuse(ReasonCode.ALREADY_MUTED, person_id=target.person_id) if target.is_muted else None


def _check_mute_and_lock(hearing: Hearing, actor: Person, target: Person) -> Refusal | None:
    if target.court_mute is CourtMute.LOCKED:
        return refuse(ReasonCode.ALREADY_MUTED, person_id=target.person_id)
    return None


def _check_unmute_other(hearing: Hearing, actor: Person, target: Person) -> Refusal | None:
    if target.court_mute is not CourtMute.NONE:
        return None
    code = ReasonCode.MUTED_BY_SELF if target.is_self_muted else ReasonCode.NOT_MUTED
    return refuse(code, person_id=target.person_id)


TARGETS: Mapping[Action, TargetRule] = {
    action: _muted_by(action) for action in (Action.MUTE_OTHER, Action.MUTE_AND_LOCK, Action.UNMUTE_OTHER)
}
CHECKS: Mapping[Action, Check] = {
    Action.MUTE_SELF: _check_mute_self,
    Action.UNMUTE_SELF: _check_unmute_self,
    Action.MUTE_OTHER: _check_mute_other,
    Action.MUTE_AND_LOCK: _check_mute_and_lock,
    Action.UNMUTE_OTHER: _check_unmute_other,
}


def mute(hearing: Hearing, command: Mute, by: PersonId, at: datetime) -> tuple[Event, ...]:
    if command.person_id == by:
        return (MutedSelf(person_id=by),)
    return (MutedByCourt(person_id=command.person_id, is_locked=command.lock),)


def unmute(hearing: Hearing, command: Unmute, by: PersonId, at: datetime) -> tuple[Event, ...]:
    if command.person_id == by:
        return (UnmutedSelf(person_id=by),)
    return (UnmutedByCourt(person_id=command.person_id),)


def set_camera(hearing: Hearing, command: SetCamera, by: PersonId, at: datetime) -> tuple[Event, ...] | Refusal:
    if hearing.person(by).is_camera_on == command.is_on:
        return refuse(ReasonCode.NO_CHANGE, action=Action.SET_CAMERA)
    return (CameraSwitched(person_id=by, is_on=command.is_on),)


def evolve(hearing: Hearing, event: MutingEvent, at: datetime) -> Hearing:
    person = hearing.person(event.person_id)
    match event:
        case MutedByCourt(is_locked=is_locked):
            changed = replace(person, court_mute=CourtMute.LOCKED if is_locked else CourtMute.MUTED)
        case UnmutedByCourt():
            changed = replace(person, court_mute=CourtMute.NONE)
        case MutedSelf():
            changed = replace(person, is_self_muted=True)
        case UnmutedSelf():
            changed = replace(person, is_self_muted=False, court_mute=CourtMute.NONE)
        case CameraSwitched(is_on=is_on):
            changed = replace(person, is_camera_on=is_on)
    return hearing.with_person(changed)
