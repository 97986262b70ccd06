"""Pictures of one stream, one or two a second, for whoever looks at them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from media.taps.input_socket import Address
from media.taps.tap_process import TapProcess
from media.taps.worker_messages import SampledFrame


@dataclass(frozen=True, slots=True)
class TappedPicture:
    """`rgb`: shape (height, width, 3), values 0-255, read-only. `captured_at`: by the room's clock."""

    captured_at: datetime
    rgb: NDArray[np.uint8]


class VideoTap:
    """Decodes in a process of its own. Only the newest picture is kept: a slow reader misses pictures, never lags.

    `fps` 0.1 to 5; pictures wider than `max_width` pixels are scaled down. Use `async with`, or `start` and `aclose`.
    """

    def __init__(
        self,
        *,
        fps: float = 1.0,
        max_width: int = 640,
        on_keyframe_wanted: Callable[[], None] | None = None,
        on_interrupted: Callable[[int], None] | None = None,
    ) -> None:
        if not 0.1 <= fps <= 5.0:
            raise ValueError(f"{fps} pictures a second cannot be sampled; use 0.1 to 5.")
        self.process = TapProcess(
            "media.taps.video_worker",
            {"fps": fps, "max_width": max_width},
            on_item=self._on_item,
            on_keyframe_wanted=on_keyframe_wanted,
            on_interrupted=on_interrupted,
        )
        self._latest: SampledFrame | None = None
        self._has_one = asyncio.Event()
        self.dropped = 0

    async def __aenter__(self) -> "VideoTap":
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

    async def pictures(self) -> AsyncIterator[TappedPicture]:
        """All pictures that were not overtaken by a newer one, in order. One consumer."""
        while True:
            await self._has_one.wait()
            self._has_one.clear()
            frame, self._latest = self._latest, None
            if frame is not None:
                rgb = np.frombuffer(frame.rgb, np.uint8).reshape(frame.height, frame.width, 3)
                yield TappedPicture(datetime.fromtimestamp(frame.captured_s, UTC), rgb)

    def _on_item(self, item: object) -> None:
        if isinstance(item, SampledFrame):
            self.dropped += self._latest is not None
            self._latest = item
            self._has_one.set()
