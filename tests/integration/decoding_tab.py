"""A browser tab that only watches, and decodes: aiortc's own peer connection, which takes H264 too."""

import asyncio
from types import TracebackType
from typing import Any, Self

import aioice.ice
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack

from tests.integration.wire_client import WireClient


class DecodingTab:
    """Answers the offers of the downlink. `pictures` are the sizes of all pictures decoded so far.

    Let one person only send pictures: of the video sections of a bundle aiortc connects the first, and puts packets of
    the others into the same jitter buffer, where two streams push each other out.
    """

    def __init__(self, client: WireClient, patch: pytest.MonkeyPatch) -> None:
        # Stock ICE gathers no loopback address, and the relay of a test has no other.
        patch.setattr(aioice.ice, "get_host_addresses", lambda use_ipv4, use_ipv6: ["127.0.0.1"])
        self.client = client
        self.pictures: list[tuple[int, int]] = []
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._connection.on("track", self._on_track)
        self._readers: list[asyncio.Task[None]] = []
        self._answered = 0

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._follow())
        answer = await self.client.ask("open_media")
        assert answer["type"] == "ok", answer
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        tasks = [self._task, *self._readers]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await self._connection.close()

    def _on_track(self, track: MediaStreamTrack) -> None:
        self._readers.append(asyncio.create_task(self._read(track)))

    async def _read(self, track: MediaStreamTrack) -> None:
        while True:
            try:
                frame: Any = await track.recv()
            except MediaStreamError:
                return
            if track.kind == "video":
                self.pictures.append((frame.width, frame.height))

    async def _follow(self) -> None:
        while True:
            await self.client.until(lambda: len(self.client.notices) > self._answered, timeout_s=600)
            notice = self.client.notices[self._answered]
            self._answered += 1
            if notice["type"] == "offer" and notice["connection"] == "downlink":
                await self._take(notice)

    async def _take(self, offer: dict[str, Any]) -> None:
        await self._connection.setRemoteDescription(RTCSessionDescription(offer["sdp"], "offer"))
        await self._connection.setLocalDescription(await self._connection.createAnswer())
        names = ("connection", "epoch", "negotiation")
        answer = {name: offer[name] for name in names}
        told = await self.client.ask("answer", sdp=self._connection.localDescription.sdp, **answer)
        assert told["type"] == "ok", told
