"""One open segment: which frame goes where in the file, and what the sidecar says when it closes."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from media.plan import Kind
from media.recording.entries import SegmentClosed, SegmentStatus, StreamSpan, VideoTrack, utc
from media.recording.matroska_writer import MatroskaWriter
from media.taps.depacketise import Frame
from media.taps.room_clock import StreamClock

SUFFIX: Final = ".mkv"
MAX_NUMBER: Final = 999_999


def file_name(number: int) -> str:
    return f"{number:04d}{SUFFIX}"


def numbers(directory: Path) -> list[int]:
    """Return the numbers of the segments in `directory`, in order."""
    return sorted(int(path.stem) for path in directory.glob(f"*{SUFFIX}") if path.stem.isdecimal())


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentLength:
    """From `roll_after_s` on the segment ends at the next key frame, which is asked for; at `most_s` in any case."""

    roll_after_s: float = 50.0
    most_s: float = 60.0


@dataclass(slots=True)
class _Track:
    """A stream within this segment. Its clock may learn while the file is open; its place in the file stays fixed."""

    clock: StreamClock
    clock_hz: int
    first_ticks: int
    first_wall_s: float  # as it was known when the first frame was written
    last_ticks: int
    frames: int = 0

    def placed_s(self, ticks: int) -> float:
        return self.first_wall_s + (ticks - self.first_ticks) / self.clock_hz

    def span(self) -> StreamSpan:
        first_s, last_s = self.clock.wall_s(self.first_ticks), self.clock.wall_s(self.last_ticks)
        return StreamSpan(
            first_ticks=self.first_ticks,
            last_ticks=self.last_ticks,
            first_at=utc(first_s),
            last_at=utc(last_s),
            shift_ms=round((first_s - self.first_wall_s) * 1000, 3),
            frames=self.frames,
            clock=self.clock.source,
        )


class Segment:
    """A file of one seat. `start_s`: the room's time of 0 in the file. Raises OSError when it cannot be made."""

    def __init__(
        self, directory: Path, seat: str, number: int, start_s: float, video: VideoTrack | None, key_frame: bytes = b""
    ) -> None:
        self.seat = seat
        self.number = number
        self.start_s = start_s
        self.video = video
        self._tracks: dict[Kind, _Track] = {}
        self._writer = MatroskaWriter(directory / file_name(number), video, key_frame)

    @property
    def failure(self) -> OSError | None:
        return self._writer.failure

    @property
    def end_s(self) -> float:
        """The room's time up to which something is in the file."""
        return max((track.placed_s(track.last_ticks) for track in self._tracks.values()), default=self.start_s)

    def holds(self, kind: Kind, clock: StreamClock) -> bool:
        """Whether frames of this stream have been written here."""
        track = self._tracks.get(kind)
        return track is not None and track.clock is clock

    def write(self, kind: Kind, frame: Frame, clock: StreamClock) -> None:
        """Append `frame`. Its time is fixed by the clock as it was at the stream's first frame in this file."""
        if not self.holds(kind, clock):
            first_wall_s = clock.wall_s(frame.ticks)
            self._tracks[kind] = _Track(clock, clock.clock_hz, frame.ticks, first_wall_s, frame.ticks)
        track = self._tracks[kind]
        track.last_ticks = max(track.last_ticks, frame.ticks)
        track.frames += 1
        at_ms = round((track.placed_s(frame.ticks) - self.start_s) * 1000)
        if kind is Kind.VIDEO:
            self._writer.write_video(frame.data, at_ms, is_key=frame.is_key)
        else:
            self._writer.write_audio(frame.data, at_ms)

    def flush(self) -> None:
        """Let what is in memory reach the file: nothing has come for a while."""
        self._writer.flush()

    def duplicate_file(self) -> int:
        """Return a descriptor of the file for the caller to sync and close."""
        return os.dup(self._writer.fileno())

    def close(self, status: SegmentStatus = SegmentStatus.CLOSED) -> SegmentClosed:
        """End the file and return what is in it."""
        written = self._writer.close()
        spans = {kind: track.span() for kind, track in self._tracks.items()}
        if self._writer.failure is not None:
            status = SegmentStatus.FAILED
        return SegmentClosed(
            seat=self.seat,
            number=self.number,
            file=file_name(self.number),
            status=status,
            size_bytes=written.size_bytes,
            sha256=written.sha256,
            opened_at=utc(self.start_s),
            first_at=min((span.first_at for span in spans.values()), default=None),
            last_at=max((span.last_at for span in spans.values()), default=None),
            streams=spans,
            frames={kind: span.frames for kind, span in spans.items()},
        )
