"""What happened to a recording, as values: the lines of a seat's sidecar and the events a recorder sends are the same.

Times: `at` is aware UTC by the recorder's clock, which is the room's clock. A capture time becomes known exactly with
the first RTCP sender report; what was written before that is corrected by `SegmentClosed.streams[...].shift_ms`.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

import msgspec

from media.plan import Kind
from media.taps.wire import Codec


class GapCause(StrEnum):
    LOSS = "loss"  # packets that never came; for video up to the next key frame
    STALLED = "stalled"  # the source should be sending and is not
    MUTE = "mute"
    CAMERA_OFF = "camera_off"
    PAUSE = "pause"
    NOT_RECORDED = "not_recorded"  # the plan taps nothing of this seat: it is somewhere that is never recorded
    CRASH = "crash"  # the recorder died
    DISK = "disk"  # nothing could be written
    RESTART = "restart"  # the source came back with a new stream


class SegmentStatus(StrEnum):
    CLOSED = "closed"  # ended by the recorder
    INTERRUPTED = "interrupted"  # the recorder was killed; closed by the next one
    FAILED = "failed"  # writing failed; what is there is whole up to its last cluster


class ProblemCode(StrEnum):
    DISK_LOW = "disk_low"  # still recording; room for `minimum_free_bytes` more
    DISK_FULL = "disk_full"
    WRITE_FAILED = "write_failed"
    STALLED_INPUT = "stalled_input"
    NOT_RESPONDING = "recorder_not_responding"
    RESTARTED = "recorder_restarted"


ADVICE: Final[Mapping[ProblemCode, str]] = {
    ProblemCode.DISK_LOW: "Free space on the recording disk soon.",
    ProblemCode.DISK_FULL: "Nothing is being recorded: free space on the recording disk, or adjourn.",
    ProblemCode.WRITE_FAILED: "Nothing is being recorded: check the recording disk, or adjourn.",
    ProblemCode.STALLED_INPUT: "This seat's sound or picture does not arrive: check its connection.",
    ProblemCode.NOT_RESPONDING: "The recorder is being restarted; what follows the gap is recorded again.",
    ProblemCode.RESTARTED: "Recording goes on in new files; the gap is in the log.",
}


class VideoTrack(msgspec.Struct, frozen=True, kw_only=True):
    codec: Codec
    width: int
    height: int


class StreamSpan(msgspec.Struct, frozen=True, kw_only=True):
    """What one segment holds of one stream.

    `first_ticks`, `last_ticks`: unwrapped RTP timestamps, the last one unknown after a crash. `shift_ms`: add it to
    the file's times to be right by the room's clock. `clock`: how well the times are known, "rtcp" or "arrival" (no
    sender report ever came).
    """

    first_ticks: int
    last_ticks: int | None
    first_at: datetime
    last_at: datetime
    shift_ms: float
    frames: int
    clock: str


class RecorderStarted(msgspec.Struct, frozen=True, kw_only=True, tag="recorder_started"):
    """A recorder process took over the directory. The first one's `at` is second 0 of the recording."""

    at: datetime
    process_id: int


class SeatStarted(msgspec.Struct, frozen=True, kw_only=True, tag="seat_started"):
    seat: str
    at: datetime
    kinds: tuple[Kind, ...]


class SeatStopped(msgspec.Struct, frozen=True, kw_only=True, tag="seat_stopped"):
    seat: str
    at: datetime


class SegmentOpened(msgspec.Struct, frozen=True, kw_only=True, tag="segment_opened"):
    """`at` is the time of 0 in the file. `late_by_s`: for the first segment after a start, how long nothing came."""

    seat: str
    number: int
    file: str
    at: datetime
    at_s: float  # seconds into the recording
    video: VideoTrack | None
    late_by_s: float | None = None


class TrackBegan(msgspec.Struct, frozen=True, kw_only=True, tag="track_began"):
    """The first frame of a stream in a segment: RTP tick `ticks` stands in the file where `at` is."""

    seat: str
    number: int
    kind: Kind
    ssrc: int
    ticks: int
    clock_hz: int
    at: datetime


class SegmentClosed(msgspec.Struct, frozen=True, kw_only=True, tag="segment_closed"):
    """`sha256`: hex, over the bytes of the file."""

    seat: str
    number: int
    file: str
    status: SegmentStatus
    size_bytes: int
    sha256: str
    opened_at: datetime
    first_at: datetime | None  # None: nothing is in it
    last_at: datetime | None
    streams: dict[Kind, StreamSpan]
    frames: dict[Kind, int]


class GapOpened(msgspec.Struct, frozen=True, kw_only=True, tag="gap_opened"):
    seat: str
    gap: int  # 1, 2, 3 ... within one seat
    kind: Kind
    cause: GapCause
    at: datetime
    reason: str = ""  # the pause's reason code


class GapClosed(msgspec.Struct, frozen=True, kw_only=True, tag="gap_closed"):
    seat: str
    gap: int
    kind: Kind
    cause: GapCause
    opened_at: datetime
    at: datetime
    packets: int | None = None  # lost, where it is known


class ResolutionChanged(msgspec.Struct, frozen=True, kw_only=True, tag="resolution_changed"):
    seat: str
    number: int
    at: datetime
    width: int
    height: int


class ClockMapping(msgspec.Struct, frozen=True, kw_only=True, tag="clock_mapping"):
    """RTP tick `ticks` of `ssrc` is `at`. `sender_offset_s`: the room's clock less the sender's, None before RTCP."""

    seat: str
    kind: Kind
    ssrc: int
    ticks: int
    clock_hz: int
    at: datetime
    source: str
    sender_offset_s: float | None


class KeyframeWanted(msgspec.Struct, frozen=True, kw_only=True, tag="keyframe_wanted"):
    """The relay should ask this seat's camera for a key frame. Not a line of the sidecar."""

    seat: str


class RecorderProblem(msgspec.Struct, frozen=True, kw_only=True, tag="recorder_problem"):
    """`seat` None: all seats. `advice` says what to do; `cleared` True: the problem is over."""

    code: ProblemCode
    at: datetime
    seat: str | None = None
    kind: Kind | None = None
    cleared: bool = False
    advice: str = ""


Entry = (
    RecorderStarted
    | SeatStarted
    | SeatStopped
    | SegmentOpened
    | TrackBegan
    | SegmentClosed
    | GapOpened
    | GapClosed
    | ResolutionChanged
    | ClockMapping
    | RecorderProblem
)
"""What a sidecar may hold."""

RecorderEvent = Entry | KeyframeWanted
"""What a recorder may send."""


def utc(unix_s: float) -> datetime:
    return datetime.fromtimestamp(unix_s, UTC)
