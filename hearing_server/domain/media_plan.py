"""Who hears and sees whom: one pure function of the hearing. Nothing else decides it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import permutations

from hearing_server.domain import talk
from hearing_server.domain.ids import SeatId
from hearing_server.domain.lifecycle import HearingState
from hearing_server.domain.roles import SENDING_ROLES, Role
from hearing_server.domain.rooms import LIVE_COURTROOM, Location, StreamKind, location
from hearing_server.domain.state import Hearing, Person


class Rendition(StrEnum):
    ORIGINAL = "original"
    VEILED = "veiled"  # face masked, voice altered


class TapPurpose(StrEnum):
    RECORDER = "recorder"


@dataclass(frozen=True, slots=True, order=True)
class Edge:
    """The seat `receiver` gets the `kind` stream of the seat `source`."""

    source: SeatId
    kind: StreamKind
    rendition: Rendition
    receiver: SeatId


@dataclass(frozen=True, slots=True, order=True)
class Tap:
    """A part of the service, not a seat, gets the `kind` stream of the seat `source`."""

    source: SeatId
    kind: StreamKind
    rendition: Rendition
    purpose: TapPurpose


@dataclass(frozen=True, slots=True)
class MediaPlan:
    publishers: frozenset[tuple[SeatId, StreamKind]]  # exactly those some edge or tap needs
    edges: frozenset[Edge]
    taps: frozenset[Tap]


CLERK_SEES_WAITING = frozenset(
    {HearingState.CHECK_IN, HearingState.IN_SESSION, HearingState.RECESS, HearingState.INTERRUPTED}
)
WAITING = frozenset({Location.WAITING_ROOM, Location.WITNESS_ROOM})
_BOTH = (StreamKind.AUDIO, StreamKind.VIDEO)


def media_plan(hearing: Hearing) -> MediaPlan:
    edges = frozenset(
        Edge(source.seat_id, kind, Rendition.ORIGINAL, receiver.seat_id)
        for source, kinds, receiver in _connections(hearing)
        for kind in kinds
        if _sends(source, kind)
    )
    taps = frozenset(_recorder_taps(hearing))
    publishers = frozenset((edge.source, edge.kind) for edge in edges) | {(tap.source, tap.kind) for tap in taps}
    return MediaPlan(publishers, edges, taps)


def connected_to(hearing: Hearing, receiver: Person) -> frozenset[SeatId]:
    """Seats `receiver` hears or sees, or would if microphone and camera there were on."""
    return frozenset(
        source.seat_id for source, _, other in _connections(hearing) if other.person_id == receiver.person_id
    )


def in_courtroom(hearing: Hearing) -> tuple[Person, ...]:
    """Those whose sound and pictures flow in the courtroom; a clerk who talks with somebody has stepped out."""
    return tuple(
        person
        for person in hearing.people.values()
        if location(hearing, person) is Location.COURTROOM and not hearing.is_in_talk(person.person_id)
    )


def _sends(person: Person, kind: StreamKind) -> bool:
    if person.role not in SENDING_ROLES:
        return False
    return not person.is_muted if kind is StreamKind.AUDIO else person.is_camera_on


Connection = tuple[Person, Iterable[StreamKind], Person]


def _connections(hearing: Hearing) -> Iterator[Connection]:
    """(source, kinds, receiver), as the rooms alone have it: microphones and cameras only take away."""
    yield from _courtroom(hearing)
    yield from _clerk_sees_waiting(hearing)
    yield from _talks(hearing)


def _courtroom(hearing: Hearing) -> Iterator[Connection]:
    if hearing.state not in LIVE_COURTROOM:
        return
    inside = in_courtroom(hearing)
    for source, receiver in permutations(inside, 2):
        yield source, _BOTH, receiver
    if hearing.state is HearingState.IN_SESSION:
        for observer in hearing.people.values():
            if location(hearing, observer) is Location.GALLERY:
                for source in inside:
                    yield source, _BOTH, observer


def _clerk_sees_waiting(hearing: Hearing) -> Iterator[Connection]:
    if hearing.state not in CLERK_SEES_WAITING:
        return
    waiting = [person for person in hearing.people.values() if location(hearing, person) in WAITING]
    for clerk in hearing.people.values():
        if clerk.role is Role.CLERK and clerk.is_present and not hearing.is_in_talk(clerk.person_id):
            for person in waiting:
                yield person, (StreamKind.VIDEO,), clerk


def _talks(hearing: Hearing) -> Iterator[Connection]:
    for clerk_id, person_id in hearing.talks.items():
        clerk, person = hearing.person(clerk_id), hearing.person(person_id)
        if talk.is_possible(hearing, clerk, person):
            yield clerk, _BOTH, person
            yield person, _BOTH, clerk


def _recorder_taps(hearing: Hearing) -> Iterator[Tap]:
    if hearing.state is not HearingState.IN_SESSION:
        return
    for person in in_courtroom(hearing):
        for kind in _BOTH:
            if _sends(person, kind):
                yield Tap(person.seat_id, kind, Rendition.ORIGINAL, TapPurpose.RECORDER)
