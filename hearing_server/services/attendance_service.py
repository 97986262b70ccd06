"""Which seat is connected now. Entering, losing and replacing a connection become commands to the hearing."""

import asyncio
import logging
from typing import Protocol

from hearing_server.domain.attendance import Enter, LostCause, MarkLost, Presence
from hearing_server.domain.hearing import SYSTEM
from hearing_server.domain.ids import HearingId, PersonId, SeatId
from hearing_server.domain.permissions import ReasonCode
from hearing_server.ports import SeatGrant, StorageError
from hearing_server.services.event_bus import EventBus, HearingChanged
from hearing_server.services.hearing_service import HearingService
from hearing_server.signalling.notices import GoodbyeCode, Notice

logger = logging.getLogger(__name__)

_RETRY_S = 1.0


class SeatConnection(Protocol):
    """The server's end of one browser tab. No method blocks."""

    def send(self, notice: Notice) -> None: ...

    def view_changed(self) -> None:
        """The hearing has changed: send a new view soon."""

    def say_goodbye(self, code: GoodbyeCode) -> None:
        """Tell the browser why, and close."""


class EntryRefusedError(Exception):
    """This seat cannot be entered now. `code` is a ReasonCode."""

    def __init__(self, code: ReasonCode) -> None:
        super().__init__(f"The seat cannot be entered: {code}")
        self.code = code


class AttendanceService:
    """At most one connection a seat: a second one replaces the first, which is told."""

    def __init__(self, *, hearings: HearingService, bus: EventBus) -> None:
        self._hearings = hearings
        self._connections: dict[SeatGrant, SeatConnection] = {}
        self._retries: set[asyncio.Task[None]] = set()
        self._is_closing = False
        bus.subscribe(self._on_change)

    async def mark_everyone_lost(self) -> None:
        """After a restart nobody is connected: whoever the log calls present is lost until they return."""
        for hearing_id in self._hearings.hearing_ids():
            for person in self._hearings.hearing(hearing_id).people.values():
                if person.presence is Presence.PRESENT:
                    grant = SeatGrant(hearing_id=hearing_id, person_id=person.person_id)
                    await self._mark_lost(grant, LostCause.SERVER_RESTART)

    async def attach(self, grant: SeatGrant, connection: SeatConnection) -> None:
        """Give the seat to `connection`. Raises EntryRefusedError, StorageError."""
        refusal = await self._hearings.submit(grant.hearing_id, Enter(person_id=grant.person_id), by=SYSTEM)
        if refusal is not None and refusal.code is not ReasonCode.NO_CHANGE:
            raise EntryRefusedError(refusal.code)
        previous = self._connections.get(grant)
        self._connections[grant] = connection
        if previous is not None:
            previous.say_goodbye("replaced")

    async def detach(self, grant: SeatGrant, connection: SeatConnection) -> None:
        """The connection is gone. A fault unless the person had left: leaving is logged before the socket closes."""
        if self._connections.get(grant) is not connection:
            return
        del self._connections[grant]
        if self._is_closing:
            return
        person = self._hearings.hearing(grant.hearing_id).people[grant.person_id]
        if person.presence is Presence.PRESENT:
            await self._mark_lost(grant, LostCause.NETWORK)

    def connection(self, hearing_id: HearingId, person_id: PersonId) -> SeatConnection | None:
        return self._connections.get(SeatGrant(hearing_id=hearing_id, person_id=person_id))

    def connection_of_seat(self, hearing_id: HearingId, seat_id: SeatId) -> SeatConnection | None:
        for person in self._hearings.hearing(hearing_id).people.values():
            if person.seat_id == seat_id:
                return self.connection(hearing_id, person.person_id)
        return None

    def connected(self, hearing_id: HearingId) -> list[PersonId]:
        return [grant.person_id for grant in self._connections if grant.hearing_id == hearing_id]

    async def aclose(self) -> None:
        """Say goodbye to everybody; the log is left as it is, for the next start. Safe to call twice."""
        self._is_closing = True
        for connection in list(self._connections.values()):
            connection.say_goodbye("shutting_down")
        for task in self._retries:
            task.cancel()
        if self._retries:
            await asyncio.wait(self._retries)

    def _on_change(self, change: HearingChanged) -> None:
        for grant, connection in self._connections.items():
            if grant.hearing_id == change.after.hearing_id:
                connection.view_changed()

    async def _mark_lost(self, grant: SeatGrant, cause: LostCause) -> None:
        try:
            await self._hearings.submit(grant.hearing_id, MarkLost(person_id=grant.person_id, cause=cause), by=SYSTEM)
        except StorageError:
            logger.exception("a lost seat could not be logged; trying again", extra={"person_id": grant.person_id})
            task = asyncio.create_task(self._mark_lost_later(grant, cause), name="mark lost")
            self._retries.add(task)
            task.add_done_callback(self._retries.discard)

    async def _mark_lost_later(self, grant: SeatGrant, cause: LostCause) -> None:
        await asyncio.sleep(_RETRY_S)
        if grant not in self._connections:
            await self._mark_lost(grant, cause)
