"""What became of the record: closed segments, gaps nobody decided, and troubles of the recorder.

Recording runs while the court sits and pauses while it does not (庭审录音录像规定 art. 3): the events of the hearing
say when it began, paused and ended, and those of muting whose sound or picture was left out. What is here is the
rest: what was kept, and what a fault left out (art. 4).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from hearing_server.domain.commands import SystemCommand
from hearing_server.domain.events import Event
from hearing_server.domain.ids import PersonId, SeatId
from hearing_server.domain.permissions import ReasonCode, Refusal, refuse
from hearing_server.domain.rooms import StreamKind

if TYPE_CHECKING:
    from hearing_server.domain.state import Hearing


class GapCause(StrEnum):
    """Faults only. What a mute, a camera that is off or a recess leaves out follows from other events."""

    LOSS = "loss"  # packets that never came
    STALLED = "stalled"  # the seat should have sent and did not
    CRASH = "crash"  # the recorder died
    DISK = "disk"  # nothing could be written
    RESTART = "restart"  # the seat or the relay began again


class SegmentEnd(StrEnum):
    CLOSED = "closed"
    INTERRUPTED = "interrupted"  # the recorder died; whole up to there
    FAILED = "failed"  # it could not be written on


class RecorderProblemCode(StrEnum):
    DISK_LOW = "disk_low"
    DISK_FULL = "disk_full"
    WRITE_FAILED = "write_failed"
    STALLED_INPUT = "stalled_input"
    NOT_RESPONDING = "recorder_not_responding"


NOTHING_IS_RECORDED = (
    RecorderProblemCode.NOT_RESPONDING,
    RecorderProblemCode.DISK_FULL,
    RecorderProblemCode.WRITE_FAILED,
)
"""The gravest first. With the others the recording goes on."""

LATE_START_S = 2.0
"""A recorder opens a seat's first file when its first key frame has come, which takes part of a second."""

Problem = tuple[RecorderProblemCode, SeatId | None]
"""(what, whose record; None: everybody's)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """What the log says about the record so far. It is part of the hearing's state."""

    segments: Mapping[SeatId, frozenset[int]] = field(default_factory=lambda: MappingProxyType({}))
    gaps: Mapping[SeatId, frozenset[int]] = field(default_factory=lambda: MappingProxyType({}))
    open_gaps: frozenset[tuple[SeatId, int]] = frozenset()
    problems: Mapping[Problem, datetime] = field(default_factory=lambda: MappingProxyType({}))  # -> since when
    late_starts: Mapping[SeatId, frozenset[int]] = field(default_factory=lambda: MappingProxyType({}))
    sizes: Mapping[SeatId, Size] = field(default_factory=lambda: MappingProxyType({}))


Size = tuple[int, int]
"""(width, height) of a picture, in pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One closed file of one seat. Numbers begin at 1 and grow by time.

    `sha256`: 64 hex digits, over the bytes of the file as the recorder wrote it. `opened_at`: time 0 of the file by the
    room's clock. `first_at`, `last_at`: capture times of the first and last frame; None: nothing is in it.
    `is_aligned`: whether all of them were aligned by RTCP sender reports (RFC 3550 section 6.4.1), else some are those
    of arrival.
    """

    seat_id: SeatId
    number: int
    ended: SegmentEnd
    sha256: str
    size_bytes: int
    opened_at: datetime
    first_at: datetime | None
    last_at: datetime | None
    audio_frames: int
    video_frames: int
    is_aligned: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordSegmentClosed(SystemCommand):
    """A segment may be reported again after a restart: the first report counts."""

    type: ClassVar[str] = "record_segment_closed"
    segment: Segment


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordSegmentOpened(SystemCommand):
    """`opened_at`: time 0 of the file. `expected_at`: since when the seat should have been recorded, where this is its
    first segment; else None. `width`, `height`: of its first picture; None: it holds sound only.
    """

    type: ClassVar[str] = "record_segment_opened"
    seat_id: SeatId
    number: int
    opened_at: datetime
    expected_at: datetime | None = None
    width: int | None = None
    height: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordResolution(SystemCommand):
    """The pictures of a seat have another size since `changed_at`, within segment `number`."""

    type: ClassVar[str] = "record_resolution"
    seat_id: SeatId
    number: int
    changed_at: datetime
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordRecordingGap(SystemCommand):
    """Something of a seat is missing. `number`: 1, 2, 3 ... within the seat. `closed_at` None: it goes on."""

    type: ClassVar[str] = "record_recording_gap"
    seat_id: SeatId
    number: int
    kind: StreamKind
    cause: GapCause
    opened_at: datetime
    closed_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordRecorderProblem(SystemCommand):
    type: ClassVar[str] = "record_recorder_problem"
    code: RecorderProblemCode
    seat_id: SeatId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordRecorderRecovered(SystemCommand):
    type: ClassVar[str] = "record_recorder_recovered"
    code: RecorderProblemCode
    seat_id: SeatId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingSegmentClosed(Event):
    type: ClassVar[str] = "recording:segment_closed"
    segment: Segment


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingStartedLate(Event):
    """The seat should have been recorded from `expected_at` on; segment `number` begins at `started_at`."""

    type: ClassVar[str] = "recording:started_late"
    seat_id: SeatId
    number: int
    expected_at: datetime
    started_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingResolutionChanged(Event):
    """From `changed_at` on the seat's pictures are `width` x `height`. A seat's first one says how it began."""

    type: ClassVar[str] = "recording:resolution_changed"
    seat_id: SeatId
    number: int
    changed_at: datetime
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingGapOpened(Event):
    type: ClassVar[str] = "recording:gap_opened"
    seat_id: SeatId
    number: int
    kind: StreamKind
    cause: GapCause
    opened_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingGapClosed(Event):
    type: ClassVar[str] = "recording:gap_closed"
    seat_id: SeatId
    number: int
    kind: StreamKind
    cause: GapCause
    opened_at: datetime
    closed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingProblem(Event):
    type: ClassVar[str] = "recording:problem"
    code: RecorderProblemCode
    seat_id: SeatId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingRecovered(Event):
    type: ClassVar[str] = "recording:recovered"
    code: RecorderProblemCode
    seat_id: SeatId | None


RecordingEvent = (
    RecordingSegmentClosed
    | RecordingStartedLate
    | RecordingResolutionChanged
    | RecordingGapOpened
    | RecordingGapClosed
    | RecordingProblem
    | RecordingRecovered
)


def segment_closed(hearing: Hearing, command: RecordSegmentClosed, at: datetime) -> tuple[Event, ...] | Refusal:
    segment = command.segment
    if (refusal := _unknown_seat(hearing, segment.seat_id)) is not None:
        return refusal
    if segment.number in hearing.recording.segments.get(segment.seat_id, ()):
        return refuse(ReasonCode.NO_CHANGE, action=command.type)
    return (RecordingSegmentClosed(segment=segment),)


def segment_opened(hearing: Hearing, command: RecordSegmentOpened, at: datetime) -> tuple[Event, ...] | Refusal:
    if (refusal := _unknown_seat(hearing, command.seat_id)) is not None:
        return refusal
    return tuple(_opening_events(hearing, command)) or refuse(ReasonCode.NO_CHANGE, action=command.type)


def _opening_events(hearing: Hearing, command: RecordSegmentOpened) -> Iterator[Event]:
    seat_id, number, opened_at = command.seat_id, command.number, command.opened_at
    expected_at = opened_at if command.expected_at is None else command.expected_at
    is_known = number in hearing.recording.late_starts.get(seat_id, ())
    if (opened_at - expected_at).total_seconds() >= LATE_START_S and not is_known:
        yield RecordingStartedLate(seat_id=seat_id, number=number, expected_at=expected_at, started_at=opened_at)
    if command.width is not None and command.height is not None:
        yield from _size_events(hearing, seat_id, number, opened_at, (command.width, command.height))


def resolution(hearing: Hearing, command: RecordResolution, at: datetime) -> tuple[Event, ...] | Refusal:
    seat_id, size = command.seat_id, (command.width, command.height)
    if (refusal := _unknown_seat(hearing, seat_id)) is not None:
        return refusal
    events = tuple(_size_events(hearing, seat_id, command.number, command.changed_at, size))
    return events or refuse(ReasonCode.NO_CHANGE, action=command.type)


def _size_events(hearing: Hearing, seat_id: SeatId, number: int, at: datetime, size: Size) -> Iterator[Event]:
    if hearing.recording.sizes.get(seat_id) != size:
        width, height = size
        yield RecordingResolutionChanged(seat_id=seat_id, number=number, changed_at=at, width=width, height=height)


def gap(hearing: Hearing, command: RecordRecordingGap, at: datetime) -> tuple[Event, ...] | Refusal:
    if (refusal := _unknown_seat(hearing, command.seat_id)) is not None:
        return refusal
    events = tuple(_gap_events(hearing, command))
    return events or refuse(ReasonCode.NO_CHANGE, action=command.type)


def _gap_events(hearing: Hearing, command: RecordRecordingGap) -> Iterator[Event]:
    seat_id, number, kind, cause = command.seat_id, command.number, command.kind, command.cause
    is_known = number in hearing.recording.gaps.get(seat_id, ())
    if not is_known:
        yield RecordingGapOpened(seat_id=seat_id, number=number, kind=kind, cause=cause, opened_at=command.opened_at)
    if command.closed_at is not None and (not is_known or (seat_id, number) in hearing.recording.open_gaps):
        yield RecordingGapClosed(
            seat_id=seat_id,
            number=number,
            kind=kind,
            cause=cause,
            opened_at=command.opened_at,
            closed_at=command.closed_at,
        )


def problem(hearing: Hearing, command: RecordRecorderProblem, at: datetime) -> tuple[Event, ...] | Refusal:
    if command.seat_id is not None and (refusal := _unknown_seat(hearing, command.seat_id)) is not None:
        return refusal
    if (command.code, command.seat_id) in hearing.recording.problems:
        return refuse(ReasonCode.NO_CHANGE, action=command.type)
    return (RecordingProblem(code=command.code, seat_id=command.seat_id),)


def recovered(hearing: Hearing, command: RecordRecorderRecovered, at: datetime) -> tuple[Event, ...] | Refusal:
    if (command.code, command.seat_id) not in hearing.recording.problems:
        return refuse(ReasonCode.NO_CHANGE, action=command.type)
    return (RecordingRecovered(code=command.code, seat_id=command.seat_id),)


def _unknown_seat(hearing: Hearing, seat_id: SeatId) -> Refusal | None:
    if any(person.seat_id == seat_id for person in hearing.people.values()):
        return None
    return refuse(ReasonCode.UNKNOWN_PERSON, person_id=PersonId(seat_id))


def evolve(hearing: Hearing, event: RecordingEvent, at: datetime) -> Hearing:
    return replace(hearing, recording=_after(hearing.recording, event, at))


def _after(recording: Recording, event: RecordingEvent, at: datetime) -> Recording:
    match event:
        case RecordingSegmentClosed(segment=segment):
            return replace(recording, segments=_with(recording.segments, segment.seat_id, segment.number))
        case RecordingStartedLate():
            return replace(recording, late_starts=_with(recording.late_starts, event.seat_id, event.number))
        case RecordingResolutionChanged():
            sizes = {**recording.sizes, event.seat_id: (event.width, event.height)}
            return replace(recording, sizes=MappingProxyType(sizes))
        case RecordingGapOpened():
            open_gaps = recording.open_gaps | {(event.seat_id, event.number)}
            return replace(recording, gaps=_with(recording.gaps, event.seat_id, event.number), open_gaps=open_gaps)
        case RecordingGapClosed():
            return replace(recording, open_gaps=recording.open_gaps - {(event.seat_id, event.number)})
        case RecordingProblem():
            problems = {**recording.problems, (event.code, event.seat_id): at}
            return replace(recording, problems=MappingProxyType(problems))
        case RecordingRecovered():
            ended = (event.code, event.seat_id)
            problems = {problem: since for problem, since in recording.problems.items() if problem != ended}
            return replace(recording, problems=MappingProxyType(problems))


def _with(numbers: Mapping[SeatId, frozenset[int]], seat_id: SeatId, number: int) -> Mapping[SeatId, frozenset[int]]:
    return MappingProxyType({**numbers, seat_id: numbers.get(seat_id, frozenset()) | {number}})
