"""What is missing from one seat's record, and why. At most one gap of a kind is open at a time."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from media.plan import Kind
from media.recording.entries import GapCause, GapClosed, GapOpened, utc

REPORTED_LOSS_S: Final = 0.5
"""Shorter losses are lines of the sidecar only; everything else is reported at once."""

LOSS_ENDS_AFTER_S: Final = 1.0
"""Sound that loses packets again within this time is one gap, so that a bad line does not write a line a packet."""

Take = Callable[[GapOpened | GapClosed], None]


@dataclass(slots=True)
class _OpenGap:
    opened: GapOpened
    opened_s: float
    packets: int | None = None
    recovered_s: float | None = None


class GapBook:
    """Opens and closes gaps and numbers them from `next_gap`. Time is given, in Unix seconds of the room's clock.

    Every gap is written; one that matters to people is reported, too.
    """

    def __init__(self, seat: str, *, write: Take, report: Take, next_gap: int = 1) -> None:
        self._seat = seat
        self._write = write
        self._report = report
        self._next = next_gap
        self._open: dict[Kind, _OpenGap] = {}

    def cause(self, kind: Kind) -> GapCause | None:
        """Return why `kind` is missing now, None when it is not."""
        gap = self._open.get(kind)
        return gap.opened.cause if gap else None

    def open(self, kind: Kind, cause: GapCause, at_s: float, reason: str = "") -> None:
        """Begin a gap. One of another cause ends there; one of the same cause goes on."""
        if self.cause(kind) is cause:
            return
        self.close(kind, at_s)
        opened = GapOpened(seat=self._seat, gap=self._next, kind=kind, cause=cause, at=utc(at_s), reason=reason)
        self._next += 1
        self._open[kind] = _OpenGap(opened, at_s)
        self._write(opened)
        if cause is not GapCause.LOSS:
            self._report(opened)

    def lose(self, kind: Kind, packets: int | None, at_s: float) -> None:
        """Packets never came: begin a gap at `at_s`, or count them into the one that is open."""
        gap = self._open.get(kind)
        if gap is None:
            self.open(kind, GapCause.LOSS, at_s)
            gap = self._open[kind]
        if gap.opened.cause is GapCause.LOSS:
            gap.recovered_s = None
            gap.packets = (gap.packets or 0) + packets if packets is not None else gap.packets

    def arrived(self, kind: Kind, at_s: float) -> None:
        """A usable frame of `at_s` came: what was missing is over. Sound has to stay whole for a while."""
        gap = self._open.get(kind)
        if gap is None:
            return
        if gap.recovered_s is None:
            gap.recovered_s = at_s
        if not (gap.opened.cause is GapCause.LOSS and kind is Kind.AUDIO):
            self.close(kind, at_s)
        elif at_s - gap.recovered_s >= LOSS_ENDS_AFTER_S:
            self.close(kind, gap.recovered_s)

    def close(self, kind: Kind, at_s: float) -> None:
        """End the gap of `kind`, if there is one, at `at_s` or where it recovered before that."""
        gap = self._open.pop(kind, None)
        if gap is None:
            return
        opened = gap.opened
        end_s = max(gap.opened_s, min(at_s, gap.recovered_s) if gap.recovered_s is not None else at_s)
        closed = GapClosed(
            seat=self._seat,
            gap=opened.gap,
            kind=opened.kind,
            cause=opened.cause,
            opened_at=opened.at,
            at=utc(end_s),
            packets=gap.packets,
        )
        self._write(closed)
        if opened.cause is not GapCause.LOSS:
            self._report(closed)
        elif end_s - gap.opened_s >= REPORTED_LOSS_S:
            self._report(opened)
            self._report(closed)

    def note(self, kind: Kind, cause: GapCause, from_s: float, to_s: float) -> None:
        """Write down a gap that is already over."""
        opened = GapOpened(seat=self._seat, gap=self._next, kind=kind, cause=cause, at=utc(from_s))
        self._next += 1
        closed = GapClosed(
            seat=self._seat, gap=opened.gap, kind=kind, cause=cause, opened_at=opened.at, at=utc(max(from_s, to_s))
        )
        for entry in (opened, closed):
            self._write(entry)
            self._report(entry)
