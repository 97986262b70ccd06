"""A hearing in session needs somebody who directs it: without them it is interrupted."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from hearing_server.domain.attendance import LostCause, Presence
from hearing_server.domain.events import Deadline, Event
from hearing_server.domain.lifecycle import HearingInterrupted, HearingState, InterruptionCause
from hearing_server.domain.roles import directs_hearing

if TYPE_CHECKING:
    from hearing_server.domain.state import Hearing


def deadlines(hearing: Hearing) -> Iterator[Deadline]:
    """A hearing in session whose directors are all disconnected is interrupted when the last grace period ends."""
    if hearing.state is not HearingState.IN_SESSION:
        return
    ends: list[datetime] = []
    for person in hearing.people.values():
        if not directs_hearing(person.role):
            continue
        if person.presence is Presence.PRESENT:
            return
        if person.presence is Presence.LOST and person.presence_since is not None:
            is_restart = person.lost_cause is LostCause.SERVER_RESTART
            settings = hearing.settings
            grace_s = settings.restart_grace_s if is_restart else settings.direction_lost_grace_s
            ends.append(person.presence_since + timedelta(seconds=grace_s))
    if ends:
        yield Deadline(at=max(ends), events=(HearingInterrupted(cause=InterruptionCause.DIRECTION_LOST),))


def consequences(hearing: Hearing) -> tuple[Event, ...]:
    """A hearing in session that everybody who directs it has left is interrupted at once."""
    if hearing.state is not HearingState.IN_SESSION:
        return ()
    directors = [person for person in hearing.people.values() if directs_hearing(person.role)]
    if any(person.presence in {Presence.PRESENT, Presence.LOST} for person in directors):
        return ()
    return (HearingInterrupted(cause=InterruptionCause.DIRECTION_LEFT),)
