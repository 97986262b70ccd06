"""The HTTP interface: entering by link, health, OpenAPI, and the door to the WebSocket."""

import logging
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import msgspec
from aiohttp import web
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from prometheus_client import CONTENT_TYPE_LATEST

from hearing_server.gateway.errors import ErrorText, bad_request, error_text
from hearing_server.gateway.metrics import metrics_text
from hearing_server.gateway.openapi import openapi_document
from hearing_server.gateway.websocket import HEARTBEAT_S, Connection, Services
from hearing_server.ports import LinkRefusedError
from hearing_server.signalling.http import EnterReply, ErrorReply, HealthReply, LinkRequest, PeekReply
from hearing_server.signalling.messages import MAX_MESSAGE_BYTES

logger = logging.getLogger(__name__)

MAX_BODY_BYTES = 16 * 1024
_THIS_MACHINE = frozenset({"127.0.0.1", "::1"})
# Only refused links count: a whole court may enter from one address, but nobody mistypes thirty links a minute.
_REFUSED_LINKS = RateLimitItemPerMinute(30)
# Frames up to four times a message's limit are read, so that their sender gets an answer; longer ones close the socket.
_MAX_FRAME_BYTES = 4 * MAX_MESSAGE_BYTES


def json_response(body: msgspec.Struct | dict[str, object], status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), status=status, content_type="application/json")


def error_response(text: ErrorText) -> web.Response:
    reply = ErrorReply(code=text.code, message=text.message, parameters=text.parameters)
    return json_response(reply, status=text.status)


class HttpRoutes:
    """Handlers of everything that is not a static file."""

    def __init__(self, services: Services, *, allowed_origins: frozenset[str]) -> None:
        self._services = services
        self._allowed_origins = allowed_origins
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._openapi = openapi_document()
        self.sockets: set[web.WebSocketResponse] = set()

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/api/peek", self.peek),
            web.post("/api/enter", self.enter),
            web.get("/ws", self.websocket),
            web.get("/healthz", self.healthz),
            web.get("/readyz", self.readyz),
            web.get("/openapi.json", self.openapi),
            web.get("/metrics", self.metrics),
        ]

    async def peek(self, request: web.Request) -> web.StreamResponse:
        return await self._with_link(request, self._peek)

    async def enter(self, request: web.Request) -> web.StreamResponse:
        return await self._with_link(request, self._enter)

    async def websocket(self, request: web.Request) -> web.StreamResponse:
        if not self._is_own_origin(request):
            return error_response(
                ErrorText("wrong_origin", "Open the service from its own address.", web.HTTPForbidden.status_code)
            )
        socket = web.WebSocketResponse(heartbeat=HEARTBEAT_S, max_msg_size=_MAX_FRAME_BYTES, compress=False)
        await socket.prepare(request)
        self.sockets.add(socket)
        try:
            await Connection(socket, self._services, lambda: _abort(request)).run()
        finally:
            self.sockets.discard(socket)
        return socket

    async def healthz(self, request: web.Request) -> web.StreamResponse:
        return json_response(HealthReply(status="ok"))

    async def readyz(self, request: web.Request) -> web.StreamResponse:
        """Raises StorageError, which is answered with 503, when the record cannot be read."""
        await self._services.hearings.check()
        return json_response(HealthReply(status="ready"))

    async def openapi(self, request: web.Request) -> web.StreamResponse:
        return json_response(self._openapi)

    async def metrics(self, request: web.Request) -> web.StreamResponse:
        """For operators on this machine; who reaches the service from elsewhere learns nothing of other hearings."""
        if request.remote not in _THIS_MACHINE or "X-Forwarded-For" in request.headers:
            raise web.HTTPNotFound
        body = await metrics_text(self._services)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _with_link(
        self, request: web.Request, answer: Callable[[str], Awaitable[msgspec.Struct]]
    ) -> web.StreamResponse:
        if (refusal := self.refusal(request)) is not None:
            return error_response(refusal)
        if request.content_type != "application/json":
            return error_response(ErrorText("unsupported_media_type", "Send application/json.", 415))
        try:
            link = msgspec.json.decode(await request.read(), type=LinkRequest)
            return json_response(await answer(link.link_token))
        except (msgspec.DecodeError, UnicodeError):
            return error_response(bad_request("malformed_message", 'Send {"link_token": "..."}.'))
        except LinkRefusedError as error:
            self.count_refused_link(request)
            return error_response(error_text(error))

    def refusal(self, request: web.Request) -> ErrorText | None:
        """Why a link from this page or address is not even looked at, or None."""
        if not self._is_own_origin(request):
            return ErrorText("wrong_origin", "Open the service from its own address.", web.HTTPForbidden.status_code)
        if not self._limiter.test(_REFUSED_LINKS, request.remote or "unknown"):
            return ErrorText("rate_limited", "Too many links were refused. Wait a minute.", 429)
        return None

    def count_refused_link(self, request: web.Request) -> None:
        self._limiter.hit(_REFUSED_LINKS, request.remote or "unknown")

    async def _peek(self, link_token: str) -> PeekReply:
        grant = await self._services.entry.peek(link_token)
        hearing = await self._services.hearings.find(grant.hearing_id)
        person = hearing.people[grant.person_id]
        words = await self._services.content.words(grant.hearing_id, tuple(hearing.people))
        return PeekReply(
            hearing_id=grant.hearing_id,
            person_id=grant.person_id,
            seat_id=person.seat_id,
            role=person.role,
            name=words.names.get(grant.person_id, ""),
            case=words.case,
            state=hearing.state,
        )

    async def _enter(self, link_token: str) -> EnterReply:
        grant, resume_token = await self._services.entry.enter(link_token)
        hearing = await self._services.hearings.find(grant.hearing_id)
        person = hearing.people[grant.person_id]
        return EnterReply(
            resume_token=resume_token,
            hearing_id=grant.hearing_id,
            person_id=grant.person_id,
            seat_id=person.seat_id,
            role=person.role,
        )

    def _is_own_origin(self, request: web.Request) -> bool:
        """Browsers always name their origin; a request without one is not a page of somebody else's site."""
        origin = request.headers.get("Origin")
        if origin is None:
            return True
        return origin in self._allowed_origins or urlsplit(origin).netloc.lower() == (request.host or "").lower()


def _abort(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
