"""Numbers for operators, in the Prometheus text format. Ids only."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from hearing_server.gateway.websocket import Services
from media.engine import MediaError, RoomStats


class _Snapshot:
    def __init__(self, rooms: dict[str, RoomStats], states: dict[str, str], connected: dict[str, int]) -> None:
        self._rooms, self._states, self._connected = rooms, states, connected

    def collect(self) -> Iterable[Metric]:
        state = GaugeMetricFamily("hearing_state", "1 for the state the hearing is in", labels=["hearing_id", "state"])
        people = GaugeMetricFamily("hearing_connected_seats", "Seats with an open socket", labels=["hearing_id"])
        received = CounterMetricFamily(
            "hearing_relay_received_packets", "RTP packets the relay took from a seat", labels=["hearing_id", "seat_id"]
        )
        sent = CounterMetricFamily(
            "hearing_relay_sent_packets", "RTP packets the relay sent to a seat", labels=["hearing_id", "seat_id"]
        )
        dropped = CounterMetricFamily(
            "hearing_relay_dropped_datagrams", "Datagrams the relay did not take", labels=["hearing_id", "reason"]
        )
        for hearing_id, name in self._states.items():
            state.add_metric([hearing_id, name], 1)
            people.add_metric([hearing_id], self._connected[hearing_id])
        for hearing_id, room in self._rooms.items():
            for seat_id, peer in room.peers.items():
                received.add_metric([hearing_id, seat_id], sum(one.packets for one in peer.received.values()))
                sent.add_metric([hearing_id, seat_id], peer.rtp_packets_sent)
            for reason, count in room.dropped_datagrams.items():
                dropped.add_metric([hearing_id, reason], count)
        return [state, people, received, sent, dropped]


async def metrics_text(services: Services) -> bytes:
    """Return the present numbers of every hearing."""
    rooms: dict[str, RoomStats] = {}
    states: dict[str, str] = {}
    connected: dict[str, int] = {}
    for hearing_id in services.hearings.hearing_ids():
        states[hearing_id] = services.hearings.hearing(hearing_id).state.value
        connected[hearing_id] = len(services.attendance.connected(hearing_id))
        try:
            stats = await services.media.stats(hearing_id)
        except MediaError:
            continue
        if stats is not None:
            rooms[hearing_id] = stats
    registry = CollectorRegistry()
    registry.register(_Snapshot(rooms, states, connected))
    return generate_latest(registry)
