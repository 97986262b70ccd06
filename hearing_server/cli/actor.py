"""One scripted person: enters by a personal link, keeps the seat, and sends pictures and sound like a browser."""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from typing import Final

import aiohttp
import msgspec

from hearing_server.cli.actor_director import Director, Step
from hearing_server.cli.actor_script import Part
from hearing_server.domain.rooms import Location
from hearing_server.domain.views import HearingView
from hearing_server.signalling import messages as wire
from hearing_server.signalling.codec import decode_notice, encode_message
from hearing_server.signalling.http import EnterReply, LinkRequest
from hearing_server.signalling.notices import Goodbye, MediaState, Notice, Offer, Refused, View, Welcome
from media.replay.answer import OfferError
from media.replay.peer import ReplayPeer

logger = logging.getLogger(__name__)

_GIVE_UP_S: Final = 120.0
_SHORTEST_PAUSE_S: Final = 0.2
_LONGEST_PAUSE_S: Final = 5.0
_OFFER_WITHIN_S: Final = 5.0
_REOPEN_PAUSE_S: Final = 1.0
_FINAL_GOODBYES: Final = frozenset({"left", "replaced", "revoked", "hearing_over"})
_PASSING_TROUBLE: Final = frozenset({"storage_failed", "concurrent_append", "internal_error"})


class SeatLostError(Exception):
    """The server will not let this person in again: the link was used or revoked, or the hearing is over."""


class Actor:
    """Plays `part` in the seat that `link` opens, until the seat is gone.

    Args:
        url: The service, for example "https://127.0.0.1:8080".
        link: The personal link; the token is what stands behind "#".
        director: Set for the person who leads the hearing.
        addresses: Local addresses of the media sockets; None: all but loopback.
    """

    def __init__(
        self,
        *,
        http: aiohttp.ClientSession,
        url: str,
        link: str,
        part: Part,
        director: Director | None = None,
        addresses: Sequence[str] | None = None,
    ) -> None:
        self.part = part
        self.view: HearingView | None = None
        self._http, self._url, self._link_token = http, url.rstrip("/"), link.partition("#")[2]
        self._director = director
        self._peer = ReplayPeer(part.idle, addresses=addresses, on_state=self._media_changed)
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._token: str | None = None
        self._epoch = 0
        self._message_id = 0
        self._asked: dict[int, Step] = {}
        self._reopen: asyncio.TimerHandle | None = None
        self._sending: set[asyncio.Task[None]] = set()

    @property
    def may_speak(self) -> bool:
        """Whether the court hears this person now, as far as the person knows."""
        me = self.view.me if self.view is not None else None
        is_heard = me is not None and (me.location is Location.COURTROOM or me.is_talking_with_clerk)
        return is_heard and me is not None and not me.is_muted and bool(self.part.lines)

    @property
    def peer(self) -> ReplayPeer:
        return self._peer

    async def run(self) -> None:
        """Enter and stay, through lost connections and restarts of the service.

        Raises SeatLostError when the seat is gone, TimeoutError when the service was away for two minutes.
        """
        pause_s, away_since_s = _SHORTEST_PAUSE_S, time.monotonic()
        try:
            while True:
                began_s = time.monotonic()
                try:
                    if self._token is None:
                        self._token = await self._enter()
                    await self._sit()
                    away_since_s = time.monotonic()
                except (aiohttp.ClientError, OSError) as error:
                    logger.info("the service does not answer: %s", type(error).__name__)
                    if time.monotonic() - away_since_s > _GIVE_UP_S:
                        raise TimeoutError("The service was away for two minutes.") from None
                if time.monotonic() - began_s > _LONGEST_PAUSE_S:
                    pause_s = _SHORTEST_PAUSE_S
                await asyncio.sleep(pause_s)
                pause_s = min(_LONGEST_PAUSE_S, pause_s * 2)
        finally:
            await self._peer.aclose()

    async def _enter(self) -> str:
        body = msgspec.json.encode(LinkRequest(link_token=self._link_token))
        headers = {"Content-Type": "application/json"}
        async with self._http.post(f"{self._url}/api/enter", data=body, headers=headers) as reply:
            if 400 <= reply.status < 500 and reply.status != 429:
                raise SeatLostError(f"The link was refused ({reply.status}); print new links and start again.")
            reply.raise_for_status()
            return msgspec.json.decode(await reply.read(), type=EnterReply).resume_token

    async def _sit(self) -> None:
        """Hold one WebSocket until it closes."""
        async with self._http.ws_connect(f"{self._url}/ws", heartbeat=20, max_msg_size=0) as socket:
            self._socket, self._message_id, self._epoch = socket, 0, 0
            self._asked.clear()
            assert self._token is not None, "entered before"
            await self._send(wire.Authenticate(id=self._next_id(), token=self._token))
            direction = asyncio.create_task(self._direct()) if self._director is not None else None
            try:
                async for frame in socket:
                    if frame.type is aiohttp.WSMsgType.TEXT:
                        await self._take(frame.data)
            finally:
                self._socket = None
                if direction is not None:
                    direction.cancel()
                    await asyncio.wait([direction])

    async def _take(self, text: str) -> None:
        try:
            notice = decode_notice(text)
        except msgspec.DecodeError:
            logger.warning("a notice of an unknown shape was ignored")
            return
        await self._react(notice)

    async def _react(self, notice: Notice) -> None:
        match notice:
            case Welcome():
                await self._open_media()
            case View(view=view):
                self.view = view
            case Offer():
                await self._answer(notice)
            case MediaState(state="failed", epoch=epoch) if epoch is None or epoch >= self._epoch:
                self._open_media_later(_REOPEN_PAUSE_S)
            case MediaState(state="lost"):
                self._epoch = 0
                await self._peer.restart()
                self._open_media_later(_OFFER_WITHIN_S)  # the service offers by itself; ask only if it does not
            case Refused(id=1, code=code) if code not in _PASSING_TROUBLE:
                raise SeatLostError(f"The seat was refused ({code}); print new links and start again.")
            case Refused(id=message_id, code=code):
                await self._refused(message_id, code)
            case Goodbye(code=code) if code in _FINAL_GOODBYES:
                raise SeatLostError(f"The service said goodbye: {code}.")
            case _:
                pass

    async def _refused(self, message_id: int | None, code: str) -> None:
        logger.info("refused: %s", code)
        if message_id == 1 and self._socket is not None:
            await self._socket.close()  # not let in just now: begin again after a pause
            return
        step = self._asked.pop(message_id or 0, None)
        if step is not None and self._director is not None:
            self._director.retry(step)
        if code in {"media_peer_unknown", "media_room_not_open", "media_down", "media_error", "bad_sdp"}:
            self._open_media_later(_REOPEN_PAUSE_S)

    async def _answer(self, offer: Offer) -> None:
        if offer.epoch < self._epoch:
            return
        if offer.epoch > self._epoch:
            self._epoch = offer.epoch
            await self._peer.restart()
        if self._reopen is not None:
            self._reopen.cancel()
        try:
            sdp = await self._peer.take_offer(offer.connection, offer.sdp)
        except OfferError:
            logger.exception("an offer could not be answered")
            return
        await self._send(
            wire.Answer(
                id=self._next_id(),
                connection=offer.connection,
                epoch=offer.epoch,
                negotiation=offer.negotiation,
                sdp=sdp,
            )
        )

    def _media_changed(self, connection: str, state: str) -> None:
        if state in ("failed", "closed"):
            self._open_media_later(_REOPEN_PAUSE_S)

    def _open_media_later(self, after_s: float) -> None:
        if self._reopen is not None:
            self._reopen.cancel()
        self._reopen = asyncio.get_running_loop().call_later(after_s, self._open_media_now)

    def _open_media_now(self) -> None:
        task = asyncio.create_task(self._open_media())
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def _open_media(self) -> None:
        await self._send(wire.OpenMedia(id=self._next_id()))

    async def _send(self, message: wire.Message) -> None:
        """Send on the present connection; without one, or on a closing one, the next connection begins anew anyway."""
        if self._socket is None or self._socket.closed:
            return
        try:
            await self._socket.send_str(encode_message(message))
        except (ConnectionError, aiohttp.ClientError):
            logger.info("a message was not sent: the connection is closing")

    def _next_id(self) -> int:
        self._message_id += 1
        return self._message_id

    async def _direct(self) -> None:
        """Lead the hearing, one look at the view a second."""
        while True:
            await asyncio.sleep(1)
            if self._director is None or self.view is None:
                continue
            step = self._director.next_step(self.view, time.monotonic())
            if step is not None:
                message_id = self._next_id()
                self._asked[message_id] = step
                await self._send(_command(step, message_id))


_HEARING_COMMANDS: Mapping[str, type[wire.Message]] = {"start": wire.Start, "resume": wire.Resume}


def _command(step: Step, message_id: int) -> wire.Message:
    if step.person_id is None:
        return _HEARING_COMMANDS[step.type](id=message_id)
    if step.type == "call_witness":
        return wire.CallWitness(id=message_id, person_id=step.person_id)
    return wire.ReleaseWitness(id=message_id, person_id=step.person_id)
