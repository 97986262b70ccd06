"""One browser tab: its socket, its phase, its outbox. Decides nothing; every answer comes from a service."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

from aiohttp import WSCloseCode, WSMsgType, web
from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from hearing_server.domain.hearing import Hearing, Refusal
from hearing_server.domain.ids import PersonId, SeatId
from hearing_server.domain.seat_view import seat_view
from hearing_server.gateway.dispatch import COMMANDS
from hearing_server.gateway.errors import ErrorText, bad_request, error_text, refusal_text
from hearing_server.gateway.outbox import Outbox
from hearing_server.ports import SeatGrant
from hearing_server.services.attendance_service import AttendanceService
from hearing_server.services.entry_service import EntryService
from hearing_server.services.hearing_content import HearingContent
from hearing_server.services.hearing_service import HearingService
from hearing_server.services.ingest_service import IngestService
from hearing_server.services.media_service import MediaService
from hearing_server.signalling import messages as wire
from hearing_server.signalling.codec import BadMessageError, decode_message, encode_notice
from hearing_server.signalling.notices import Goodbye, GoodbyeCode, Link, Notice, Ok, Refused, View, Welcome
from hearing_server.signalling.session import OutOfPhase, Session, accept, authenticated

logger = logging.getLogger(__name__)

AUTHENTICATION_TIMEOUT_S = 10.0
# A silent network is noticed after one ping and half as long again: 6 s, which leaves the judge's 10 s their room.
HEARTBEAT_S = 4.0
VIEW_INTERVAL_S = 0.1
MAX_JUNK_BEFORE_AUTHENTICATION = 5
_MESSAGES = RateLimitItemPerSecond(200, 5)
_limiter = FixedWindowRateLimiter(MemoryStorage())
_connection_numbers = count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What a connection talks to."""

    hearings: HearingService
    attendance: AttendanceService
    entry: EntryService
    media: MediaService
    ingest: IngestService
    content: HearingContent


class Connection:
    """The server's end of one tab. `run` owns the socket, the reader and the writer."""

    def __init__(self, socket: web.WebSocketResponse, services: Services, abort: Callable[[], None]) -> None:
        self._socket = socket
        self._abort = abort  # closes the TCP connection at once, without waiting for a browser that does not read
        self._services = services
        self._session = Session()
        self._outbox = Outbox(view_interval_s=VIEW_INTERVAL_S)
        self._grant: SeatGrant | None = None
        self._number = next(_connection_numbers)
        self._is_ending = False  # goodbye has been said: nothing more is taken from this tab
        self._junk = 0
        self._shown_seq = -1

    def send(self, notice: Notice) -> None:
        self._outbox.put(notice)
        if self._outbox.has_overflowed:
            logger.warning("connection too slow, closed", extra={"connection": self._number})
            self._abort()

    def view_changed(self) -> None:
        self._outbox.want_view()

    def say_goodbye(self, code: GoodbyeCode) -> None:
        self._is_ending = True
        self._outbox.put(Goodbye(code=code))

    async def run(self) -> None:
        """Serve until either side closes."""
        writer = asyncio.create_task(self._write(), name=f"socket writer {self._number}")
        try:
            await self._read()
        except TimeoutError:
            self._refuse(None, bad_request("authentication_timeout", "Send `authenticate` within 10 s."))
            await asyncio.sleep(0)
        finally:
            if self._grant is not None:
                await self._services.attendance.detach(self._grant, self)
            writer.cancel()
            await asyncio.wait([writer])
            await self._socket.close()

    async def _read(self) -> None:
        async with asyncio.timeout(AUTHENTICATION_TIMEOUT_S) as waiting:
            async for frame in self._socket:
                if frame.type is WSMsgType.TEXT or frame.type is WSMsgType.BINARY:
                    await self._take(frame.data)
                if self._grant is not None:
                    waiting.reschedule(None)
                elif self._junk >= MAX_JUNK_BEFORE_AUTHENTICATION:
                    await self._socket.close(code=WSCloseCode.POLICY_VIOLATION, message=b"not authenticated")

    async def _take(self, data: str | bytes) -> None:
        if self._is_ending:
            return
        try:
            message = decode_message(data)
        except BadMessageError as error:
            await self._refuse_and_log("unreadable", error.message_id, error_text(error))
            return
        name = str(type(message).__struct_config__.tag)
        if self._grant is not None and not _limiter.hit(_MESSAGES, str(self._number)):
            text = bad_request("rate_limited", "Too many messages. Wait a few seconds.")
            await self._refuse_and_log(name, message.id, text)
            return
        session = accept(self._session, message)
        if isinstance(session, OutOfPhase):
            await self._refuse_and_log(name, message.id, bad_request(session.code, session.advice))
            return
        self._session = session
        try:
            await self._answer(message, name)
        except Exception as error:
            text = error_text(error)
            if text.code == "internal_error":
                logger.exception("message failed", extra={"message_type": name, "connection": self._number})
            await self._refuse_and_log(name, message.id, text)

    async def _answer(self, message: wire.Message, name: str) -> None:
        if isinstance(message, wire.Authenticate):
            await self._authenticate(message)
            return
        grant = self._grant
        assert grant is not None, "the session lets nothing else through before authentication"
        hearing = self._services.hearings.hearing(grant.hearing_id)
        refusal: Refusal | None = None
        if (command := COMMANDS.get(type(message))) is not None:
            refusal = await self._services.hearings.submit(
                grant.hearing_id, command(message), by=grant.person_id, message_type=name
            )
        elif isinstance(message, wire.ReissueLink):
            refusal = await self._reissue_link(grant, message)
        else:
            await self._answer_media(grant, hearing.people[grant.person_id].seat_id, message)
        if refusal is not None:
            self._refuse(message.id, refusal_text(refusal))
            return
        self.send(Ok(id=message.id))
        if isinstance(message, wire.Leave):
            self.say_goodbye("left")

    async def _authenticate(self, message: wire.Authenticate) -> None:
        try:
            grant = await self._services.entry.resume(message.token)
            await self._services.hearings.find(grant.hearing_id)
            await self._services.attendance.attach(grant, self)
        except Exception:
            self._junk += 1
            raise
        self._grant = grant
        self._session = authenticated(self._session)
        hearing = self._services.hearings.hearing(grant.hearing_id)
        person = hearing.people[grant.person_id]
        self.send(Ok(id=message.id))
        self.send(
            Welcome(
                hearing_id=grant.hearing_id,
                person_id=grant.person_id,
                seat_id=person.seat_id,
                role=person.role,
                server_time=self._services.hearings.now(),
            )
        )
        # A view is the whole hearing as of its seq: a client that resumes from an older seq has lost nothing.
        self.view_changed()

    async def _reissue_link(self, grant: SeatGrant, message: wire.ReissueLink) -> Refusal | None:
        whom = PersonId(message.person_id)
        link = await self._services.entry.reissue_link(grant.hearing_id, whom, by=grant.person_id)
        if isinstance(link, Refusal):
            return link
        self.send(Link(id=message.id, person_id=whom, url=link))
        return None

    async def _answer_media(self, grant: SeatGrant, seat_id: SeatId, message: wire.Message) -> None:
        media = self._services.media
        match message:
            case wire.OpenMedia():
                await media.open_media(grant.hearing_id, grant.person_id)
            case wire.Answer():
                await media.answer(grant.hearing_id, seat_id, message)
            case wire.Candidate():
                await media.add_candidate(grant.hearing_id, seat_id, message)
            case wire.RequestStream():
                await media.request_stream(grant.hearing_id, seat_id, message)
            case _:
                raise AssertionError(type(message))

    def _refuse(self, message_id: int | None, text: ErrorText) -> None:
        self.send(Refused(id=message_id, code=text.code, message=text.message, parameters=text.parameters))

    async def _refuse_and_log(self, name: str, message_id: int | None, text: ErrorText) -> None:
        self._refuse(message_id, text)
        if self._grant is None:
            self._junk += 1
            return
        await self._services.hearings.refuse(self._grant.hearing_id, self._grant.person_id, name, text.code)

    async def _write(self) -> None:
        while True:
            notice = await self._outbox.next()
            if notice is None:
                notice = await self._view()
                if notice is None:
                    continue
            try:
                await self._socket.send_str(encode_notice(notice))
            except ConnectionError:
                return
            if isinstance(notice, Goodbye):
                await self._socket.close(code=WSCloseCode.OK, message=notice.code.encode())
                return

    async def _view(self) -> View | None:
        grant = self._grant
        if grant is None:
            return None
        await self._services.media.settled(grant.hearing_id)
        hearing: Hearing = self._services.hearings.hearing(grant.hearing_id)
        if hearing.seq == self._shown_seq:
            return None
        self._shown_seq = hearing.seq
        view = seat_view(hearing, grant.person_id)
        words = await self._services.content.words(grant.hearing_id, tuple(hearing.people))
        visible = [view.me.person_id, *(seat.person_id for seat in view.seats)]
        names: dict[str, str] = {who: words.names.get(who, "") for who in visible}
        return View(view=view, names=names, case=words.case, server_time=self._services.hearings.now())
