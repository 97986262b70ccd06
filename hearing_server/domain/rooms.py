"""Where people's sound and pictures flow (location), as opposed to where they belong (seat)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING

from hearing_server.domain.lifecycle import HearingState
from hearing_server.domain.roles import Role
from hearing_server.domain.testimony import TestimonyState

if TYPE_CHECKING:
    from hearing_server.domain.state import Hearing, Person


class Location(StrEnum):
    OUTSIDE = "outside"  # absent, lost or left, or no court is open: no media at all
    COURTROOM = "courtroom"
    WAITING_ROOM = "waiting_room"
    WITNESS_ROOM = "witness_room"  # one isolated room per witness
    GALLERY = "gallery"  # observers: receive only


class StreamKind(StrEnum):
    AUDIO = "audio"
    VIDEO = "video"


_CLOSED_TO_ALL: Mapping[Role, Location] = dict.fromkeys(Role, Location.OUTSIDE)
_COURT_ALONE: Mapping[Role, Location] = {
    Role.PRESIDING_JUDGE: Location.COURTROOM,
    Role.PANEL_JUDGE: Location.COURTROOM,
    Role.CLERK: Location.COURTROOM,
    Role.PARTY: Location.WAITING_ROOM,
    Role.COUNSEL: Location.WAITING_ROOM,
    Role.WITNESS: Location.WITNESS_ROOM,
    Role.OBSERVER: Location.GALLERY,
}
_COURT_SITS: Mapping[Role, Location] = {
    **_COURT_ALONE,
    Role.PARTY: Location.COURTROOM,
    Role.COUNSEL: Location.COURTROOM,
}

LOCATIONS: Mapping[HearingState, Mapping[Role, Location]] = {
    HearingState.SCHEDULED: _CLOSED_TO_ALL,
    HearingState.CHECK_IN: _COURT_ALONE,
    HearingState.IN_SESSION: _COURT_SITS,
    HearingState.RECESS: _COURT_ALONE,
    HearingState.INTERRUPTED: _COURT_ALONE,
    HearingState.CLOSED: _COURT_ALONE,
    HearingState.CANCELLED: _CLOSED_TO_ALL,
}
"""Where somebody present is. One exception: a witness on the stand is in the courtroom while the court sits."""

LIVE_COURTROOM = frozenset({HearingState.CHECK_IN, HearingState.IN_SESSION})
"""States in which people in the courtroom hear and see each other."""


def location(hearing: Hearing, person: Person) -> Location:
    if not person.is_present:
        return Location.OUTSIDE
    if hearing.state is HearingState.IN_SESSION and person.testimony is TestimonyState.TESTIFYING:
        return Location.COURTROOM
    return LOCATIONS[hearing.state][person.role]
