"""One timer for everything that replay peers of a process send."""

import asyncio
import heapq
import itertools
import logging
import time
from collections.abc import Callable
from typing import ClassVar, Final
from weakref import WeakKeyDictionary

logger = logging.getLogger(__name__)

Tick = Callable[[float], float | None]
"""Called with time.monotonic(); returns when it wants to be called next, or None for never again."""

_TOGETHER_S: Final = 0.001
"""What is due within a millisecond is done at once, so hundreds of peers wake the loop 1000 times a second at most."""


class Pacer:
    """Calls each `Tick` when it is due. Fifty peers share one, so that the loop wakes up once for all that are due."""

    _of_loop: ClassVar["WeakKeyDictionary[asyncio.AbstractEventLoop, Pacer]"] = WeakKeyDictionary()

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._due: list[tuple[float, int, Tick]] = []
        self._order = itertools.count()
        self._timer: asyncio.TimerHandle | None = None
        self._removed: set[Tick] = set()

    @classmethod
    def shared(cls) -> "Pacer":
        """Return the pacer of the running loop."""
        loop = asyncio.get_running_loop()
        if loop not in cls._of_loop:
            cls._of_loop[loop] = cls(loop)
        return cls._of_loop[loop]

    def add(self, tick: Tick, at_s: float) -> None:
        """Call `tick` at the monotonic time `at_s`, and again as it asks."""
        self._removed.discard(tick)
        heapq.heappush(self._due, (at_s, next(self._order), tick))
        self._arm()

    def remove(self, tick: Tick) -> None:
        """Never call `tick` again. Removing what is not there changes nothing."""
        self._due = [entry for entry in self._due if entry[2] != tick]
        heapq.heapify(self._due)
        self._removed.add(tick)
        self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._due:
            # uvloop's own clock is cached per round and whole milliseconds: count from the present instead.
            self._timer = self._loop.call_later(max(0.0, self._due[0][0] - time.monotonic()), self._run)

    def _run(self) -> None:
        self._removed.clear()
        now = time.monotonic()
        while self._due and self._due[0][0] <= now + _TOGETHER_S:
            _, _, tick = heapq.heappop(self._due)
            try:
                again = tick(now)
            except Exception:
                logger.exception("a replay peer stopped sending")
                continue
            if again is not None and tick not in self._removed:
                heapq.heappush(self._due, (max(again, now), next(self._order), tick))
            if again is not None and again <= now:
                break  # let the loop read sockets before the next round
        self._arm()
