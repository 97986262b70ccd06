"""The clerk steps out of the courtroom's sound and talks with one person who waits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from hearing_server.domain.commands import PlainCommand, TargetedCommand
from hearing_server.domain.events import Event
from hearing_server.domain.ids import PersonId
from hearing_server.domain.lifecycle import HearingState
from hearing_server.domain.permissions import Action, Check, ReasonCode, Refusal, Rule, TargetRule, refuse
from hearing_server.domain.roles import SENDING_ROLES, Role
from hearing_server.domain.rooms import LIVE_COURTROOM, Location, location
from hearing_server.domain.testimony import TestimonyState

if TYPE_CHECKING:
    from hearing_server.domain.state import Hearing, Person


@dataclass(frozen=True, slots=True, kw_only=True)
class TalkTo(TargetedCommand):
    type: ClassVar[str] = "talk_to"
    action: ClassVar[Action] = Action.TALK_TO


@dataclass(frozen=True, slots=True, kw_only=True)
class EndTalk(PlainCommand):
    type: ClassVar[str] = "end_talk"
    action: ClassVar[Action] = Action.END_TALK


@dataclass(frozen=True, slots=True, kw_only=True)
class TalkStarted(Event):
    type: ClassVar[str] = "talk:started"
    clerk_id: PersonId
    person_id: PersonId


@dataclass(frozen=True, slots=True, kw_only=True)
class TalkEnded(Event):
    type: ClassVar[str] = "talk:ended"
    clerk_id: PersonId
    person_id: PersonId


_RULE = Rule(
    roles=frozenset({Role.CLERK}),
    states=frozenset(
        {
            HearingState.CHECK_IN,
            HearingState.IN_SESSION,
            HearingState.RECESS,
            HearingState.INTERRUPTED,
            HearingState.CLOSED,
        }
    ),
)
RULES: Mapping[Action, Rule] = {Action.TALK_TO: _RULE, Action.END_TALK: _RULE}


def may_be_talked_with(hearing: Hearing, person: Person) -> bool:
    """Whether `person` waits: hears nobody, and is not about to enter the courtroom.

    A judge waits too while the courtroom is silent: in a recess, an interruption, and after the hearing.
    """
    if person.testimony is TestimonyState.CALLED:
        return False
    where = location(hearing, person)
    if where is Location.COURTROOM:
        return hearing.state not in LIVE_COURTROOM
    return where in {Location.WAITING_ROOM, Location.WITNESS_ROOM}


def is_possible(hearing: Hearing, clerk: Person, person: Person) -> bool:
    """Whether a talk of these two may begin or go on."""
    return hearing.state in _RULE.states and clerk.is_present and may_be_talked_with(hearing, person)


def _can_be_waiting(actor: Person, target: Person) -> Refusal | None:
    if target.role is Role.CLERK or target.role not in SENDING_ROLES:
        return refuse(ReasonCode.NOT_WAITING, person_id=target.person_id)
    return None


def _check_talk_to(hearing: Hearing, actor: Person, target: Person) -> Refusal | None:
    if actor.person_id in hearing.talks:
        return refuse(ReasonCode.ALREADY_TALKING, person_id=hearing.talks[actor.person_id])
    if target.person_id in hearing.talks.values():
        return refuse(ReasonCode.ALREADY_TALKING, person_id=target.person_id)
    if not is_possible(hearing, actor, target):
        return refuse(ReasonCode.NOT_WAITING, person_id=target.person_id)
    return None


def _check_end_talk(hearing: Hearing, actor: Person, target: Person) -> Refusal | None:
    return None if actor.person_id in hearing.talks else refuse(ReasonCode.NOT_TALKING)


TARGETS: Mapping[Action, TargetRule] = {Action.TALK_TO: _can_be_waiting}
CHECKS: Mapping[Action, Check] = {Action.TALK_TO: _check_talk_to, Action.END_TALK: _check_end_talk}


def talk_to(hearing: Hearing, command: TalkTo, by: PersonId, at: datetime) -> tuple[Event, ...]:
    return (TalkStarted(clerk_id=by, person_id=command.person_id),)


def end_talk(hearing: Hearing, command: EndTalk, by: PersonId, at: datetime) -> tuple[Event, ...]:
    return (TalkEnded(clerk_id=by, person_id=hearing.talks[by]),)


def evolve(hearing: Hearing, event: TalkStarted | TalkEnded, at: datetime) -> Hearing:
    talks = {clerk: person for clerk, person in hearing.talks.items() if clerk != event.clerk_id}
    if isinstance(event, TalkStarted):
        talks[event.clerk_id] = event.person_id
    return replace(hearing, talks=MappingProxyType(talks))


def consequences(hearing: Hearing) -> tuple[Event, ...]:
    """A talk ends when one of the two is gone, is called, or is moved into the courtroom."""
    return tuple(
        TalkEnded(clerk_id=clerk_id, person_id=person_id)
        for clerk_id, person_id in hearing.talks.items()
        if not is_possible(hearing, hearing.person(clerk_id), hearing.person(person_id))
    )
