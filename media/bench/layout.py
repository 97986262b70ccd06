"""Who takes part in a benchmark, in which room, and who receives whom. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from media.plan import Edge, Kind, Plan

KINDS = (Kind.AUDIO, Kind.VIDEO)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """One peer of the load."""

    peer: str  # unique among all rooms
    room: str
    sends: bool
    sources: tuple[str, ...]  # the peers whose sound and picture it receives


Layout = tuple[Seat, ...]


def forwarding(senders: int, receivers: int) -> Layout:
    """Return one room in which each of `senders` is forwarded to `receivers`.

    With `receivers` = `senders` - 1 everybody sends to everybody else, as in a courtroom; otherwise the receivers are
    others, who only receive.
    """
    if senders < 1 or receivers < 1:
        raise ValueError(f"There must be at least one sender and one receiver, not {senders} and {receivers}.")
    names = tuple(f"s{number}" for number in range(senders))
    room = "room0"
    if receivers == senders - 1:
        return tuple(
            Seat(peer=name, room=room, sends=True, sources=tuple(other for other in names if other != name))
            for name in names
        )
    sending = tuple(Seat(peer=name, room=room, sends=True, sources=()) for name in names)
    return sending + tuple(
        Seat(peer=f"r{number}", room=room, sends=False, sources=names) for number in range(receivers)
    )


def courtrooms(count: int, people: int) -> Layout:
    """Return `count` rooms of `people`, each receiving everybody else of the room."""
    if count < 1 or people < 2:
        raise ValueError(f"There must be at least one hearing of two people, not {count} of {people}.")
    seats: list[Seat] = []
    for room in range(count):
        names = tuple(f"h{room}p{number}" for number in range(people))
        seats += [
            Seat(peer=name, room=f"room{room}", sends=True, sources=tuple(n for n in names if n != name))
            for name in names
        ]
    return tuple(seats)


def rooms(layout: Layout) -> dict[str, Layout]:
    """Return the seats of each room, in order."""
    found: dict[str, tuple[Seat, ...]] = {}
    for seat in layout:
        found[seat.room] = (*found.get(seat.room, ()), seat)
    return found


def plan_of(seats: Iterable[Seat], *, muted: frozenset[str] = frozenset()) -> Plan:
    """Return the media plan of one room's `seats`; the sound of `muted` peers goes nowhere."""
    present = tuple(seats)
    sending = {seat.peer for seat in present if seat.sends}
    return Plan(
        publishers=frozenset((peer, kind) for peer in sending for kind in KINDS),
        edges=frozenset(
            Edge(source, kind, seat.peer)
            for seat in present
            for source in seat.sources
            for kind in KINDS
            if source in sending and not (kind is Kind.AUDIO and source in muted)
        ),
    )


def streams_of(layout: Layout) -> int:
    """Return how many streams of each kind are delivered: one per receiver and source."""
    return sum(len(seat.sources) for seat in layout)
