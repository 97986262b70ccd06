"""The states of a hearing and how it moves between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar

from hearing_server.domain.commands import PersonCommand, PlainCommand
from hearing_server.domain.events import Deadline, Event, UnexpectedEventError
from hearing_server.domain.ids import PersonId
from hearing_server.domain.permissions import Action, Rule
from hearing_server.domain.roles import Role

if TYPE_CHECKING:
    from hearing_server.domain.state import Hearing


class HearingState(StrEnum):
    SCHEDULED = "scheduled"
    CHECK_IN = "check_in"
    IN_SESSION = "in_session"
    RECESS = "recess"
    INTERRUPTED = "interrupted"
    CLOSED = "closed"
    CANCELLED = "cancelled"


class InterruptionCause(StrEnum):
    DIRECTION_LOST = "direction_lost"  # nobody who directs the hearing is connected
    DIRECTION_LEFT = "direction_left"  # who directs the hearing left by their own act


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCheckIn(PlainCommand):
    type: ClassVar[str] = "open_check_in"
    action: ClassVar[Action] = Action.OPEN_CHECK_IN


@dataclass(frozen=True, slots=True, kw_only=True)
class Start(PlainCommand):
    """宣布开庭: call the court to order."""

    type: ClassVar[str] = "start"
    action: ClassVar[Action] = Action.START


@dataclass(frozen=True, slots=True, kw_only=True)
class Recess(PlainCommand):
    """休庭."""

    type: ClassVar[str] = "recess"
    action: ClassVar[Action] = Action.RECESS


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume(PlainCommand):
    type: ClassVar[str] = "resume"
    action: ClassVar[Action] = Action.RESUME


@dataclass(frozen=True, slots=True, kw_only=True)
class Close(PlainCommand):
    """闭庭."""

    type: ClassVar[str] = "close"
    action: ClassVar[Action] = Action.CLOSE


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel(PlainCommand):
    type: ClassVar[str] = "cancel"
    action: ClassVar[Action] = Action.CANCEL


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckInOpened(Event):
    type: ClassVar[str] = "hearing:check_in_opened"


@dataclass(frozen=True, slots=True, kw_only=True)
class HearingOpened(Event):
    """The court was called to order. Recording runs from here (庭审录音录像规定 art. 3)."""

    type: ClassVar[str] = "hearing:opened"


@dataclass(frozen=True, slots=True, kw_only=True)
class HearingRecessed(Event):
    type: ClassVar[str] = "hearing:recessed"


@dataclass(frozen=True, slots=True, kw_only=True)
class HearingInterrupted(Event):
    """技术中断: the gap needs a written explanation (庭审录音录像规定 art. 4)."""

    type: ClassVar[str] = "hearing:interrupted"
    cause: InterruptionCause


@dataclass(frozen=True, slots=True, kw_only=True)
class HearingResumed(Event):
    type: ClassVar[str] = "hearing:resumed"


@dataclass(frozen=True, slots=True, kw_only=True)
class HearingClosed(Event):
    type: ClassVar[str] = "hearing:closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class HearingCancelled(Event):
    type: ClassVar[str] = "hearing:cancelled"


S = HearingState

TRANSITIONS: Mapping[HearingState, Mapping[type[Event], HearingState]] = {
    S.SCHEDULED: {CheckInOpened: S.CHECK_IN, HearingCancelled: S.CANCELLED},
    S.CHECK_IN: {HearingOpened: S.IN_SESSION, HearingCancelled: S.CANCELLED},
    S.IN_SESSION: {HearingRecessed: S.RECESS, HearingInterrupted: S.INTERRUPTED, HearingClosed: S.CLOSED},
    S.RECESS: {HearingResumed: S.IN_SESSION, HearingClosed: S.CLOSED},
    S.INTERRUPTED: {HearingResumed: S.IN_SESSION, HearingClosed: S.CLOSED},
    S.CLOSED: {},
    S.CANCELLED: {},
}

EFFECTS: Mapping[type[PersonCommand], type[Event]] = {
    OpenCheckIn: CheckInOpened,
    Start: HearingOpened,
    Recess: HearingRecessed,
    Resume: HearingResumed,
    Close: HearingClosed,
    Cancel: HearingCancelled,
}

PRESIDING = frozenset({Role.PRESIDING_JUDGE})
PRESIDING_AND_CLERK = PRESIDING | {Role.CLERK}


def _states_with(event: type[Event]) -> frozenset[HearingState]:
    return frozenset(state for state, row in TRANSITIONS.items() if event in row)


RULES: Mapping[Action, Rule] = {
    Action.OPEN_CHECK_IN: Rule(roles=PRESIDING_AND_CLERK, states=_states_with(CheckInOpened)),
    Action.START: Rule(roles=PRESIDING, states=_states_with(HearingOpened)),
    Action.RECESS: Rule(roles=PRESIDING, states=_states_with(HearingRecessed)),
    Action.RESUME: Rule(roles=PRESIDING, states=_states_with(HearingResumed)),
    Action.CLOSE: Rule(roles=PRESIDING, states=_states_with(HearingClosed)),
    Action.CANCEL: Rule(roles=PRESIDING_AND_CLERK, states=_states_with(HearingCancelled)),
}


def decide(hearing: Hearing, command: PersonCommand, by: PersonId, at: datetime) -> tuple[Event, ...]:
    return (EFFECTS[type(command)](),)


def evolve(hearing: Hearing, event: Event, at: datetime) -> Hearing:
    state = TRANSITIONS[hearing.state].get(type(event))
    if state is None:
        raise UnexpectedEventError(f"{event.type} cannot happen while the hearing is {hearing.state}")
    opened_at = at if isinstance(event, HearingOpened) else hearing.opened_at
    return replace(hearing, state=state, state_since=at, opened_at=opened_at)


def deadlines(hearing: Hearing) -> tuple[Deadline, ...]:
    """Check-in opens by itself at the time the schedule names."""
    opens_at = hearing.settings.check_in_opens_at
    if hearing.seq == 0 or hearing.state is not HearingState.SCHEDULED or opens_at is None:
        return ()
    return (Deadline(at=opens_at, events=(CheckInOpened(),)),)
