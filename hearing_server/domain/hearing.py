"""One hearing: `decide` says what a command leads to, `evolve` what an event changes. Both are pure.

`decide` dispatches to the capabilities by a table; afterwards the capabilities say what follows from the new state
(a call lapses, a talk ends), until nothing more follows. All events of one decision are to be logged together.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, ClassVar

from hearing_server.domain import (
    attendance,
    composition,
    direction,
    lifecycle,
    links,
    muting,
    outages,
    recording,
    scheduling,
    talk,
    testimony,
)
from hearing_server.domain.commands import SYSTEM, Command, PersonCommand, SystemCommand
from hearing_server.domain.deadlines import next_deadline, next_due
from hearing_server.domain.events import Event, UnexpectedEventError
from hearing_server.domain.ids import HearingId, PersonId
from hearing_server.domain.permission_table import refusal_of
from hearing_server.domain.permissions import ReasonCode, Refusal, refuse
from hearing_server.domain.state import Hearing, Person

__all__ = [
    "COMMAND_TYPES",
    "EVENT_TYPES",
    "PERSON_COMMAND_TYPES",
    "SYSTEM",
    "Command",
    "Decision",
    "Event",
    "Hearing",
    "Person",
    "Refusal",
    "Tick",
    "UnexpectedEventError",
    "decide",
    "evolve",
    "evolve_all",
    "initial",
    "next_deadline",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick(SystemCommand):
    """Time has passed: whatever is due now happens."""

    type: ClassVar[str] = "tick"


Decision = tuple[Event, ...] | Refusal

# Each value takes exactly the class it stands under; a mapping cannot say so to the type checker, hence Any.
PERSON_COMMANDS: Mapping[type[PersonCommand], Callable[[Hearing, Any, PersonId, datetime], Decision]] = {
    **dict.fromkeys(lifecycle.EFFECTS, lifecycle.decide),
    attendance.Leave: attendance.leave,
    testimony.CallWitness: testimony.call,
    testimony.ReleaseWitness: testimony.release,
    muting.Mute: muting.mute,
    muting.Unmute: muting.unmute,
    muting.SetCamera: muting.set_camera,
    talk.TalkTo: talk.talk_to,
    talk.EndTalk: talk.end_talk,
    links.RecordLinkReissued: links.reissue,
}

SYSTEM_COMMANDS: Mapping[type[SystemCommand], Callable[[Hearing, Any, datetime], Decision]] = {
    scheduling.ScheduleHearing: scheduling.schedule,
    attendance.Enter: attendance.enter,
    attendance.MarkLost: attendance.mark_lost,
    outages.RecordMediaLost: outages.record_lost,
    outages.RecordMediaRestored: outages.record_restored,
    recording.RecordSegmentOpened: recording.segment_opened,
    recording.RecordSegmentClosed: recording.segment_closed,
    recording.RecordResolution: recording.resolution,
    recording.RecordRecordingGap: recording.gap,
    recording.RecordRecorderProblem: recording.problem,
    recording.RecordRecorderRecovered: recording.recovered,
    composition.RecordComposed: composition.composed,
    composition.RecordNotComposed: composition.not_composed,
}

EVENTS: Mapping[type[Event], Callable[[Hearing, Any, datetime], Hearing]] = {
    scheduling.HearingScheduled: scheduling.evolve,
    lifecycle.CheckInOpened: lifecycle.evolve,
    lifecycle.HearingOpened: lifecycle.evolve,
    lifecycle.HearingRecessed: lifecycle.evolve,
    lifecycle.HearingInterrupted: lifecycle.evolve,
    lifecycle.HearingResumed: lifecycle.evolve,
    lifecycle.HearingClosed: lifecycle.evolve,
    lifecycle.HearingCancelled: lifecycle.evolve,
    attendance.PersonEntered: attendance.evolve,
    attendance.PersonReturned: attendance.evolve,
    attendance.PersonLost: attendance.evolve,
    attendance.PersonLeft: attendance.evolve,
    testimony.WitnessCalled: testimony.evolve,
    testimony.WitnessAdmitted: testimony.evolve,
    testimony.CallLapsed: testimony.evolve,
    testimony.WitnessReleased: testimony.evolve,
    muting.MutedByCourt: muting.evolve,
    muting.UnmutedByCourt: muting.evolve,
    muting.MutedSelf: muting.evolve,
    muting.UnmutedSelf: muting.evolve,
    muting.CameraSwitched: muting.evolve,
    talk.TalkStarted: talk.evolve,
    talk.TalkEnded: talk.evolve,
    links.LinkReissued: links.evolve,
    outages.MediaLost: outages.evolve,
    outages.MediaRestored: outages.evolve,
    recording.RecordingSegmentClosed: recording.evolve,
    recording.RecordingStartedLate: recording.evolve,
    recording.RecordingResolutionChanged: recording.evolve,
    recording.RecordingGapOpened: recording.evolve,
    recording.RecordingGapClosed: recording.evolve,
    recording.RecordingProblem: recording.evolve,
    recording.RecordingRecovered: recording.evolve,
    composition.RecordingComposed: composition.evolve,
    composition.RecordingNotComposed: composition.evolve,
}

CONSEQUENCES: Sequence[Callable[[Hearing], tuple[Event, ...]]] = (
    direction.consequences,
    testimony.consequences,
    talk.consequences,
)

PERSON_COMMAND_TYPES: Mapping[str, type[PersonCommand]] = {command.type: command for command in PERSON_COMMANDS}
COMMAND_TYPES: Mapping[str, type[Command]] = {
    **PERSON_COMMAND_TYPES,
    **{command.type: command for command in SYSTEM_COMMANDS},
    Tick.type: Tick,
}
EVENT_TYPES: Mapping[str, type[Event]] = {event.type: event for event in EVENTS}


def initial(hearing_id: HearingId) -> Hearing:
    """The hearing before its first event: nobody in it, and nothing to do but `ScheduleHearing`."""
    return Hearing(hearing_id=hearing_id)


def decide(hearing: Hearing, command: Command, *, by: PersonId, at: datetime) -> Decision:
    """Return the events `command` leads to, in order, or why it is refused. A `Tick` with nothing due leads to none.

    Args:
        by: who gives the command, as authenticated; `SYSTEM` for system commands and for nothing else.
        at: now, aware, not before the hearing's last event.
    Raises:
        InvalidScheduleError: the people of a `ScheduleHearing` cannot be a hearing.
    """
    if isinstance(command, Tick) and by == SYSTEM:
        return _tick(hearing, at)
    decision = _decide_alone(hearing, command, by, at)
    return decision if isinstance(decision, Refusal) else _with_consequences(hearing, decision, at)


def evolve(hearing: Hearing, event: Event, *, at: datetime, seq: int) -> Hearing:
    """Return the hearing after `event`, which is number `seq` in its log and happened at `at`.

    Raises UnexpectedEventError: `seq` or `event` cannot follow what `hearing` already contains.
    """
    if seq != hearing.seq + 1:
        raise UnexpectedEventError(f"event {seq} after event {hearing.seq} of hearing {hearing.hearing_id}")
    return replace(EVENTS[type(event)](hearing, event, at), seq=seq)


def evolve_all(hearing: Hearing, events: Sequence[Event], at: datetime) -> Hearing:
    for event in events:
        hearing = evolve(hearing, event, at=at, seq=hearing.seq + 1)
    return hearing


def _decide_alone(hearing: Hearing, command: Command, by: PersonId, at: datetime) -> Decision:
    if isinstance(command, PersonCommand):
        refusal = refusal_of(hearing, command.request(by), by=by)
        return refusal if refusal is not None else PERSON_COMMANDS[type(command)](hearing, command, by, at)
    if not isinstance(command, SystemCommand):
        raise TypeError(f"{type(command).__name__} is not a command")
    if by != SYSTEM:
        person = hearing.people.get(by)
        if person is None:
            return refuse(ReasonCode.UNKNOWN_PERSON, person_id=by)
        return refuse(ReasonCode.NOT_YOUR_ROLE, action=command.type, role=person.role)
    return SYSTEM_COMMANDS[type(command)](hearing, command, at)


def _with_consequences(hearing: Hearing, events: tuple[Event, ...], at: datetime) -> tuple[Event, ...]:
    """Add what follows. Every consequence ends the condition it follows from, so this comes to an end."""
    all_events = list(events)
    hearing = evolve_all(hearing, events, at)
    while following := next((found for consequence in CONSEQUENCES if (found := consequence(hearing))), ()):
        all_events += following
        hearing = evolve_all(hearing, following, at)
    return tuple(all_events)


def _tick(hearing: Hearing, at: datetime) -> tuple[Event, ...]:
    all_events: list[Event] = []
    while (due := next_due(hearing)) is not None and due.at <= at:
        events = _with_consequences(hearing, due.events, at)
        all_events += events
        hearing = evolve_all(hearing, events, at)
    return tuple(all_events)
