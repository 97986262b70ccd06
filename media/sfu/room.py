"""One courtroom inside the relay process: its peers, and the plan that says who gets whose streams."""

import asyncio
import itertools
import logging
from collections import Counter
from collections.abc import Callable, Sequence

from aiortc import RTCCertificate

from media.engine import (
    ConnectionName,
    EngineEvent,
    HealthChanged,
    PeerNotConnectedError,
    PeerStats,
    RoomStats,
    SlotsChanged,
    StaleNegotiationError,
    StreamStats,
    TapAddress,
)
from media.ice import AddressSettings
from media.plan import Edge, Kind, Plan, difference
from media.quality import Health
from media.sfu.connection import Surroundings
from media.sfu.forward import Forward
from media.sfu.ingest import Ingest, NoDownlink
from media.sfu.ingest_sdp import read_ingest_offer
from media.sfu.peer import Downlink, Peer, Uplink
from media.sfu.source import Source
from media.sfu.stream_path import Tap
from media.sfu.tap import TapSockets

logger = logging.getLogger(__name__)

MEASURE_INTERVAL_S = 0.25  # a verdict must not wait long for its turn: pictures are to be back soon
TURNS_PER_REPORT = 4


class Room:
    """Carries exactly `plan` among its peers. Owns its peers and its two timers."""

    def __init__(
        self,
        name: str,
        *,
        settings: AddressSettings,
        certificate: RTCCertificate,
        emit: Callable[[EngineEvent], None],
    ) -> None:
        self._name = name
        self._emit = emit
        self._loop = asyncio.get_running_loop()
        self._dropped: Counter[str] = Counter()
        self._around = Surroundings(settings, certificate, self._dropped, emit, self._loop)
        self._peers: dict[str, Peer] = {}
        self._sent_before: Counter[str] = Counter()  # packets sent to a peer by its earlier connections
        self._plan = Plan()
        self._tap_sockets = TapSockets(lambda reason: self._dropped.update((reason,)))
        self._taps: dict[tuple[str, Kind], dict[TapAddress, Tap]] = {}
        self._task = asyncio.create_task(self._keep_time(), name=f"reports {name}")

    async def ingest(self, name: str, epoch: int, offer_sdp: str) -> str:
        """Receive from a publisher that makes the offer; return the answer. Raises BadSdpError, OSError."""
        offer = read_ingest_offer(offer_sdp)
        await self.close_peer(name)
        uplink = Ingest(self._around, self._name, name, epoch, self._connect_streams, offer)
        self._peers[name] = Peer(epoch, uplink, NoDownlink(self._around, self._name, name, epoch))
        try:
            await uplink.open()
        except OSError:
            await self.close_peer(name)
            raise
        return uplink.written_answer()

    async def open_peer(self, name: str, epoch: int, *, sends: bool, slots: int) -> None:
        await self.close_peer(name)
        uplink = Uplink(self._around, self._name, name, epoch, self._connect_streams) if sends else None
        peer = Peer(epoch, uplink, Downlink(self._around, self._name, name, epoch, slots))
        self._peers[name] = peer
        try:
            for connection in peer.connections():
                await connection.open()
        except OSError:
            await self.close_peer(name)
            raise
        self._connect_streams()

    async def close_peer(self, name: str) -> None:
        peer = self._peers.pop(name, None)
        if peer is None:
            return
        for source, kind in list(peer.downlink.forwards):
            peer.downlink.disconnect(source, kind)
        self._sent_before[name] += peer.downlink.transport.sent_packets
        for other in self._peers.values():
            for kind in Kind:
                other.downlink.disconnect(name, kind)
        await peer.aclose()

    async def answer(self, name: str, connection: ConnectionName, epoch: int, negotiation: int, sdp: str) -> None:
        """Raises PeerNotConnectedError, StaleNegotiationError, BadSdpError."""
        self._connection(name, connection, epoch).answer(negotiation, sdp)

    async def add_candidate(self, name: str, connection: ConnectionName, epoch: int, candidate: str) -> None:
        peer = self._peers.get(name)
        if peer is None:
            raise PeerNotConnectedError(name)
        if epoch == peer.epoch:
            await self._connection(name, connection, epoch).add_candidate(candidate)

    def apply(self, plan: Plan) -> None:
        """Carry exactly `plan` from this instant on: no await between the first removal and the last."""
        change = difference(self._plan, plan)
        self._plan = plan
        for edge in change.removed_edges:
            if (peer := self._peers.get(edge.receiver)) is not None:
                peer.downlink.disconnect(edge.source, edge.kind)
        for name, kind in change.removed_publishers:
            if (source := self._source(name, kind)) is not None:
                source.publish(False)
        self._connect_streams()

    def request_keyframe(self, name: str) -> None:
        if (source := self._source(name, Kind.VIDEO)) is not None:
            source.want_key_frame()

    def tap(self, name: str, kind: Kind, address: TapAddress) -> None:
        """Raises BadTapAddressError."""
        taps = self._taps.setdefault((name, kind), {})
        if address in taps:
            return
        taps[address] = self._tap_sockets.sender(address)
        if (source := self._source(name, kind)) is not None:
            source.add_tap(taps[address])

    def untap(self, name: str, kind: Kind, address: TapAddress) -> None:
        tap = self._taps.get((name, kind), {}).pop(address, None)
        source = self._source(name, kind)
        if tap is not None and source is not None:
            source.remove_tap(tap)

    def stats(self) -> RoomStats:
        return RoomStats(
            peers={name: self._peer_stats(name, peer) for name, peer in self._peers.items()},
            dropped_datagrams=dict(self._dropped),
        )

    async def aclose(self) -> None:
        """Disconnect everybody. Safe to call twice."""
        self._task.cancel()
        await asyncio.wait([self._task])
        for name in list(self._peers):
            await self.close_peer(name)
        self._taps.clear()
        self._tap_sockets.close()

    def _connection(self, name: str, connection: ConnectionName, epoch: int) -> Uplink | Downlink:
        peer = self._peers.get(name)
        if peer is None:
            raise PeerNotConnectedError(name)
        if epoch != peer.epoch:
            raise StaleNegotiationError(f"epoch {epoch} is not the present one")
        found = peer.uplink if connection == "uplink" else peer.downlink
        if found is None:
            raise PeerNotConnectedError(f"{name} has no {connection}")
        return found

    def _source(self, name: str, kind: Kind) -> Source | None:
        peer = self._peers.get(name)
        return None if peer is None or peer.uplink is None else peer.uplink.sources.get(kind)

    def _publish(self, name: str, source: Source) -> None:
        source.publish((name, source.kind) in self._plan.publishers)
        for tap in self._taps.get((name, source.kind), {}).values():
            if tap not in source.taps:
                source.add_tap(tap)

    def _connect_streams(self) -> None:
        """Bring slots and forwards in line with the plan, for whoever is connected now."""
        for name, peer in self._peers.items():
            if peer.uplink is not None:
                for source in peer.uplink.sources.values():
                    self._publish(name, source)
        for name, peer in self._peers.items():
            edges = [edge for edge in self._plan.edges if edge.receiver == name]
            self._connect_receiver(name, peer.downlink, edges)

    def _connect_receiver(self, name: str, downlink: Downlink, edges: Sequence[Edge]) -> None:
        wanted = {(edge.source, edge.kind): self._source(edge.source, edge.kind) for edge in edges}
        for key, forward in list(downlink.forwards.items()):
            if wanted.get(key) is not forward.source:
                downlink.disconnect(*key)
        kinds: dict[str, list[Kind]] = {}
        for edge in sorted(edges):
            kinds.setdefault(edge.source, []).append(edge.kind)
        downlink.seat(set(kinds))
        slots = downlink.slots(lambda source: kinds[source])
        if slots != downlink.told_slots:
            downlink.told_slots = slots
            self._emit(SlotsChanged(room=self._name, peer=name, epoch=self._peers[name].epoch, slots=slots))
        for (source_name, kind), source in wanted.items():
            if source is not None and (source_name, kind) not in downlink.forwards:
                downlink.connect(source_name, source)

    def _peer_stats(self, name: str, peer: Peer) -> PeerStats:
        at_s = self._loop.time()
        sent: dict[str, dict[Kind, StreamStats]] = {}
        for (source, kind), forward in peer.downlink.forwards.items():
            forward.settle()
            sent.setdefault(source, {})[kind] = _forward_stats(forward, at_s)
        sources = {} if peer.uplink is None else peer.uplink.sources
        return PeerStats(
            received={kind: _source_stats(source, at_s) for kind, source in sources.items()},
            sent=sent,
            rtp_packets_sent=self._sent_before[name] + peer.downlink.transport.sent_packets,
        )

    async def _keep_time(self) -> None:
        for turn in itertools.count(1):
            await asyncio.sleep(MEASURE_INTERVAL_S)
            at_s = self._loop.time()
            for name, peer in list(self._peers.items()):
                try:
                    if turn % TURNS_PER_REPORT == 0:
                        self._report(peer, at_s)
                    self._measure(name, peer, at_s)
                except Exception:
                    logger.exception("the reports of a peer failed")  # the other peers still get theirs

    def _report(self, peer: Peer, at_s: float) -> None:
        if peer.uplink is not None:
            peer.uplink.report(at_s)
        for connection in peer.connections():
            connection.watch(at_s)

    def _measure(self, name: str, peer: Peer, at_s: float) -> None:
        peer.downlink.measure(at_s)
        told = peer.told_health
        health = self._health(name, peer)
        if told is None or _verdict(health) != _verdict(told):
            peer.told_health = health
            if told is not None or _verdict(health) != _UNKNOWN:
                self._emit(health)

    def _health(self, name: str, peer: Peer) -> HealthChanged:
        up, down = None if peer.uplink is None else peer.uplink.quality, peer.downlink.quality
        return HealthChanged(
            room=self._name,
            peer=name,
            epoch=peer.epoch,
            uplink=None if up is None else up.health,
            downlink=down.health,
            is_video_paused=down.is_video_paused,
            uplink_loss_ratio=None if up is None else up.loss_ratio,
            downlink_loss_ratio=down.loss_ratio,
            uplink_cap_bps=None if up is None else up.cap_bps,
        )


_Verdict = tuple[Health | None, Health | None, bool]
_UNKNOWN: _Verdict = (None, None, False)


def _verdict(health: HealthChanged) -> _Verdict:
    """What makes a change worth telling."""
    return health.uplink, health.downlink, health.is_video_paused


def _age(last_at_s: float | None, at_s: float) -> float | None:
    return None if last_at_s is None else at_s - last_at_s


def _source_stats(source: Source, at_s: float) -> StreamStats:
    return StreamStats(
        packets=source.path.flow.packets,
        bytes=source.path.flow.bytes,
        last_packet_age_s=_age(source.last_at_s, at_s),
        loss_ratio=source.reception.fraction_lost,
        jitter_ms=source.reception.jitter_ms,
    )


def _forward_stats(forward: Forward, at_s: float) -> StreamStats:
    return StreamStats(
        packets=forward.packets,
        bytes=forward.bytes,
        last_packet_age_s=_age(forward.last_at_s, at_s),
        loss_ratio=forward.loss_ratio,
        rtt_ms=forward.rtt_ms,
        jitter_ms=forward.jitter_ms,
    )
