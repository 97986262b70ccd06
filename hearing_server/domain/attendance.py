"""Who is here: entering, losing the connection, returning, leaving."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar

from hearing_server.domain.commands import PlainCommand, SystemCommand
from hearing_server.domain.events import Event
from hearing_server.domain.ids import PersonId
from hearing_server.domain.lifecycle import HearingState
from hearing_server.domain.permissions import Action, ReasonCode, Refusal, Rule, refuse
from hearing_server.domain.roles import Role

if TYPE_CHECKING:
    from hearing_server.domain.state import Hearing


class Presence(StrEnum):
    ABSENT = "absent"  # has not entered yet
    PRESENT = "present"
    LOST = "lost"  # the connection broke: a fault, not departure
    LEFT = "left"  # left by their own act


class LostCause(StrEnum):
    NETWORK = "network"
    SERVER_RESTART = "server_restart"


@dataclass(frozen=True, slots=True, kw_only=True)
class Leave(PlainCommand):
    type: ClassVar[str] = "leave"
    action: ClassVar[Action] = Action.LEAVE


@dataclass(frozen=True, slots=True, kw_only=True)
class Enter(SystemCommand):
    """Somebody connected with their own credentials: for the first time, after a fault, or after leaving."""

    type: ClassVar[str] = "enter"
    person_id: PersonId


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkLost(SystemCommand):
    """The last connection of somebody present ended without their leaving."""

    type: ClassVar[str] = "mark_lost"
    person_id: PersonId
    cause: LostCause


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonEntered(Event):
    type: ClassVar[str] = "person:entered"
    person_id: PersonId


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonReturned(Event):
    type: ClassVar[str] = "person:returned"
    person_id: PersonId


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonLost(Event):
    """A fault, not departure (人民法院在线诉讼规则 art. 25)."""

    type: ClassVar[str] = "person:lost"
    person_id: PersonId
    cause: LostCause


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonLeft(Event):
    type: ClassVar[str] = "person:left"
    person_id: PersonId


AttendanceEvent = PersonEntered | PersonReturned | PersonLost | PersonLeft

PRESENCE_AFTER: Mapping[type[Event], Presence] = {
    PersonEntered: Presence.PRESENT,
    PersonReturned: Presence.PRESENT,
    PersonLost: Presence.LOST,
    PersonLeft: Presence.LEFT,
}


RULES: Mapping[Action, Rule] = {Action.LEAVE: Rule(roles=frozenset(Role), states=frozenset(HearingState))}


def enter(hearing: Hearing, command: Enter, at: datetime) -> tuple[Event, ...] | Refusal:
    person = hearing.people.get(command.person_id)
    if person is None:
        return refuse(ReasonCode.UNKNOWN_PERSON, person_id=command.person_id)
    if person.presence is Presence.PRESENT:
        return refuse(ReasonCode.NO_CHANGE, action=command.type)
    if person.presence is Presence.ABSENT:
        return (PersonEntered(person_id=person.person_id),)
    return (PersonReturned(person_id=person.person_id),)


def mark_lost(hearing: Hearing, command: MarkLost, at: datetime) -> tuple[Event, ...] | Refusal:
    person = hearing.people.get(command.person_id)
    if person is None:
        return refuse(ReasonCode.UNKNOWN_PERSON, person_id=command.person_id)
    if person.presence is not Presence.PRESENT:
        return refuse(ReasonCode.NO_CHANGE, action=command.type)
    return (PersonLost(person_id=person.person_id, cause=command.cause),)


def leave(hearing: Hearing, command: Leave, by: PersonId, at: datetime) -> tuple[Event, ...]:
    return (PersonLeft(person_id=by),)


def evolve(hearing: Hearing, event: AttendanceEvent, at: datetime) -> Hearing:
    return hearing.with_person(
        replace(
            hearing.person(event.person_id),
            presence=PRESENCE_AFTER[type(event)],
            presence_since=at,
            lost_cause=event.cause if isinstance(event, PersonLost) else None,
        )
    )
