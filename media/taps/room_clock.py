"""When something was seen and heard, by one clock for the whole room.

Senders' clocks are wrong by seconds; their sound and pictures take different ways through a computer. Sender reports
(RFC 3550, 6.4.1) tie all streams of one sender to that sender's clock, and the least time that reports took to arrive
ties that clock to ours. What is left is the difference of the shortest network delays of two senders.
"""

from collections import deque
from typing import Final, Literal

from media.taps.ordering import nearest
from media.taps.wire import TIMESTAMP_BITS, SenderReport

ClockSource = Literal["arrival", "rtcp"]

REPORTS_KEPT: Final = 32
"""Of these the one that took least counts; a window, because two clocks drift apart (50 ppm is 180 ms an hour)."""

MAX_REPORT_ERROR_S: Final = 1.0
"""A report whose RTP timestamp is further than this from what frames had at that moment is not believed."""

ARRIVAL_WINDOW_S: Final = 20.0

MAX_FRAME_ERROR_S: Final = 10.0
"""An RTP timestamp this far from its arrival means that the sender's RTP clock began anew."""


class StreamClock:
    """Unwrapped RTP ticks of one stream to Unix seconds by our clock."""

    def __init__(self, clock_hz: int) -> None:
        self.clock_hz = clock_hz
        self._offsets_s: deque[float] = deque(maxlen=REPORTS_KEPT)  # our clock less the sender's
        self.last_ticks: int | None = None
        self._arrival: tuple[int, float] | None = None  # ticks, our seconds; the frame that took least
        self._window_least: tuple[float, int, float] | None = None  # excess, ticks, our seconds
        self._window_ends_s = 0.0
        self._report: tuple[int, float] | None = None  # ticks, the sender's seconds
        self.refused_reports = 0

    @property
    def source(self) -> ClockSource:
        return "arrival" if self._report is None else "rtcp"

    def on_frame(self, ticks: int, at_s: float) -> bool:
        """Learn from a frame. False: its timestamp cannot belong to this clock; make a new one."""
        self.last_ticks = ticks
        if self._arrival is None:
            self._arrival = (ticks, at_s)
            return True
        expected_s = self._by_arrival_s(ticks)
        if abs(expected_s - at_s) > MAX_FRAME_ERROR_S:
            return False
        if at_s < expected_s:
            self._arrival = (ticks, at_s)
        self._slide_window(ticks, at_s, at_s - expected_s)
        return True

    def _slide_window(self, ticks: int, at_s: float, excess_s: float) -> None:
        if self._window_least is None or excess_s < self._window_least[0]:
            self._window_least = (excess_s, ticks, at_s)
        if at_s >= self._window_ends_s:
            if self._window_ends_s:
                self._arrival = self._window_least[1:]
            self._window_least, self._window_ends_s = None, at_s + ARRIVAL_WINDOW_S

    def on_report(self, report: SenderReport, at_s: float) -> bool:
        """Learn from a sender report that arrived at `at_s`. False: it is not believed or comes before any frame."""
        if self.last_ticks is None:
            return False
        ticks = nearest(report.timestamp, TIMESTAMP_BITS, self.last_ticks)
        if abs(at_s - self._by_arrival_s(ticks)) > MAX_REPORT_ERROR_S:
            self.refused_reports += 1
            return False
        self._offsets_s.append(at_s - report.ntp_s)
        self._report = (ticks, report.ntp_s)
        return True

    def wall_s(self, ticks: int) -> float:
        """Return when `ticks` was captured (by reports) or could have arrived at best (before the first report)."""
        if self._report is None:
            return self._by_arrival_s(ticks)
        reported, ntp_s = self._report
        return ntp_s + min(self._offsets_s) + (ticks - reported) / self.clock_hz

    @property
    def sender_offset_s(self) -> float | None:
        """Our clock less the sender's; None before the first report."""
        return min(self._offsets_s, default=None)

    def _by_arrival_s(self, ticks: int) -> float:
        if self._arrival is None:
            raise ValueError("No frame has been seen yet; call on_frame first.")
        first, at_s = self._arrival
        return at_s + (ticks - first) / self.clock_hz
