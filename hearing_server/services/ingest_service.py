"""Publishers that are no browser (WHIP, RFC 9725): a session holds a seat as a tab does, and only sends."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from secrets import token_urlsafe

from hearing_server.domain.attendance import Leave, Presence
from hearing_server.domain.ids import HearingId, PersonId, SeatId
from hearing_server.domain.roles import SENDING_ROLES
from hearing_server.ports import SeatGrant
from hearing_server.services.attendance_service import AttendanceService
from hearing_server.services.entry_service import EntryService
from hearing_server.services.hearing_service import HearingService
from hearing_server.services.media_service import MediaService
from hearing_server.signalling.notices import GoodbyeCode, MediaState, Notice

logger = logging.getLogger(__name__)

MAX_SESSIONS = 32  # of the whole service


class SeatCannotSendError(Exception):
    """The link opens a seat that only watches."""

    code = "seat_cannot_send"


class TooManyIngestsError(Exception):
    """Every session is in use."""

    code = "too_many_ingests"


class UnknownIngestError(Exception):
    """The session has ended, or never was."""

    code = "unknown_ingest"


@dataclass(frozen=True, slots=True)
class OpenedIngest:
    session_id: str  # random; whoever knows it may end the session
    answer_sdp: str


class IngestSession:
    """The server's end of one publisher; a `SeatConnection`. `on_end(self)` is called once, when it has to end."""

    def __init__(
        self,
        grant: SeatGrant,
        seat_id: SeatId,
        is_present: Callable[[], bool],
        on_end: "Callable[[IngestSession], None]",
    ) -> None:
        self.session_id = token_urlsafe(24)
        self.grant, self.seat_id = grant, seat_id
        self.epoch: int | None = None  # of its connection, once there is one
        self.is_ended = False
        self.ending: asyncio.Task[None] | None = None
        self._is_present = is_present
        self._on_end = on_end

    def send(self, notice: Notice) -> None:
        """A publisher can be told nothing; its broken connection ends the session."""
        if isinstance(notice, MediaState) and (
            notice.state == "lost" or (notice.state == "failed" and self.epoch is not None)
        ):
            self.end()

    def view_changed(self) -> None:
        if not self._is_present():
            self.end()

    def say_goodbye(self, code: GoodbyeCode) -> None:
        self.end()

    def end(self) -> None:
        if not self.is_ended:
            self.is_ended = True
            self._on_end(self)


class IngestService:
    """Owns the sessions of all publishers."""

    def __init__(
        self, *, entry: EntryService, hearings: HearingService, attendance: AttendanceService, media: MediaService
    ) -> None:
        self._entry = entry
        self._hearings = hearings
        self._attendance = attendance
        self._media = media
        self._sessions: dict[str, IngestSession] = {}
        self._opening = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self, link_token: str, offer_sdp: str) -> OpenedIngest:
        """Use a personal link up to publish into its seat; whoever held the seat before is replaced.

        Everything that can be refused is refused before the link is used up.
        Raises LinkRefusedError, SeatCannotSendError, TooManyIngestsError, EntryRefusedError, StorageError, MediaError
        (BadSdpError among them).
        """
        grant = await self._entry.peek(link_token)
        person = (await self._hearings.find(grant.hearing_id)).people[grant.person_id]
        if person.role not in SENDING_ROLES:
            raise SeatCannotSendError
        self._media.check_offer(offer_sdp)
        if len(self._sessions) + self._opening >= MAX_SESSIONS:
            raise TooManyIngestsError
        self._opening += 1
        try:
            await self._media.open_room(grant.hearing_id)
            await self._entry.enter(link_token)
            return await self._begin(grant, person.seat_id, offer_sdp)
        finally:
            self._opening -= 1

    async def close(self, session_id: str) -> None:
        """The publisher ends its session: the person leaves. Raises UnknownIngestError, StorageError."""
        session = self._sessions.get(session_id)
        if session is None:
            raise UnknownIngestError
        hearing_id, person_id = session.grant.hearing_id, session.grant.person_id
        try:
            if self._attendance.connection(hearing_id, person_id) is session:
                await self._hearings.submit(hearing_id, Leave(), by=person_id, message_type="leave")
        finally:
            session.end()
        if session.ending is not None:
            await asyncio.wait([session.ending])

    async def aclose(self) -> None:
        """End every session; the log is left as it is. Safe to call twice."""
        for session in list(self._sessions.values()):
            session.end()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _begin(self, grant: SeatGrant, seat_id: SeatId, offer_sdp: str) -> OpenedIngest:
        def is_present() -> bool:
            return _presence(self._hearings, grant.hearing_id, grant.person_id) is Presence.PRESENT

        session = IngestSession(grant, seat_id, is_present, self._on_end)
        await self._attendance.attach(grant, session)
        self._sessions[session.session_id] = session
        try:
            answer = await self._media.open_ingest(grant, session, offer_sdp)
        except BaseException:
            session.end()
            raise
        session.epoch = answer.epoch
        if session.is_ended:  # replaced or revoked meanwhile, when there was no connection to close yet
            self._spawn(session)
        logger.info("publisher connected", extra={"seat_id": seat_id})
        return OpenedIngest(session.session_id, answer.sdp)

    def _on_end(self, session: IngestSession) -> None:
        self._sessions.pop(session.session_id, None)
        self._spawn(session)

    def _spawn(self, session: IngestSession) -> None:
        task = asyncio.create_task(self._finish(session), name=f"end of a publisher in {session.seat_id}")
        session.ending = task
        self._tasks.add(task)
        task.add_done_callback(self._on_finished)

    def _on_finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("%s failed", task.get_name(), exc_info=error)

    async def _finish(self, session: IngestSession) -> None:
        # Marking the seat lost ends its media too; a seat that somebody else has now is not lost, only this connection.
        await self._attendance.detach(session.grant, session)
        if session.epoch is not None:
            await self._media.close_ingest(session.grant.hearing_id, session.seat_id, session.epoch)


def _presence(hearings: HearingService, hearing_id: HearingId, person_id: PersonId) -> Presence:
    return hearings.hearing(hearing_id).people[person_id].presence
