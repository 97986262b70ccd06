"""Whole files from segments, without decoding: right durations, an index, and times by the room's clock.

Each job may be stopped at any moment and run again: a result appears under its name only when it is whole, and a
result that is there and newer than what it was made from is kept.
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
from av.container import OutputContainer

from media.plan import Kind
from media.recording import recovery, sidecar
from media.recording.entries import SegmentClosed
from media.recording.segment import file_name

_MILLISECOND: Final = Fraction(1, 1000)


Progress = Callable[[int], None]
"""Called with the bytes of segments that are done since the last call; each segment counts twice: checked, copied."""


class ComposeError(Exception):
    """`code` is stable, `number` the segment that is to blame."""

    code = "not_composed"

    def __init__(self, number: int, advice: str) -> None:
        super().__init__(advice)
        self.number = number


class SegmentChangedError(ComposeError):
    """A segment is not what was recorded: its hash differs."""

    code = "segment_changed"


class SegmentMissingError(ComposeError):
    """A segment that was recorded is not there."""

    code = "segment_missing"


class SidecarChangedError(ComposeError):
    """The sidecar contradicts the log, which says what was recorded."""

    code = "sidecar_changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class DerivedFile:
    """What a job made. `starts_at`: the room's time of 0 in the file."""

    path: Path
    starts_at: datetime
    size_bytes: int
    sha256: str


def seat_segments(seat_directory: Path) -> list[SegmentClosed]:
    """Return the closed segments of a seat that hold something, in order."""
    closed = {e.number: e for e in sidecar.read(seat_directory / recovery.SIDECAR) if isinstance(e, SegmentClosed)}
    return [closed[number] for number in sorted(closed) if closed[number].frames]


def remux_segment(seat_directory: Path, closed: SegmentClosed, target: Path) -> DerivedFile:
    """Copy one segment with duration, cues and corrected times.

    Raises SegmentChangedError, OSError, and ValueError when nothing is in the segment.
    """
    return _join(seat_directory, [closed], target)


def compose_seat(
    seat_directory: Path, target: Path, logged: Mapping[int, str], on_progress: Progress = lambda size: None
) -> DerivedFile:
    """Join the segments that the log knows, once all of them are what it says. `logged`: number -> SHA-256 in hex.

    Raises ComposeError, OSError, and ValueError when nothing was recorded.
    """
    closed = {e.number: e for e in sidecar.read(seat_directory / recovery.SIDECAR) if isinstance(e, SegmentClosed)}
    segments = []
    for number, sha256 in sorted(logged.items()):
        segment = closed.get(number)
        if segment is None or segment.sha256 != sha256:
            raise SidecarChangedError(number, f"The sidecar of {seat_directory.name} was changed; take it from a copy.")
        _check(seat_directory / segment.file, segment)
        on_progress(segment.size_bytes)
        if segment.frames:
            segments.append(segment)
    return _join(seat_directory, segments, target, on_progress)


def size_bytes(seat_directory: Path, numbers: Iterable[int]) -> int:
    """Return how much there is to compose: the segments' files that are there."""
    paths = [seat_directory / file_name(number) for number in numbers]
    return sum(path.stat().st_size for path in paths if path.exists())


def concatenate(seat_directory: Path, target: Path) -> DerivedFile:
    """Join all segments of a seat into one file in which silence and darkness last as long as the gaps did.

    A seat that changed its video codec or has only sound in some segments joins all the same; a second codec is a
    second track. Raises SegmentChangedError, OSError, and ValueError when nothing was recorded.
    """
    return _join(seat_directory, seat_segments(seat_directory), target)


def _join(
    seat_directory: Path, segments: list[SegmentClosed], target: Path, on_progress: Progress = lambda size: None
) -> DerivedFile:
    starts = [segment.first_at for segment in segments if segment.first_at is not None]
    if not starts:
        raise ValueError("Nothing was recorded in these segments.")
    sources = [seat_directory / segment.file for segment in segments]
    if not _is_current(target, sources):
        part = target.with_name(f".{target.name}.{os.getpid()}.part")
        try:
            _write(seat_directory, segments, min(starts), part, on_progress)
            _sync(part)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
    with target.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    return DerivedFile(path=target, starts_at=min(starts), size_bytes=target.stat().st_size, sha256=digest)


def _is_current(target: Path, sources: Iterable[Path]) -> bool:
    try:
        made_ns = target.stat().st_mtime_ns
    except FileNotFoundError:
        return False
    return all(source.stat().st_mtime_ns <= made_ns for source in sources)


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _write(
    seat_directory: Path, segments: list[SegmentClosed], starts_at: datetime, part: Path, on_progress: Progress
) -> None:
    part.unlink(missing_ok=True)
    # bitexact: the same segments make the same bytes, so that a job that is run again changes nothing.
    with av.open(str(part), "w", format="matroska", options={"fflags": "+bitexact"}) as output:
        tracks = _Tracks(output)
        for segment in segments:
            _check(seat_directory / segment.file, segment)
            tracks.declare(seat_directory / segment.file)
        for segment in segments:
            for packet, at_ms in _packets(seat_directory / segment.file, segment, starts_at):
                tracks.write(packet, at_ms)
            on_progress(segment.size_bytes)


def _check(path: Path, segment: SegmentClosed) -> None:
    name = f"{segment.seat}/{segment.file}"
    try:
        with path.open("rb") as content:
            sha256 = hashlib.file_digest(content, "sha256").hexdigest()
    except FileNotFoundError:
        raise SegmentMissingError(segment.number, f"{name} is missing; take it from a copy.") from None
    if sha256 != segment.sha256:
        raise SegmentChangedError(segment.number, f"{name} is not what was recorded; take it from a copy.")


def _packets(path: Path, segment: SegmentClosed, starts_at: datetime) -> Iterator[tuple[Any, int]]:
    """Yield all packets of a segment with their time in the result, in the order of the file."""
    offset_ms = (segment.opened_at - starts_at).total_seconds() * 1000
    with av.open(str(path)) as source:
        try:
            for packet in source.demux():
                if packet.pts is None or packet.time_base is None or packet.size == 0:
                    continue
                kind = Kind(packet.stream.type)
                span = segment.streams.get(kind)
                at_ms = float(packet.pts * packet.time_base) * 1000 + offset_ms + (span.shift_ms if span else 0.0)
                yield packet, round(at_ms)
        except av.FFmpegError:
            return  # the torn end of an interrupted segment


class _Tracks:
    """The result's tracks: one of sound, one of pictures for each codec there was."""

    def __init__(self, output: OutputContainer) -> None:
        self._output = output
        self._streams: dict[str, Any] = {}
        self._last_ms: dict[str, int] = {}

    def declare(self, path: Path) -> None:
        """Add the tracks that the segment at `path` needs."""
        with av.open(str(path)) as source:
            streams: list[Any] = list(source.streams)
            for stream in streams:
                name = stream.codec_context.name
                if name not in self._streams:
                    made: Any = self._output.add_stream_from_template(stream, opaque=True)
                    made.time_base = _MILLISECOND
                    self._streams[name] = made

    def write(self, packet: Any, at_ms: int) -> None:
        name = packet.stream.codec_context.name
        at_ms = max(at_ms, self._last_ms.get(name, -1) + 1, 0)
        self._last_ms[name] = at_ms
        packet.stream = self._streams[name]
        packet.time_base = _MILLISECOND
        packet.pts = packet.dts = at_ms
        self._output.mux(packet)
