"""A witness's path from seclusion to the stand and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar

from hearing_server.domain.attendance import Presence
from hearing_server.domain.commands import TargetedCommand
from hearing_server.domain.events import Deadline, Event
from hearing_server.domain.ids import PersonId
from hearing_server.domain.lifecycle import PRESIDING_AND_CLERK, HearingState
from hearing_server.domain.muting import CourtMute
from hearing_server.domain.permissions import Action, Check, ReasonCode, Refusal, Rule, TargetRule, refuse
from hearing_server.domain.roles import Role

if TYPE_CHECKING:
    from hearing_server.domain.state import Hearing, Person


class TestimonyState(StrEnum):
    WAITING = "waiting"  # not called yet: hears and sees nothing of the court
    CALLED = "called"  # told to get ready; still hears nothing
    TESTIFYING = "testifying"
    RELEASED = "released"  # isolated again until the record is signed


class LapseCause(StrEnum):
    WITNESS_NOT_PRESENT = "witness_not_present"  # when the courtroom was to open for them
    NOT_IN_SESSION = "not_in_session"  # the hearing stopped first


@dataclass(frozen=True, slots=True, kw_only=True)
class CallWitness(TargetedCommand):
    type: ClassVar[str] = "call_witness"
    action: ClassVar[Action] = Action.CALL_WITNESS


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseWitness(TargetedCommand):
    type: ClassVar[str] = "release_witness"
    action: ClassVar[Action] = Action.RELEASE_WITNESS


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessCalled(Event):
    type: ClassVar[str] = "witness:called"
    person_id: PersonId
    admit_at: datetime  # when the courtroom opens for the witness


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessAdmitted(Event):
    type: ClassVar[str] = "witness:admitted"
    person_id: PersonId


@dataclass(frozen=True, slots=True, kw_only=True)
class CallLapsed(Event):
    """The witness goes back to what they were before the call."""

    type: ClassVar[str] = "witness:call_lapsed"
    person_id: PersonId
    cause: LapseCause


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessReleased(Event):
    type: ClassVar[str] = "witness:released"
    person_id: PersonId


TestimonyEvent = WitnessCalled | WitnessAdmitted | CallLapsed | WitnessReleased
ON_OR_NEAR_STAND = frozenset({TestimonyState.CALLED, TestimonyState.TESTIFYING})

RULES: Mapping[Action, Rule] = {
    Action.CALL_WITNESS: Rule(roles=PRESIDING_AND_CLERK, states=frozenset({HearingState.IN_SESSION})),
    Action.RELEASE_WITNESS: Rule(
        roles=PRESIDING_AND_CLERK,
        states=frozenset({HearingState.IN_SESSION, HearingState.RECESS, HearingState.INTERRUPTED}),
    ),
}


def _must_be_a_witness(actor: Person, target: Person) -> Refusal | None:
    return None if target.role is Role.WITNESS else refuse(ReasonCode.NOT_A_WITNESS, person_id=target.person_id)


def _check_call(hearing: Hearing, actor: Person, target: Person) -> Refusal | None:
    if target.testimony in ON_OR_NEAR_STAND:
        return refuse(ReasonCode.WITNESS_ALREADY_CALLED, person_id=target.person_id)
    for person in hearing.people.values():
        if person.testimony in ON_OR_NEAR_STAND:
            return refuse(ReasonCode.ANOTHER_WITNESS_ON_STAND, person_id=person.person_id)
    if target.presence is not Presence.PRESENT:
        return refuse(ReasonCode.WITNESS_NOT_PRESENT, person_id=target.person_id)
    return None


def _check_release(hearing: Hearing, actor: Person, target: Person) -> Refusal | None:
    if target.testimony is not TestimonyState.TESTIFYING:
        return refuse(ReasonCode.WITNESS_NOT_ON_STAND, person_id=target.person_id)
    return None


TARGETS: Mapping[Action, TargetRule] = {
    Action.CALL_WITNESS: _must_be_a_witness,
    Action.RELEASE_WITNESS: _must_be_a_witness,
}
CHECKS: Mapping[Action, Check] = {
    Action.CALL_WITNESS: _check_call,
    Action.RELEASE_WITNESS: _check_release,
}


def call(hearing: Hearing, command: CallWitness, by: PersonId, at: datetime) -> tuple[Event, ...]:
    admit_at = at + timedelta(seconds=hearing.settings.call_notice_s)
    return (WitnessCalled(person_id=command.person_id, admit_at=admit_at),)


def release(hearing: Hearing, command: ReleaseWitness, by: PersonId, at: datetime) -> tuple[Event, ...]:
    return (WitnessReleased(person_id=command.person_id),)


def evolve(hearing: Hearing, event: TestimonyEvent, at: datetime) -> Hearing:
    witness = hearing.person(event.person_id)
    match event:
        case WitnessCalled(admit_at=admit_at):
            changed = replace(
                witness, testimony=TestimonyState.CALLED, testimony_before_call=witness.testimony, admit_at=admit_at
            )
        case WitnessAdmitted():
            changed = replace(witness, testimony=TestimonyState.TESTIFYING, testimony_before_call=None, admit_at=None)
        case CallLapsed():
            changed = replace(
                witness, testimony=witness.testimony_before_call, testimony_before_call=None, admit_at=None
            )
        case WitnessReleased():
            changed = replace(witness, testimony=TestimonyState.RELEASED, court_mute=CourtMute.NONE)
    return hearing.with_person(changed)


def deadlines(hearing: Hearing) -> Iterator[Deadline]:
    """The courtroom opens for a called witness who is there at that time; otherwise the call lapses."""
    for person in hearing.people.values():
        if person.testimony is TestimonyState.CALLED and person.admit_at is not None:
            outcome: Event = (
                WitnessAdmitted(person_id=person.person_id)
                if person.presence is Presence.PRESENT
                else CallLapsed(person_id=person.person_id, cause=LapseCause.WITNESS_NOT_PRESENT)
            )
            yield Deadline(at=person.admit_at, events=(outcome,))


def consequences(hearing: Hearing) -> tuple[Event, ...]:
    """A call lapses when the hearing stops; a witness on the stand is released when the hearing closes."""
    events: list[Event] = []
    for person in hearing.people.values():
        if person.testimony is TestimonyState.CALLED and hearing.state is not HearingState.IN_SESSION:
            events.append(CallLapsed(person_id=person.person_id, cause=LapseCause.NOT_IN_SESSION))
        if person.testimony is TestimonyState.TESTIFYING and hearing.state is HearingState.CLOSED:
            events.append(WitnessReleased(person_id=person.person_id))
    return tuple(events)
