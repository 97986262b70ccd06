"""What a hearing's media plan means at the relay, as values: seats are peers. No I/O."""

from collections.abc import Mapping

from hearing_server.domain.hearing import Hearing
from hearing_server.domain.ids import SeatId
from hearing_server.domain.media_plan import MediaPlan, TapPurpose
from hearing_server.domain.roles import SENDING_ROLES
from hearing_server.domain.rooms import StreamKind
from media.engine import TapAddress
from media.plan import Edge, Kind, Plan

Stream = tuple[SeatId, StreamKind]
_MIN_SLOTS = 4


def relay_plan(plan: MediaPlan) -> Plan:
    """Say a hearing's plan in the relay's words."""
    return Plan(
        publishers=frozenset((source, Kind(kind.value)) for source, kind in plan.publishers),
        edges=frozenset(Edge(edge.source, Kind(edge.kind.value), edge.receiver) for edge in plan.edges),
    )


def wanted_taps(plan: MediaPlan, inputs: Mapping[Stream, TapAddress]) -> dict[Stream, TapAddress]:
    """What the plan taps for the recorder, where the recorder has said that it is ready for it."""
    streams = {(tap.source, tap.kind) for tap in plan.taps if tap.purpose is TapPurpose.RECORDER}
    return {stream: address for stream, address in inputs.items() if stream in streams}


def slots(hearing: Hearing) -> int:
    """How many sources a downlink offers at once: everybody who may send, in fours, so that it tells nothing exact."""
    senders = sum(person.role in SENDING_ROLES for person in hearing.people.values())
    return max(_MIN_SLOTS, -(-senders // 4) * 4)
