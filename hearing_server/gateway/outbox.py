"""What waits to be sent to one browser: a bounded queue of notices and at most one pending view."""

import asyncio
from collections import deque

from hearing_server.signalling.notices import Notice

MAX_NOTICES = 256


class Outbox:
    """Notices in order; views coalesced. A browser too slow to read `MAX_NOTICES` notices is cut off."""

    def __init__(self, *, view_interval_s: float) -> None:
        self._notices: deque[Notice] = deque()
        self._wake = asyncio.Event()
        self._view_interval_s = view_interval_s
        self._view_wanted = False
        self._last_view_s = float("-inf")
        self.has_overflowed = False

    def put(self, notice: Notice) -> None:
        """Queue `notice`; on overflow everything queued is dropped and `has_overflowed` is set."""
        if len(self._notices) >= MAX_NOTICES:
            self._notices.clear()
            self.has_overflowed = True
        self._notices.append(notice)
        self._wake.set()

    def want_view(self) -> None:
        self._view_wanted = True
        self._wake.set()

    async def next(self) -> Notice | None:
        """Wait for the next thing to send. None: send a fresh view now."""
        loop = asyncio.get_running_loop()
        while True:
            if self._notices:
                return self._notices.popleft()
            delay_s: float | None = None
            if self._view_wanted:
                delay_s = self._last_view_s + self._view_interval_s - loop.time()
                if delay_s <= 0:
                    self._view_wanted = False
                    self._last_view_s = loop.time()
                    return None
            self._wake.clear()
            try:
                async with asyncio.timeout(delay_s):
                    await self._wake.wait()
            except TimeoutError:
                continue
