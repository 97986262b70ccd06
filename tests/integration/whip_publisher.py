"""A publisher that is no part of the project: FFmpeg's own WHIP muxer, with a moving picture and a tone."""

import asyncio
import contextlib
import signal
from types import TracebackType
from typing import Self

import imageio_ffmpeg

SIZE = (336, 192)  # unlike every other picture of a test
# H264 baseline without reordering, a key frame every second, as FFmpeg's muxer asks for; it does not carry VP8.
_PICTURE = (
    "-c:v", "libx264", "-profile:v", "baseline", "-pix_fmt", "yuv420p", "-preset", "ultrafast", "-g", "15", "-bf", "0",
)  # fmt: skip
_SOUND = ("-c:a", "libopus", "-ac", "2", "-ar", "48000", "-b:a", "32k")


class WhipPublisher:
    """Publishes to `url` with the token of a personal link until it is stopped. `options` go before `-f whip`."""

    def __init__(self, url: str, token: str, *options: str) -> None:
        self._arguments = (
            "-hide_banner", "-loglevel", "info", "-nostdin",
            "-re", "-f", "lavfi", "-i", f"testsrc=s={SIZE[0]}x{SIZE[1]}:r=15",
            "-re", "-f", "lavfi", "-i", "sine=f=440:r=48000",
            *_PICTURE, *_SOUND, "-handshake_timeout", "30000", *options,
            "-authorization", token, "-f", "whip", url,
        )  # fmt: skip
        self.output = ""

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            imageio_ffmpeg.get_ffmpeg_exe(), *self._arguments, stderr=asyncio.subprocess.PIPE
        )
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        await self._process.wait()
        await self._reader
        if error is not None:
            print(self.output[-3000:])

    @property
    def is_running(self) -> bool:
        return self._process.returncode is None

    async def stop(self) -> int:
        """End as a person ends FFmpeg, which then ends its session; return the exit status."""
        self._process.send_signal(signal.SIGINT)
        return await self.ended()

    async def ended(self) -> int:
        async with asyncio.timeout(40):
            return await self._process.wait()

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def _read(self) -> None:
        assert self._process.stderr is not None, "asked for above"
        while data := await self._process.stderr.read(4096):
            self.output += data.decode(errors="replace")
