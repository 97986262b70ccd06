"""A relay without sockets: it keeps the same books as the real one, so services can be tested against it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from media.engine import (
    BadSdpError,
    ConnectionName,
    EngineEvent,
    HealthChanged,
    IngestAnswer,
    OfferMade,
    PeerNotConnectedError,
    PeerState,
    PeerStateChanged,
    PeerStats,
    RoomLost,
    RoomNotOpenError,
    RoomStats,
    SlotsChanged,
    StaleNegotiationError,
    TapAddress,
)
from media.plan import Kind, Plan
from media.quality import Health
from media.sfu.ingest_sdp import read_ingest_offer
from media.sfu.tap import check_address

FAKE_ANSWER = "v=0\r\na=fake-answer\r\n"


@dataclass
class FakePeer:
    epoch: int
    sends: bool
    slots: int
    is_ingest: bool = False
    open_negotiations: dict[ConnectionName, int | None] = field(default_factory=dict)
    told_slots: tuple[tuple[str, str, Kind], ...] = ()


@dataclass
class FakeRoom:
    plan: Plan = field(default_factory=Plan)
    peers: dict[str, FakePeer] = field(default_factory=dict)
    keyframes_wanted: list[str] = field(default_factory=list)
    taps: set[tuple[str, Kind, TapAddress]] = field(default_factory=set)


class FakeMediaEngine:
    """Offers, answers, slots and losses as the real relay reports them; no packet ever flows."""

    def __init__(self) -> None:
        self.rooms: dict[str, FakeRoom] = {}
        self._last_epoch = 0
        self._events: asyncio.Queue[EngineEvent] = asyncio.Queue()

    def warm_up(self) -> None:
        pass

    async def open_room(self, room: str) -> None:
        self.rooms.setdefault(room, FakeRoom())

    async def close_room(self, room: str) -> None:
        self.rooms.pop(room, None)

    async def open_peer(self, room: str, peer: str, *, sends: bool, slots: int) -> int:
        found = self._room(room)
        self._last_epoch = epoch = self._last_epoch + 1
        opened = FakePeer(epoch, sends, slots)
        found.peers[peer] = opened
        names: tuple[ConnectionName, ...] = ("uplink", "downlink") if sends else ("downlink",)
        for name in names:
            opened.open_negotiations[name] = 1
            sdp = f"v=0\r\na=fake-offer:{name}\r\n"
            self._events.put_nowait(
                OfferMade(room=room, peer=peer, epoch=epoch, connection=name, negotiation=1, sdp=sdp)
            )
        self._tell_slots(room)
        return epoch

    def check_offer(self, offer_sdp: str) -> None:
        read_ingest_offer(offer_sdp)

    async def ingest(self, room: str, peer: str, offer_sdp: str) -> IngestAnswer:
        found = self._room(room)
        read_ingest_offer(offer_sdp)
        self._last_epoch = epoch = self._last_epoch + 1
        found.peers[peer] = FakePeer(epoch, sends=True, slots=0, is_ingest=True)
        self._events.put_nowait(
            PeerStateChanged(room=room, peer=peer, epoch=epoch, connection="uplink", state=PeerState.CONNECTED)
        )
        return IngestAnswer(epoch=epoch, sdp=FAKE_ANSWER)

    def fail(self, room: str, peer: str) -> None:
        """The uplink of `peer` breaks, or falls silent."""
        epoch = self._peer(room, peer).epoch
        self._events.put_nowait(
            PeerStateChanged(room=room, peer=peer, epoch=epoch, connection="uplink", state=PeerState.FAILED)
        )

    async def answer(
        self, room: str, peer: str, connection: ConnectionName, epoch: int, negotiation: int, sdp: str
    ) -> None:
        found = self._peer(room, peer)
        if epoch == found.epoch and connection not in found.open_negotiations and not found.is_ingest:
            raise PeerNotConnectedError(f"{peer} has no {connection}")
        if epoch != found.epoch or found.open_negotiations.get(connection) != negotiation:
            raise StaleNegotiationError(f"negotiation {negotiation} is not the one that is open")
        if not sdp.startswith("v=0"):
            raise BadSdpError("the answer does not begin with v=0")
        found.open_negotiations[connection] = None
        self._events.put_nowait(
            PeerStateChanged(room=room, peer=peer, epoch=epoch, connection=connection, state=PeerState.CONNECTED)
        )

    async def add_candidate(self, room: str, peer: str, connection: ConnectionName, epoch: int, candidate: str) -> None:
        self._peer(room, peer)

    async def close_peer(self, room: str, peer: str) -> None:
        if room in self.rooms:
            self.rooms[room].peers.pop(peer, None)

    async def apply(self, room: str, plan: Plan) -> None:
        self._room(room).plan = plan
        self._tell_slots(room)

    async def request_keyframe(self, room: str, source: str) -> None:
        self._room(room).keyframes_wanted.append(source)

    async def tap(self, room: str, source: str, kind: Kind, address: TapAddress) -> None:
        found = self._room(room)
        check_address(address)
        found.taps.add((source, kind, address))

    async def untap(self, room: str, source: str, kind: Kind, address: TapAddress) -> None:
        if room in self.rooms:
            self.rooms[room].taps.discard((source, kind, address))

    async def stats(self, room: str) -> RoomStats:
        peers = {name: PeerStats(received={}, sent={}, rtp_packets_sent=0) for name in self._room(room).peers}
        return RoomStats(peers=peers, dropped_datagrams={})

    async def events(self) -> AsyncIterator[EngineEvent]:
        while True:
            yield await self._events.get()

    async def aclose(self) -> None:
        self.rooms.clear()

    def kill(self, room: str) -> None:
        """The process that carries `room` dies."""
        del self.rooms[room]
        self._events.put_nowait(RoomLost(room=room, cause="signal 9"))

    def tell_health(
        self,
        room: str,
        peer: str,
        *,
        uplink: Health | None = None,
        downlink: Health | None = None,
        is_video_paused: bool = False,
    ) -> None:
        """The connections of `peer` have become better or worse."""
        self._events.put_nowait(
            HealthChanged(
                room=room,
                peer=peer,
                epoch=self._peer(room, peer).epoch,
                uplink=uplink,
                downlink=downlink,
                is_video_paused=is_video_paused,
            )
        )

    def _room(self, room: str) -> FakeRoom:
        try:
            return self.rooms[room]
        except KeyError:
            raise RoomNotOpenError(room) from None

    def _peer(self, room: str, peer: str) -> FakePeer:
        try:
            return self._room(room).peers[peer]
        except KeyError:
            raise PeerNotConnectedError(peer) from None

    def _tell_slots(self, room: str) -> None:
        found = self.rooms[room]
        for name, peer in found.peers.items():
            if peer.is_ingest:
                continue
            edges = sorted(edge for edge in found.plan.edges if edge.receiver == name)
            sources = sorted({edge.source for edge in edges})
            slots = tuple((f"{edge.kind[0]}{sources.index(edge.source):02d}", edge.source, edge.kind) for edge in edges)
            if slots != peer.told_slots:
                peer.told_slots = slots
                self._events.put_nowait(SlotsChanged(room=room, peer=name, epoch=peer.epoch, slots=slots))
