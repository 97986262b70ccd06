"""What the recorder has to do for a hearing, and what its reports mean for the hearing. Pure: steps and commands."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from hearing_server.domain.attendance import Presence
from hearing_server.domain.commands import SystemCommand
from hearing_server.domain.composition import uncomposed
from hearing_server.domain.ids import SeatId
from hearing_server.domain.lifecycle import HearingState
from hearing_server.domain.media_plan import TapPurpose, in_courtroom, media_plan
from hearing_server.domain.recording import (
    GapCause,
    RecorderProblemCode,
    RecordRecorderProblem,
    RecordRecorderRecovered,
    RecordRecordingGap,
    RecordResolution,
    RecordSegmentClosed,
    RecordSegmentOpened,
    Segment,
    SegmentEnd,
)
from hearing_server.domain.roles import Role
from hearing_server.domain.rooms import StreamKind
from hearing_server.domain.state import Hearing, Person
from media.plan import Kind
from media.recording import entries

Stream = tuple[SeatId, StreamKind]

OVER: Final = frozenset({HearingState.CLOSED, HearingState.CANCELLED})
COURT_WAS_CALLED: Final = frozenset({HearingState.IN_SESSION, HearingState.RECESS, HearingState.INTERRUPTED})


@dataclass(frozen=True, slots=True)
class StartSeat:
    """Begin the files of a seat. It stays started until the hearing is over, so that its gaps are written down."""

    seat_id: SeatId


@dataclass(frozen=True, slots=True)
class Expect:
    """The seat sends the stream from now on, or (`absence`) does not, and why."""

    seat_id: SeatId
    kind: StreamKind
    absence: entries.GapCause | None


@dataclass(frozen=True, slots=True)
class Pause:
    reason: str  # the state of the hearing


@dataclass(frozen=True, slots=True)
class Resume:
    pass


Step = StartSeat | Expect | Pause | Resume


@dataclass(slots=True)
class Told:
    """What a recorder has been told so far."""

    sending: dict[Stream, bool] = field(default_factory=dict)  # of started seats
    pause_reason: str | None = None
    is_paced: bool = False  # whether it was told to pause or to resume at all

    def add(self, step: Step) -> None:
        match step:
            case StartSeat(seat_id=seat_id):
                self.sending.update({(seat_id, kind): True for kind in StreamKind})
            case Expect(seat_id=seat_id, kind=kind, absence=absence):
                self.sending[seat_id, kind] = absence is None
            case Pause(reason=reason):
                self.pause_reason, self.is_paced = reason, True
            case Resume():
                self.pause_reason, self.is_paced = None, True


def needs_recorder(hearing: Hearing) -> bool:
    """From when the court can be called to order at any moment: a recorder takes seconds to start."""
    if hearing.state is not HearingState.CHECK_IN:
        return hearing.state in COURT_WAS_CALLED
    return any(person.role is Role.PRESIDING_JUDGE and person.is_present for person in hearing.people.values())


def may_lack_its_end(hearing: Hearing) -> bool:
    """Whether a service that went down after the close may not have logged all files: nothing was made of them yet."""
    return hearing.state is HearingState.CLOSED and (not hearing.compositions or bool(uncomposed(hearing)))


def steps(hearing: Hearing, told: Told) -> Iterator[Step]:
    """What is left to tell a recorder that has been told `told`. It records exactly what the media plan taps."""
    if hearing.state is not HearingState.IN_SESSION:
        if hearing.state in COURT_WAS_CALLED and told.pause_reason != hearing.state:
            yield Pause(hearing.state.value)
        return
    recorded = {(tap.source, tap.kind) for tap in media_plan(hearing).taps if tap.purpose is TapPurpose.RECORDER}
    for person in hearing.people.values():
        streams = [(person.seat_id, kind) for kind in StreamKind]
        is_started = streams[0] in told.sending
        if not is_started and not recorded.intersection(streams):
            continue
        if not is_started:
            yield StartSeat(person.seat_id)
        for stream in streams:
            is_sending = stream in recorded
            if told.sending.get(stream, True) != is_sending:
                yield Expect(*stream, None if is_sending else _absence(hearing, person, stream[1]))
    if not told.is_paced or told.pause_reason is not None:
        yield Resume()


def _absence(hearing: Hearing, person: Person, kind: StreamKind) -> entries.GapCause:
    if person.presence is Presence.LOST:
        return entries.GapCause.STALLED
    if person not in in_courtroom(hearing):
        return entries.GapCause.NOT_RECORDED
    return entries.GapCause.MUTE if kind is StreamKind.AUDIO else entries.GapCause.CAMERA_OFF


LOGGED_CAUSES: Final[Mapping[entries.GapCause, GapCause]] = {entries.GapCause(cause.value): cause for cause in GapCause}
"""The others are lawful, and follow from events of the hearing."""

PROBLEM_CODES: Final[Mapping[entries.ProblemCode, RecorderProblemCode]] = {
    entries.ProblemCode(code.value): code for code in RecorderProblemCode
}


def command_of(event: entries.RecorderEvent) -> SystemCommand | None:
    """What the hearing is told of a recorder's report; None: nothing."""
    match event:
        case entries.SegmentOpened():
            return _opened(event)
        case entries.ResolutionChanged():
            return RecordResolution(
                seat_id=SeatId(event.seat),
                number=event.number,
                changed_at=event.at,
                width=event.width,
                height=event.height,
            )
        case entries.SegmentClosed():
            return RecordSegmentClosed(segment=_segment(event))
        case entries.GapOpened(cause=cause) if cause in LOGGED_CAUSES:
            return RecordRecordingGap(
                seat_id=SeatId(event.seat),
                number=event.gap,
                kind=StreamKind(event.kind.value),
                cause=LOGGED_CAUSES[cause],
                opened_at=event.at,
            )
        case entries.GapClosed(cause=cause) if cause in LOGGED_CAUSES:
            return RecordRecordingGap(
                seat_id=SeatId(event.seat),
                number=event.gap,
                kind=StreamKind(event.kind.value),
                cause=LOGGED_CAUSES[cause],
                opened_at=event.opened_at,
                closed_at=event.at,
            )
        case entries.RecorderProblem(code=code) if code in PROBLEM_CODES:
            seat_id = None if event.seat is None else SeatId(event.seat)
            report = RecordRecorderRecovered if event.cleared else RecordRecorderProblem
            return report(code=PROBLEM_CODES[code], seat_id=seat_id)
        case _:
            return None


def _opened(opened: entries.SegmentOpened) -> RecordSegmentOpened:
    late_by_s, video = opened.late_by_s, opened.video
    return RecordSegmentOpened(
        seat_id=SeatId(opened.seat),
        number=opened.number,
        opened_at=opened.at,
        expected_at=None if late_by_s is None else opened.at - timedelta(seconds=late_by_s),
        width=None if video is None else video.width,
        height=None if video is None else video.height,
    )


def _segment(closed: entries.SegmentClosed) -> Segment:
    return Segment(
        seat_id=SeatId(closed.seat),
        number=closed.number,
        ended=SegmentEnd(closed.status.value),
        sha256=closed.sha256,
        size_bytes=closed.size_bytes,
        opened_at=closed.opened_at,
        first_at=closed.first_at,
        last_at=closed.last_at,
        audio_frames=closed.frames.get(Kind.AUDIO, 0),
        video_frames=closed.frames.get(Kind.VIDEO, 0),
        is_aligned=all(span.clock == "rtcp" for span in closed.streams.values()),
    )
