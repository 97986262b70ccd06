"""A browser tab that also sends and receives media: the wire client with a replay peer behind it."""

import asyncio
from types import TracebackType
from typing import Any, Literal, Self, cast

from media.replay.clip import Clip
from media.replay.peer import ReplayPeer
from tests.integration.wire_client import WireClient


class MediaClient:
    """Answers every offer the server makes. `client` is the socket, `peer` the media."""

    def __init__(self, client: WireClient, clip: Clip | None) -> None:
        self.client = client
        self.peer = ReplayPeer(clip, addresses=["127.0.0.1"])
        self.labels: dict[str, tuple[str, str]] = {}  # mid -> (seat_id, kind)
        self.epochs = 0
        self._answered = 0
        self._epoch = 0

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._follow())
        answer = await self.client.ask("open_media")
        assert answer["type"] == "ok", answer
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])
        await self.peer.aclose()

    @property
    def seat_id(self) -> str:
        assert self.client.view is not None
        return cast(str, self.client.view["me"]["seat_id"])

    def received(self, seat_id: str | None = None) -> int:
        """RTP packets received, of one seat or of everybody."""
        mids = {mid for mid, (source, _) in self.labels.items() if source == seat_id}
        return sum(one.packets for one in self.peer.receptions() if seat_id is None or one.mid in mids)

    def key_frames(self) -> int:
        return sum(one.key_frames for one in self.peer.receptions(kind="video"))

    async def _follow(self) -> None:
        while True:
            await self.client.until(lambda: len(self.client.notices) > self._answered, timeout_s=600)
            notice = self.client.notices[self._answered]
            self._answered += 1
            if notice["type"] == "offer":
                await self._take(notice)
            elif notice["type"] == "streams":
                self.labels = {one["mid"]: (one["seat_id"], one["kind"]) for one in notice["streams"]}

    async def _take(self, offer: dict[str, Any]) -> None:
        if offer["epoch"] > self._epoch:
            if self._epoch:
                await self.peer.restart()
            self._epoch = offer["epoch"]
            self.epochs += 1
        connection = cast(Literal["uplink", "downlink"], offer["connection"])
        sdp = await self.peer.take_offer(connection, offer["sdp"])
        names = ("connection", "epoch", "negotiation")
        await self.client.ask("answer", sdp=sdp, **{name: offer[name] for name in names})


async def until_true(condition: Any, timeout_s: float = 30) -> float:
    """Wait for `condition()` and return how long it took, in seconds."""
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - what is waited for is counted by others, who tell nobody
            await asyncio.sleep(0.005)
    return loop.time() - began_s
