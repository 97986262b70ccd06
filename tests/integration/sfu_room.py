"""A real relay with real client peers: offers are answered as they come, and everything that happens is kept."""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

import numpy as np

from media.engine import ConnectionName, EngineEvent, OfferMade, SlotsChanged, StaleNegotiationError
from media.plan import Edge, Kind, Plan
from media.replay.clip import Clip
from media.replay.encode import encode_audio, encode_video
from media.replay.incoming import OnPacket, Reception
from media.replay.peer import ReplayPeer
from media.sfu.client import SfuEngine

ROOM = "court-1"
LOOPBACK = ["127.0.0.1"]
TIMEOUT_S = 45.0

_Event = TypeVar("_Event", bound=EngineEvent)


def make_clip() -> Clip:
    """Four seconds of a moving bar (160x96, 10 fps) and a tone; one key frame, so that others come only on request."""
    pictures = []
    for number in range(40):
        picture = np.full((96, 160, 3), 40, np.uint8)
        picture[:, number * 3 : number * 3 + 30] = (200, 120, 60)
        pictures.append(picture)
    video = encode_video(pictures, width=160, height=96, fps=10, bitrate=120_000, key_every_s=60)
    tone = 0.3 * np.sin(np.arange(4 * 48_000, dtype=np.float32) * 2 * np.pi * 440 / 48_000)
    return Clip(video, encode_audio(tone.astype(np.float32)))


async def until(condition: Callable[[], bool], timeout_s: float = TIMEOUT_S) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 (counters of live peers have no event)
            await asyncio.sleep(0.05)


def plan(*edges: tuple[str, str]) -> Plan:
    """Sound and picture of the first of each pair to the second."""
    return Plan(
        publishers=frozenset((source, kind) for source, _ in edges for kind in Kind),
        edges=frozenset(Edge(source, kind, receiver) for source, receiver in edges for kind in Kind),
    )


class SfuRoom:
    """One open room. `peers` are the clients by name."""

    def __init__(self, engine: SfuEngine) -> None:
        self.engine = engine
        self.peers: dict[str, ReplayPeer] = {}
        self.events: list[EngineEvent] = []
        self.event_times_s: list[float] = []  # time.monotonic() of each event
        self.slots: dict[str, tuple[tuple[str, str, Kind], ...]] = {}
        self.strip_candidates = False
        self._order: defaultdict[tuple[str, ConnectionName], asyncio.Lock] = defaultdict(asyncio.Lock)
        self._answering: set[asyncio.Task[None]] = set()
        self._follower = asyncio.create_task(self._follow())

    async def _follow(self) -> None:
        async for event in self.engine.events():
            self.events.append(event)
            self.event_times_s.append(time.monotonic())
            if isinstance(event, SlotsChanged):
                self.slots[event.peer] = event.slots
            elif isinstance(event, OfferMade):
                task = asyncio.create_task(self._answer(event))
                self._answering.add(task)
                task.add_done_callback(self._answering.discard)

    async def _answer(self, offer: OfferMade) -> None:
        async with self._order[offer.peer, offer.connection]:
            peer = self.peers[offer.peer]
            sdp = await peer.take_offer(offer.connection, offer.sdp)
            if self.strip_candidates:  # as a browser that hides its addresses behind names nobody can look up
                sdp = "\r\n".join(
                    line.replace("127.0.0.1", "4c1e.local") if line.startswith("a=candidate") else line
                    for line in sdp.split("\r\n")
                )
            with suppress(StaleNegotiationError):  # the peer has come anew meanwhile
                await self.engine.answer(offer.room, offer.peer, offer.connection, offer.epoch, offer.negotiation, sdp)

    async def join(
        self,
        name: str,
        clip: Clip | None = None,
        *,
        slots: int = 2,
        room: str = ROOM,
        on_packet: OnPacket | None = None,
    ) -> ReplayPeer:
        """Connect `name`; with `clip` it sends. A second time it reconnects."""
        peer = self.peers.get(name)
        if peer is None:
            peer = self.peers[name] = ReplayPeer(clip, addresses=LOOPBACK, on_packet=on_packet)
        else:
            await peer.restart()
        await self.engine.open_peer(room, name, sends=clip is not None, slots=slots)
        await self.connected(name, "uplink", "downlink") if clip else await self.connected(name, "downlink")
        return peer

    async def connected(self, name: str, *connections: ConnectionName) -> None:
        await until(lambda: all(self.peers[name].state(connection) == "connected" for connection in connections))

    async def until_event(self, kind: type[_Event], condition: Callable[[_Event], bool]) -> _Event:
        def found() -> _Event | None:
            return next((one for one in self.events if isinstance(one, kind) and condition(one)), None)

        await until(lambda: found() is not None)
        event = found()
        assert event is not None
        return event

    def reception(self, receiver: str, source: str, kind: Kind) -> Reception | None:
        """What `receiver` gets in the section that shows `source` now."""
        mid = next((mid for mid, who, what in self.slots.get(receiver, ()) if (who, what) == (source, kind)), None)
        found = self.peers[receiver].receptions(mid=mid) if mid is not None else []
        return found[0] if found else None

    def packets(self, receiver: str, source: str, kind: Kind) -> int:
        found = self.reception(receiver, source, kind)
        return 0 if found is None else found.packets + found.recovered

    async def flowing(self, receiver: str, source: str, *kinds: Kind, more: int = 8) -> None:
        """Wait until `more` packets of each kind have come since now."""
        wanted = {kind: self.packets(receiver, source, kind) + more for kind in kinds or tuple(Kind)}
        await until(lambda: all(self.packets(receiver, source, kind) >= least for kind, least in wanted.items()))

    async def sent_to(self, receiver: str) -> int:
        return (await self.engine.stats(ROOM)).peers[receiver].rtp_packets_sent

    async def dropped(self, reason: str) -> int:
        return (await self.engine.stats(ROOM)).dropped_datagrams.get(reason, 0)

    async def aclose(self) -> None:
        for task in (self._follower, *self._answering):
            task.cancel()
        await asyncio.wait([self._follower, *self._answering])
        for peer in self.peers.values():
            await peer.aclose()
        await self.engine.aclose()


@asynccontextmanager
async def sfu_room(**settings: object) -> AsyncIterator[SfuRoom]:
    engine = SfuEngine(**({"addresses": ("127.0.0.1",)} | settings))  # type: ignore[arg-type]  # the test knows them
    await engine.open_room(ROOM)
    room = SfuRoom(engine)
    try:
        yield room
    finally:
        await room.aclose()
