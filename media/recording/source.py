"""What a seat's recorder knows of one stream of that seat."""

from dataclasses import dataclass
from typing import Final

from media.plan import Kind
from media.recording.entries import ClockMapping, TrackBegan, utc
from media.taps.depacketise import Frame
from media.taps.room_clock import StreamClock
from media.taps.stream_intake import StreamIntake

CLOCK_LINE_S: Final = 10.0
"""Once a clock is known by sender reports the sidecar gets its reading this often: clocks drift."""


@dataclass(slots=True)
class Source:
    """`since_s`: from then on it should be sending. `end_s`: the room's time of the last frame that was written."""

    intake: StreamIntake
    since_s: float
    is_expected: bool = True
    heard_s: float | None = None
    end_s: float | None = None
    is_stalled: bool = False
    _clock_line: tuple[StreamClock, str, float] | None = None

    def begin(self, at_s: float) -> None:
        """Count silence from `at_s` on."""
        self.since_s, self.heard_s, self.is_stalled = at_s, None, False

    @property
    def silent_since_s(self) -> float:
        return self.since_s if self.heard_s is None else max(self.since_s, self.heard_s)

    def clock_line(self, seat: str, kind: Kind, at_s: float) -> ClockMapping | None:
        """Return the clock's reading where the sidecar lacks it: the first one, and one after a while."""
        clock, last = self.intake.clock, self._clock_line
        if clock is None or clock.last_ticks is None or self.intake.ssrc is None:
            return None
        is_same = last is not None and (last[0], last[1]) == (clock, clock.source)
        if last is not None and is_same and (clock.source == "arrival" or at_s - last[2] < CLOCK_LINE_S):
            return None
        self._clock_line = (clock, clock.source, at_s)
        return ClockMapping(
            seat=seat,
            kind=kind,
            ssrc=self.intake.ssrc,
            ticks=clock.last_ticks,
            clock_hz=clock.clock_hz,
            at=utc(clock.wall_s(clock.last_ticks)),
            source=clock.source,
            sender_offset_s=clock.sender_offset_s,
        )

    def track_line(self, seat: str, number: int, kind: Kind, frame: Frame, clock: StreamClock) -> TrackBegan:
        """Return where the first frame of a segment stands."""
        return TrackBegan(
            seat=seat,
            number=number,
            kind=kind,
            ssrc=self.intake.ssrc or 0,
            ticks=frame.ticks,
            clock_hz=clock.clock_hz,
            at=utc(clock.wall_s(frame.ticks)),
        )
