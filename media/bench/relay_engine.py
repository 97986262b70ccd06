"""The stock MediaRelay as an engine under test, kept from eating the computer's memory."""

import asyncio
import logging
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any, Final

from media.bench.child import Child
from media.bench.engines import for_each
from media.bench.layout import Layout, Seat
from media.bench.processes import footprint

logger = logging.getLogger(__name__)

_MEMORY_LIMIT_MIB: Final = 3000
"""Its queues are unbounded: with more streams than it can encode it grows by hundreds of MiB a second."""


class RelayEngine:
    """One MediaRelay process for all rooms. It is ended when it grows too large; figures are then missing."""

    name = "relay"

    def __init__(self) -> None:
        self._child = Child("media.bench.relay")
        self._watch: asyncio.Task[None] | None = None
        self._peak_mib = 0.0

    async def start(self) -> None:
        await self._child.start()
        self._watch = asyncio.create_task(self._watch_memory(self._child.pid))

    async def _watch_memory(self, pid: int) -> None:
        while True:
            self._peak_mib = max(self._peak_mib, footprint([pid]).rss_mib)
            if self._peak_mib > _MEMORY_LIMIT_MIB:
                logger.warning("MediaRelay took %d MiB and was ended", self._peak_mib)
                await self._child.aclose()
                return
            await asyncio.sleep(0.2)

    async def connect(self, layout: Layout, load: Child) -> None:
        async def uplink(seat: Seat) -> None:
            offer = await self._child.call("offer_uplink", peer=seat.peer)
            await self._answer(seat.peer, "uplink", offer["sdp"], load)

        async def downlink(seat: Seat) -> None:
            offer = await self._child.call("offer_downlink", peer=seat.peer, sources=list(seat.sources))
            await self._answer(seat.peer, "downlink", offer["sdp"], load)

        await for_each([seat for seat in layout if seat.sends], uplink)
        await for_each([seat for seat in layout if seat.sources], downlink)

    async def _answer(self, peer: str, connection: str, offer: str, load: Child) -> None:
        answer = (await load.call("offer", peer=peer, connection=connection, sdp=offer))["sdp"]
        await self._child.call("answer", peer=peer, connection=connection, sdp=answer)
        await load.call("connected", peer=peer, connections=[connection])

    def pids(self) -> Sequence[int]:
        return [self._child.pid]

    def facts(self) -> dict[str, Any]:
        return {"version": f"aiortc {version('aiortc')}", "peak_rss_mib": round(self._peak_mib)}

    async def aclose(self) -> None:
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.cancel()
            await asyncio.wait([watch])
        await self._child.aclose()
