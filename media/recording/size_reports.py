"""What is reported of a camera that changes its picture's size: all of it to the sidecar, some of it to people."""

from collections.abc import Callable
from typing import Final

from media.recording.entries import ResolutionChanged

REPORT_EVERY_S: Final = 10.0
"""A camera that changes more often is reported this often, with what its size is by then."""


class SizeReports:
    """Writes every change down, and reports the newest one when it is due. Time is given."""

    def __init__(self, write: Callable[[ResolutionChanged], None], report: Callable[[ResolutionChanged], None]) -> None:
        self._write = write
        self._report = report
        self._unreported: ResolutionChanged | None = None
        self._reported_s = float("-inf")

    def add(self, change: ResolutionChanged, at_s: float) -> None:
        self._write(change)
        self._unreported = change
        self.poll(at_s)

    def poll(self, at_s: float, *, is_last: bool = False) -> None:
        """Report what is due at `at_s`, or whatever is left when nothing follows."""
        change = self._unreported
        if change is not None and (is_last or at_s - self._reported_s >= REPORT_EVERY_S):
            self._reported_s, self._unreported = at_s, None
            self._report(change)
