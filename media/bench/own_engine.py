"""Our own media engine under test, through the same door as a hearing uses."""

import asyncio
import logging
import os
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from media.bench.child import Child, ChildError
from media.bench.engines import for_each
from media.bench.layout import Layout, Seat, plan_of, rooms
from media.bench.processes import descendants, has_loaded
from media.engine import ConnectionName, MediaEngine, OfferMade, PeerNotConnectedError, StaleNegotiationError

logger = logging.getLogger(__name__)

MakeEngine = Callable[[Path], MediaEngine]
"""Makes an engine that listens on 127.0.0.1 and keeps its files in the given folder."""

FAST_PATH_LIBRARY: Final = "_fast_path."
"""File name of the compiled fast path, up to its ending. The kernel is asked whether it is used, not the engine."""

_CONNECT_S: Final = 60.0


class OwnEngine:
    """Owns a `MediaEngine` and carries its offers to the load and the answers back."""

    name = "hearing"

    def __init__(self, make: MakeEngine) -> None:
        self._make = make
        self._engine: MediaEngine | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._load: Child | None = None
        self._carrying: asyncio.Task[None] | None = None
        self._answers: set[asyncio.Task[None]] = set()
        self._order: defaultdict[tuple[str, ConnectionName], asyncio.Lock] = defaultdict(asyncio.Lock)
        self._strangers: set[int] = set()

    @property
    def engine(self) -> MediaEngine:
        """The engine itself, for what only some benchmarks do. Raises RuntimeError before `start`."""
        if self._engine is None:
            raise RuntimeError("The engine was not started; call start() first.")
        return self._engine

    async def start(self) -> None:
        self._strangers = descendants(os.getpid())
        self._folder = tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True)
        self._engine = self._make(Path(self._folder.name))

    async def connect(self, layout: Layout, load: Child) -> None:
        self.carry_to(load)
        by_room = rooms(layout)
        for room, seats in by_room.items():
            await self.engine.open_room(room)
            await self.engine.apply(room, plan_of(seats))
        await for_each(layout, self.open)

    def carry_to(self, load: Child) -> None:
        """Begin to carry offers to `load`. It is not part of the engine's cost."""
        self._load = load
        self._strangers.add(load.pid)
        self._carrying = asyncio.create_task(self._carry(self.engine, load))

    async def open(self, seat: Seat) -> None:
        """Connect one peer and wait until it is. Raises TimeoutError, ChildError."""
        if self._load is None:
            raise RuntimeError("No load to connect; call carry_to() first.")
        await self.engine.open_peer(seat.room, seat.peer, sends=seat.sends, slots=max(1, len(seat.sources)))
        names = ["uplink", "downlink"] if seat.sends else ["downlink"]
        await self._load.call("connected", peer=seat.peer, connections=names, timeout_s=_CONNECT_S)

    async def _carry(self, engine: MediaEngine, load: Child) -> None:
        async for event in engine.events():
            if isinstance(event, OfferMade):
                task = asyncio.create_task(self._answer(engine, load, event))
                self._answers.add(task)
                task.add_done_callback(self._answers.discard)

    async def _answer(self, engine: MediaEngine, load: Child, offer: OfferMade) -> None:
        async with self._order[offer.peer, offer.connection]:
            try:
                answer = await load.call("offer", peer=offer.peer, connection=offer.connection, sdp=offer.sdp)
                await engine.answer(
                    offer.room, offer.peer, offer.connection, offer.epoch, offer.negotiation, answer["sdp"]
                )
            except (StaleNegotiationError, PeerNotConnectedError, ChildError):
                # The peer has left or come anew meanwhile. Whoever waits for the connection tells when it never comes.
                logger.debug("an offer was not answered", exc_info=True)

    def pids(self) -> Sequence[int]:
        return sorted(descendants(os.getpid()) - self._strangers)

    def facts(self) -> dict[str, Any]:
        return {
            "version": f"court-hearing {version('court-hearing')}",
            "compiled": any(has_loaded(pid, FAST_PATH_LIBRARY) for pid in self.pids()),
        }

    async def aclose(self) -> None:
        for task in (self._carrying, *self._answers):
            if task is not None:
                task.cancel()
                await asyncio.wait([task])
        self._carrying = None
        if self._engine is not None:
            await self._engine.aclose()
        folder, self._folder = self._folder, None
        if folder is not None:
            folder.cleanup()
