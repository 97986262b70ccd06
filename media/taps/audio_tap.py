"""The sound of one stream as 16 kHz mono PCM, for whoever listens to it."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Final

from media.taps.input_socket import Address
from media.taps.tap_process import TapProcess
from media.taps.worker_messages import PcmChunk

MAX_QUEUED_CHUNKS: Final = 600
"""A minute. A reader further behind loses the oldest; the times of the chunks show it."""


class AudioTap:
    """Decodes in a process of its own. Chunks follow each other without holes while the worker lives.

    What did not come is silence marked `is_filled`. Use `async with`, or `start` and `aclose`.
    """

    def __init__(self, *, on_interrupted: Callable[[int], None] | None = None) -> None:
        self.process = TapProcess("media.taps.audio_worker", {}, on_item=self._on_item, on_interrupted=on_interrupted)
        self._queue: deque[PcmChunk] = deque(maxlen=MAX_QUEUED_CHUNKS)
        self._has_some = asyncio.Event()
        self.dropped = 0

    async def __aenter__(self) -> "AudioTap":
        await self.start()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.aclose()

    async def start(self) -> Address:
        """Return the address the relay has to send the stream to. Raises TapDownError."""
        return await self.process.start()

    async def aclose(self) -> None:
        """Safe to call twice."""
        await self.process.aclose()

    async def chunks(self) -> AsyncIterator[PcmChunk]:
        """All chunks, in order. One consumer."""
        while True:
            await self._has_some.wait()
            self._has_some.clear()
            while self._queue:
                yield self._queue.popleft()

    def _on_item(self, item: object) -> None:
        if isinstance(item, PcmChunk):
            self.dropped += len(self._queue) == MAX_QUEUED_CHUNKS
            self._queue.append(item)
            self._has_some.set()
