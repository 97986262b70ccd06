"""The first event of a hearing: who is to be there, and the settings it runs under."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import ClassVar

from hearing_server.domain.commands import SYSTEM, SystemCommand
from hearing_server.domain.events import Event
from hearing_server.domain.ids import HearingId, PersonId, SeatId
from hearing_server.domain.permissions import ReasonCode, Refusal, refuse
from hearing_server.domain.roles import Role, Side, directs_hearing
from hearing_server.domain.settings import Settings
from hearing_server.domain.state import Hearing, Person
from hearing_server.domain.testimony import TestimonyState


class InvalidScheduleError(ValueError):
    """The list of people cannot be a hearing; the message says what to correct. Nothing was scheduled."""

    code = "invalid_schedule"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedPerson:
    """Somebody who is to take part. The name is in the content store, not here."""

    person_id: PersonId
    seat_id: SeatId
    role: Role
    side: Side | None = None  # parties and counsel
    represents: PersonId | None = None  # counsel only: the party spoken for


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentCommitment:
    """Salted commitment to what the content store keeps under `name`."""

    name: str
    commitment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleHearing(SystemCommand):
    type: ClassVar[str] = "schedule_hearing"
    hearing_id: HearingId
    settings: Settings = field(default_factory=Settings)
    people: tuple[PlannedPerson, ...]
    commitments: tuple[ContentCommitment, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HearingScheduled(Event):
    type: ClassVar[str] = "hearing:scheduled"
    hearing_id: HearingId
    settings: Settings
    people: tuple[PlannedPerson, ...]
    commitments: tuple[ContentCommitment, ...]


def schedule(hearing: Hearing, command: ScheduleHearing, at: datetime) -> tuple[Event, ...] | Refusal:
    """Raises InvalidScheduleError."""
    if hearing.seq:
        return refuse(ReasonCode.NO_CHANGE, action=command.type)
    if command.hearing_id != hearing.hearing_id:
        raise InvalidScheduleError(f"schedule of {command.hearing_id} given to {hearing.hearing_id}")
    check_people(command.people)
    return (
        HearingScheduled(
            hearing_id=command.hearing_id,
            settings=command.settings,
            people=command.people,
            commitments=command.commitments,
        ),
    )


def check_people(people: Sequence[PlannedPerson]) -> None:
    """Raises InvalidScheduleError unless `people` can make a hearing."""
    ids = [person.person_id for person in people]
    if len(set(ids)) != len(ids) or SYSTEM in ids:
        raise InvalidScheduleError(f"give every person an id of their own, other than {SYSTEM!r}")
    if len({person.seat_id for person in people}) != len(people):
        raise InvalidScheduleError("give every person a seat of their own")
    if not any(directs_hearing(person.role) for person in people):
        raise InvalidScheduleError("add a presiding judge: nobody else may start the hearing")
    parties = {person.person_id for person in people if person.role is Role.PARTY}
    for person in people:
        if (person.role is Role.COUNSEL) != (person.represents is not None):
            raise InvalidScheduleError(f"{person.person_id}: counsel, and nobody else, represents a party")
        if person.represents is not None and person.represents not in parties:
            raise InvalidScheduleError(f"{person.person_id}: {person.represents} is not a party of this hearing")


def evolve(hearing: Hearing, event: HearingScheduled, at: datetime) -> Hearing:
    people = {
        planned.person_id: Person(
            person_id=planned.person_id,
            seat_id=planned.seat_id,
            role=planned.role,
            side=planned.side,
            represents=planned.represents,
            testimony=TestimonyState.WAITING if planned.role is Role.WITNESS else None,
        )
        for planned in event.people
    }
    return replace(hearing, settings=event.settings, people=MappingProxyType(people), state_since=at)
