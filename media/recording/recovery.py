"""After a recorder was killed: what it left unfinished is measured, hashed and written down."""

import hashlib
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import av

from media.plan import Kind
from media.recording import segment as segments
from media.recording import sidecar
from media.recording.entries import (
    ClockMapping,
    Entry,
    GapClosed,
    GapOpened,
    SeatStarted,
    SeatStopped,
    SegmentClosed,
    SegmentOpened,
    SegmentStatus,
    StreamSpan,
    TrackBegan,
    utc,
)
from media.recording.matroska_writer import unnamed

logger = logging.getLogger(__name__)

SIDECAR: Final = sidecar.FILE_NAME


@dataclass(slots=True)
class SeatHistory:
    """What a seat's directory says. `crashed`: kind -> Unix seconds of the last frame before a recorder died."""

    next_gap: int = 1
    closed: list[SegmentClosed] = field(default_factory=list)
    crashed: dict[Kind, float] = field(default_factory=dict)


def recover_seat(directory: Path) -> tuple[SeatHistory, list[SegmentClosed | GapClosed]]:
    """Finish what a killed recorder left in `directory`, and return what is there and what was added to the sidecar.

    Run again, it adds nothing. Where nothing can be written the next recovery finds the same.
    """
    entries = sidecar.read(directory / SIDECAR)
    added: list[SegmentClosed | GapClosed] = []
    added += [_closing_line(directory, entries, opened) for opened in _unclosed(directory, entries)]
    added += _close_gaps(entries, added)
    history = _history([*entries, *added])
    if added:
        _append(directory, added)
    return history, added


def _append(directory: Path, added: Iterable[Entry]) -> None:
    try:
        writer = sidecar.Sidecar(directory / SIDECAR)
    except OSError as error:
        logger.warning("the sidecar of %s cannot be written: errno %s", directory.name, error.errno)
        return
    for entry in added:
        writer.append(entry)
    writer.close()


def closed_segments(directory: Path) -> list[SegmentClosed]:
    """Return all closed segments of all seats below `directory`."""
    return [
        entry
        for path in sorted(directory.glob(f"*/{SIDECAR}"))
        for entry in sidecar.read(path)
        if isinstance(entry, SegmentClosed)
    ]


def _unclosed(directory: Path, entries: list[Entry]) -> list[SegmentOpened]:
    closed = {entry.number for entry in entries if isinstance(entry, SegmentClosed)}
    opened = {entry.number: entry for entry in entries if isinstance(entry, SegmentOpened)}
    for number in segments.numbers(directory):
        if number not in opened and number not in closed:  # killed, or the disk was full, before the line was written
            path = directory / segments.file_name(number)
            at = utc(path.stat().st_mtime)
            opened[number] = SegmentOpened(
                seat=directory.name, number=number, file=path.name, at=at, at_s=0.0, video=None
            )
    found = [entry for number, entry in sorted(opened.items()) if number not in closed]
    return [entry for entry in found if not _never_began(directory / entry.file)]


def _never_began(path: Path) -> bool:
    """Whether it was killed before its first cluster: nothing is in it, its number is free. Else a file is missing."""
    return not path.exists() and unnamed(path).exists()


def _closing_line(directory: Path, entries: list[Entry], opened: SegmentOpened) -> SegmentClosed:
    path = directory / opened.file
    size_bytes, sha256 = _digest(path)
    spans = {
        kind: _span(entries, opened, kind, first_s, last_s, frames)
        for kind, (first_s, last_s, frames) in scan(path).items()
    }
    return SegmentClosed(
        seat=directory.name,
        number=opened.number,
        file=opened.file,
        status=SegmentStatus.INTERRUPTED,
        size_bytes=size_bytes,
        sha256=sha256,
        opened_at=opened.at,
        first_at=min((span.first_at for span in spans.values()), default=None),
        last_at=max((span.last_at for span in spans.values()), default=None),
        streams=spans,
        frames={kind: span.frames for kind, span in spans.items()},
    )


def _digest(path: Path) -> tuple[int, str]:
    try:
        with path.open("rb") as content:
            sha256 = hashlib.file_digest(content, "sha256").hexdigest()
        return path.stat().st_size, sha256
    except FileNotFoundError:
        return 0, hashlib.sha256(b"").hexdigest()


def scan(path: Path) -> dict[Kind, tuple[float, float, int]]:
    """Return, for each kind of stream that can be read, the first and last time in seconds and the number of frames."""
    found: dict[Kind, tuple[float, float, int]] = {}
    try:
        with av.open(path) as container:
            for packet in container.demux():
                if packet.pts is None or packet.size == 0:
                    continue
                kind = Kind(packet.stream.type)
                at_s = float(packet.pts * packet.time_base)
                first_s, last_s, frames = found.get(kind, (at_s, at_s, 0))
                found[kind] = (min(first_s, at_s), max(last_s, at_s), frames + 1)
    except (av.FFmpegError, OSError):
        return found  # what could be read before the torn end counts
    return found


def _span(
    entries: list[Entry], opened: SegmentOpened, kind: Kind, first_s: float, last_s: float, frames: int
) -> StreamSpan:
    began = [e for e in entries if isinstance(e, TrackBegan) and (e.number, e.kind) == (opened.number, kind)]
    shift = timedelta()
    clock = "arrival"
    mappings = [
        e for e in entries if isinstance(e, ClockMapping) and began and (e.kind, e.ssrc) == (kind, began[-1].ssrc)
    ]
    if mappings and mappings[-1].source == "rtcp":
        known, first = mappings[-1], began[-1]
        clock = known.source
        shift = known.at + timedelta(seconds=(first.ticks - known.ticks) / known.clock_hz) - first.at
    return StreamSpan(
        first_ticks=began[-1].ticks if began else 0,
        last_ticks=None,
        first_at=opened.at + timedelta(seconds=first_s) + shift,
        last_at=opened.at + timedelta(seconds=last_s) + shift,
        shift_ms=round(shift.total_seconds() * 1000, 3),
        frames=frames,
        clock=clock,
    )


def _history(entries: list[Entry]) -> SeatHistory:
    history = SeatHistory()
    kinds: tuple[Kind, ...] = ()
    started_at: datetime | None = None
    last_at: dict[Kind, datetime] = {}
    for entry in entries:
        if isinstance(entry, SegmentClosed):
            history.closed.append(entry)
            for kind, span in entry.streams.items():
                last_at[kind] = max(span.last_at, last_at.get(kind, span.last_at))
        elif isinstance(entry, GapOpened):
            history.next_gap = max(history.next_gap, entry.gap + 1)
        elif isinstance(entry, GapClosed):
            last_at[entry.kind] = max(entry.at, last_at.get(entry.kind, entry.at))
        elif isinstance(entry, SeatStarted):
            kinds, started_at = entry.kinds, entry.at
        elif isinstance(entry, SeatStopped):
            kinds, started_at = (), None
    if started_at is not None:
        history.crashed = {kind: max(last_at.get(kind, started_at), started_at).timestamp() for kind in kinds}
    return history


def _close_gaps(entries: list[Entry], added: list[SegmentClosed | GapClosed]) -> list[GapClosed]:
    """Gaps that were open when the recorder died end where its record ends."""
    open_gaps = {entry.gap: entry for entry in entries if isinstance(entry, GapOpened)}
    for entry in entries:
        if isinstance(entry, GapClosed):
            open_gaps.pop(entry.gap, None)
    ends = [entry.last_at for entry in added if isinstance(entry, SegmentClosed) and entry.last_at]
    return [
        GapClosed(seat=gap.seat, gap=gap.gap, kind=gap.kind, cause=gap.cause, opened_at=gap.at, at=max([gap.at, *ends]))
        for gap in open_gaps.values()
    ]
