"""One courtroom inside the relay process: its peers, and the plan that says who gets whose streams."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Sequence

from aiortc import RTCCertificate

from media.engine import (
    ConnectionName,
    EngineEvent,
    PeerNotConnectedError,
    PeerStats,
    RoomStats,
    SlotsChanged,
    StaleNegotiationError,
    StreamStats,
)
from media.ice import AddressSettings
from media.plan import Edge, Kind, Plan, difference
from media.sfu.peer import Downlink, Peer, Surroundings, Uplink
from media.sfu.stream import Forward, Source

logger = logging.getLogger(__name__)

REPORT_INTERVAL_S = 1.0
RETRY_INTERVAL_S = 0.03


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
        self._around = Surroundings(settings, certificate, self._dropped, emit, self._loop.time)
        self._peers: dict[str, Peer] = {}
        self._sent_before: Counter[str] = Counter()  # packets sent to a peer by its earlier connections
        self._plan = Plan()
        self._task = asyncio.create_task(self._keep_time(), name=f"reports {name}")

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
        self._sent_before[name] += peer.downlink.transport.sent_packets
        for source, kind in list(peer.downlink.forwards):
            peer.downlink.disconnect(source, kind)
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
        for name, kind in (*change.removed_publishers, *change.added_publishers):
            source = self._source(name, kind)
            if source is not None:
                self._publish(name, source)
        self._connect_streams()

    def request_keyframe(self, name: str) -> None:
        if (source := self._source(name, Kind.VIDEO)) is not None:
            source.want_key_frame()

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
        source.is_published = (name, source.kind) in self._plan.publishers
        if not source.is_published:
            source.forget()

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
            sent.setdefault(source, {})[kind] = _forward_stats(forward, at_s)
        sources = {} if peer.uplink is None else peer.uplink.sources
        return PeerStats(
            received={kind: _source_stats(source, at_s) for kind, source in sources.items()},
            sent=sent,
            rtp_packets_sent=self._sent_before[name] + peer.downlink.transport.sent_packets,
        )

    async def _keep_time(self) -> None:
        next_report_s = self._loop.time() + REPORT_INTERVAL_S
        while True:
            await asyncio.sleep(RETRY_INTERVAL_S)
            at_s = self._loop.time()
            is_report_due = at_s >= next_report_s
            if is_report_due:
                next_report_s = at_s + REPORT_INTERVAL_S
            for peer in list(self._peers.values()):
                if peer.uplink is not None:
                    peer.uplink.ask_again(at_s)
                    if is_report_due:
                        peer.uplink.report(at_s)
                if is_report_due:
                    for connection in peer.connections():
                        connection.watch(at_s)


def _age(last_at_s: float | None, at_s: float) -> float | None:
    return None if last_at_s is None else at_s - last_at_s


def _source_stats(source: Source, at_s: float) -> StreamStats:
    return StreamStats(
        packets=source.packets,
        bytes=source.bytes,
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
