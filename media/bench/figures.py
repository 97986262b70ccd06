"""The arithmetic of the benchmarks. Pure: no clock, no sockets."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


def percentile(values: Sequence[float], share: float) -> float | None:
    """Return the smallest of `values` that at least `share` (0.0 to 1.0) of them do not exceed; None without values."""
    if not 0 <= share <= 1:
        raise ValueError(f"A share lies between 0 and 1, not {share}.")
    if not values:
        return None
    ordered = sorted(values)
    rank = -int(-share * len(ordered) // 1)  # ceiling: the nearest-rank definition
    return ordered[max(0, rank - 1)]


def median(values: Iterable[float | None]) -> float | None:
    """Return the median of those values that are there; None when none is."""
    present = [value for value in values if value is not None]
    return statistics.median(present) if present else None


def ratio(ours: float | None, theirs: float | None) -> float | None:
    """Return `ours` / `theirs`; None when either is missing or `theirs` is zero."""
    return ours / theirs if ours is not None and theirs else None


def paired_ratio(passes: Sequence[Mapping[str, float | None]], ours: str, theirs: str) -> float | None:
    """Return the median over the passes of `ours` / `theirs` within one pass.

    Each of `passes` maps an engine's name to its figure. What the rest of the machine does changes from pass to pass,
    and much less within one: so the ratio is taken first and the median after.
    """
    return median(ratio(row.get(ours), row.get(theirs)) for row in passes)


def loss_ratio(expected: int, packets: int) -> float | None:
    """Return the share of `expected` packets that did not come, 0.0 to 1.0; None when none was expected."""
    return max(0, expected - packets) / expected if expected > 0 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamCount:
    """What one stream had counted at one moment: packets that came, and that were sent by their sequence numbers."""

    packets: int
    expected: int
    frames: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """What many streams of one kind delivered in a window."""

    streams: int  # that delivered anything
    packets: int
    expected: int  # silent streams included
    frames: int


def flow(
    before: Mapping[Any, StreamCount], after: Mapping[Any, StreamCount], *, wanted_streams: int, sent_per_stream: float
) -> Flow:
    """Return what the streams of one kind delivered between two moments.

    Args:
        before, after: Counts by stream. A stream that is new in `after` counts from nothing.
        wanted_streams: How many there ought to be. Each silent one lost `sent_per_stream` packets.
    """
    nothing = StreamCount(packets=0, expected=0, frames=0)
    live = packets = expected = frames = 0
    for stream, end in after.items():
        begin = before.get(stream, nothing)
        if end.packets > begin.packets:
            live += 1
        packets += end.packets - begin.packets
        expected += end.expected - begin.expected
        frames += end.frames - begin.frames
    silent = max(0, wanted_streams - live)
    return Flow(streams=live, packets=packets, expected=expected + round(silent * sent_per_stream), frames=frames)


def starved(delivered: Mapping[Any, int], due: Mapping[Any, int], *, enough: float = 0.9) -> int:
    """Return how many streams of `due` (packets sent to each) were delivered less than `enough` of it."""
    return sum(1 for stream, packets in due.items() if packets and delivered.get(stream, 0) < enough * packets)


def growth(samples: Sequence[tuple[float, float]], *, warm_up_s: float) -> float | None:
    """Return by which share of its level after the warm-up a value has grown at the end; 0.0 is flat.

    `samples`: (seconds since the beginning, value), in order. Both levels are medians of up to five samples, as a
    single sample may fall into a busy moment. None with fewer than two samples after the warm-up.
    """
    later = [value for at_s, value in samples if at_s >= warm_up_s]
    if len(later) < 2:
        return None
    width = min(5, len(later) // 2)
    begin, end = statistics.median(later[:width]), statistics.median(later[-width:])
    return end / begin - 1 if begin else None
