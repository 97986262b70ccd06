"""One file for each seat, made of its segments after the hearing: what it is, or why there is none.

The segments stay the evidence; the file made of them is for watching.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from hearing_server.domain.commands import SystemCommand
from hearing_server.domain.events import Event
from hearing_server.domain.ids import PersonId, SeatId
from hearing_server.domain.permissions import ReasonCode, Refusal, refuse

if TYPE_CHECKING:
    from hearing_server.domain.state import Hearing


class CompositionProblem(StrEnum):
    SEGMENT_CHANGED = "segment_changed"  # a segment's hash is not the one in the log
    SEGMENT_MISSING = "segment_missing"
    SIDECAR_CHANGED = "sidecar_changed"  # what lies beside the segments contradicts the log
    NOTHING_RECORDED = "nothing_recorded"
    WRITE_FAILED = "write_failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Composition:
    """What came of `segments`. `sha256`: of the file, 64 hex digits; None: there is none because of `problem`."""

    segments: frozenset[int]
    sha256: str | None = None
    problem: CompositionProblem | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordComposed(SystemCommand):
    """`starts_at`: time 0 of the file by the room's clock."""

    type: ClassVar[str] = "record_composed"
    seat_id: SeatId
    segments: tuple[int, ...]
    sha256: str
    size_bytes: int
    starts_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordNotComposed(SystemCommand):
    """`number`: the segment that is to blame; None: no single one is."""

    type: ClassVar[str] = "record_not_composed"
    seat_id: SeatId
    segments: tuple[int, ...]
    problem: CompositionProblem
    number: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingComposed(Event):
    type: ClassVar[str] = "recording:composed"
    seat_id: SeatId
    segments: tuple[int, ...]
    sha256: str
    size_bytes: int
    starts_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingNotComposed(Event):
    type: ClassVar[str] = "recording:not_composed"
    seat_id: SeatId
    segments: tuple[int, ...]
    problem: CompositionProblem
    number: int | None


def composed(hearing: Hearing, command: RecordComposed, at: datetime) -> tuple[Event, ...] | Refusal:
    made = Composition(segments=frozenset(command.segments), sha256=command.sha256)
    if (refusal := _refusal(hearing, command, made)) is not None:
        return refusal
    return (
        RecordingComposed(
            seat_id=command.seat_id,
            segments=command.segments,
            sha256=command.sha256,
            size_bytes=command.size_bytes,
            starts_at=command.starts_at,
        ),
    )


def not_composed(hearing: Hearing, command: RecordNotComposed, at: datetime) -> tuple[Event, ...] | Refusal:
    made = Composition(segments=frozenset(command.segments), problem=command.problem)
    if (refusal := _refusal(hearing, command, made)) is not None:
        return refusal
    return (
        RecordingNotComposed(
            seat_id=command.seat_id, segments=command.segments, problem=command.problem, number=command.number
        ),
    )


def _refusal(hearing: Hearing, command: RecordComposed | RecordNotComposed, made: Composition) -> Refusal | None:
    if not any(person.seat_id == command.seat_id for person in hearing.people.values()):
        return refuse(ReasonCode.UNKNOWN_PERSON, person_id=PersonId(command.seat_id))
    if hearing.compositions.get(command.seat_id) == made:
        return refuse(ReasonCode.NO_CHANGE, action=command.type)
    return None


def evolve(hearing: Hearing, event: RecordingComposed | RecordingNotComposed, at: datetime) -> Hearing:
    segments = frozenset(event.segments)
    match event:
        case RecordingComposed(sha256=sha256):
            made = Composition(segments=segments, sha256=sha256)
        case RecordingNotComposed(problem=problem):
            made = Composition(segments=segments, problem=problem)
    compositions: Mapping[SeatId, Composition] = {**hearing.compositions, event.seat_id: made}
    return replace(hearing, compositions=MappingProxyType(compositions))


def uncomposed(hearing: Hearing) -> frozenset[SeatId]:
    """Seats whose segments in the log are not those that the last result was made of."""
    results = hearing.compositions
    return frozenset(
        seat_id
        for seat_id, numbers in hearing.recording.segments.items()
        if seat_id not in results or results[seat_id].segments != numbers
    )
