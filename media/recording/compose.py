"""Whole files from segments, without decoding: right durations, an index, and times by the room's clock.

Each job may be stopped at any moment and run again: a result appears under its name only when it is whole, and a
result that is there and newer than what it was made from is kept.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator
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

_MILLISECOND: Final = Fraction(1, 1000)


class SegmentChangedError(Exception):
    """A segment is not what was recorded: its hash differs from the one in the sidecar."""

    code = "segment_changed"


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


def concatenate(seat_directory: Path, target: Path) -> DerivedFile:
    """Join all segments of a seat into one file in which silence and darkness last as long as the gaps did.

    A seat that changed its video codec or has only sound in some segments joins all the same; a second codec is a
    second track. Raises SegmentChangedError, OSError, and ValueError when nothing was recorded.
    """
    return _join(seat_directory, seat_segments(seat_directory), target)


def _join(seat_directory: Path, segments: list[SegmentClosed], target: Path) -> DerivedFile:
    starts = [segment.first_at for segment in segments if segment.first_at is not None]
    if not starts:
        raise ValueError("Nothing was recorded in these segments.")
    sources = [seat_directory / segment.file for segment in segments]
    if not _is_current(target, sources):
        part = target.with_name(f".{target.name}.{os.getpid()}.part")
        try:
            _write(seat_directory, segments, min(starts), part)
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


def _write(seat_directory: Path, segments: list[SegmentClosed], starts_at: datetime, part: Path) -> None:
    part.unlink(missing_ok=True)
    with av.open(str(part), "w", format="matroska", options={"cues_to_front": "0"}) as output:
        tracks = _Tracks(output)
        for segment in segments:
            _check(seat_directory / segment.file, segment)
            tracks.declare(seat_directory / segment.file)
        for segment in segments:
            for packet, at_ms in _packets(seat_directory / segment.file, segment, starts_at):
                tracks.write(packet, at_ms)


def _check(path: Path, segment: SegmentClosed) -> None:
    with path.open("rb") as content:
        if hashlib.file_digest(content, "sha256").hexdigest() != segment.sha256:
            raise SegmentChangedError(f"{segment.seat}/{segment.file} is not what was recorded; take it from a copy.")


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
