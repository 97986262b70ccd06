"""What a listener hears of one audio stream: which packets came in time to be played. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from media.replay.clip import AUDIO_CLOCK_HZ, AUDIO_FRAME_S

GAP_PACKETS: Final = 3
"""So many packets in a row that are not there to be played are a gap: 60 ms, which listeners notice."""


@dataclass(frozen=True, slots=True)
class Playout:
    """How a stretch of sound would have been played."""

    packets: int  # that were due
    missing: int  # not there when they were due
    in_gaps: int  # those of them in gaps
    longest: int  # run of missing packets

    @property
    def missing_ratio(self) -> float:
        return self.missing / self.packets if self.packets else 0.0

    @property
    def gap_ratio(self) -> float:
        """Share of the time that is in gaps, 0 to 1."""
        return self.in_gaps / self.packets if self.packets else 0.0

    @property
    def longest_s(self) -> float:
        return self.longest * AUDIO_FRAME_S


def play_out(arrivals: Iterable[tuple[int, int, float]], *, buffer_s: float) -> Playout:
    """Judge the packets of one stream as a jitter buffer of a fixed depth would play them.

    Args:
        arrivals: (RTP sequence number, RTP timestamp, arrival in s) of every packet, as it came or came again. The
            sender sends every AUDIO_FRAME_S, sound or silence.
        buffer_s: how much later than the quickest packet a packet may come.
    """
    came: dict[int, tuple[float, float]] = {}  # extended number -> media time and arrival in s
    newest = newest_timestamp = None
    for sequence, timestamp, arrival_s in arrivals:
        if newest is None or newest_timestamp is None:
            newest, newest_timestamp = sequence, timestamp
        number = newest + _signed(sequence - newest, 16)
        extended = newest_timestamp + _signed(timestamp - newest_timestamp, 32)
        if number > newest:
            newest, newest_timestamp = number, extended
        came.setdefault(number, (extended / AUDIO_CLOCK_HZ, arrival_s))
    if not came:
        return Playout(0, 0, 0, 0)
    quickest_s = min(arrival_s - media_s for media_s, arrival_s in came.values())
    in_time = {number for number, (media_s, arrival_s) in came.items() if arrival_s - media_s <= quickest_s + buffer_s}
    due = range(min(came), max(came) + 1)
    runs = [len(list(run)) for is_there, run in groupby(due, in_time.__contains__) if not is_there]
    return Playout(len(due), sum(runs), sum(run for run in runs if run >= GAP_PACKETS), max(runs, default=0))


def _signed(difference: int, bits: int) -> int:
    """`difference` of two counters of `bits` bits as the shorter way round."""
    half = 1 << (bits - 1)
    return (difference + half) % (1 << bits) - half
