"""WHIP (RFC 9725): a publisher posts its offer with the token of a personal link, and gets the answer."""

from aiohttp import web

from hearing_server.gateway.errors import ErrorText, bad_request, error_text
from hearing_server.gateway.http_routes import HttpRoutes, error_response
from hearing_server.ports import LinkRefusedError
from hearing_server.services.ingest_service import IngestService
from media.engine import BadSdpError

SDP = "application/sdp"
_MAX_TOKEN_BYTES = 256


class WhipRoutes:
    """Publishing without a browser. Trickle ICE and ICE restarts are not offered, so PATCH answers 405 (4.3.1)."""

    def __init__(self, ingest: IngestService, http: HttpRoutes) -> None:
        self._ingest = ingest
        self._http = http

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/whip", self.open), web.delete("/whip/{session_id}", self.close)]

    async def open(self, request: web.Request) -> web.StreamResponse:
        if (refusal := self._http.refusal(request)) is not None:
            return error_response(refusal)
        token = _bearer_token(request)
        if token is None:
            advice = "Send Authorization: Bearer with the token of your personal link."
            return _unauthorized(ErrorText("token_missing", advice, 401))
        if request.content_type != SDP:
            return error_response(ErrorText("unsupported_media_type", f"Send {SDP}.", 415))
        try:
            opened = await self._ingest.open(token, (await request.read()).decode())
        except UnicodeDecodeError:
            return error_response(bad_request("bad_sdp", "The offer is not UTF-8."))
        except BadSdpError as error:
            return error_response(bad_request("bad_sdp", f"The offer cannot be taken: {error}."))
        except LinkRefusedError as error:
            self._http.count_refused_link(request)
            text = error_text(error)
            if text.code == "link_unknown":
                return _unauthorized(ErrorText(text.code, text.message, 401))
            return error_response(text)
        return web.Response(
            text=opened.answer_sdp,
            status=201,
            content_type=SDP,
            headers={"Location": f"/whip/{opened.session_id}", "Cache-Control": "no-store"},
        )

    async def close(self, request: web.Request) -> web.StreamResponse:
        await self._ingest.close(request.match_info["session_id"])
        return web.Response(status=200)


def _bearer_token(request: web.Request) -> str | None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    token = token.strip()
    return token if scheme.lower() == "bearer" and 0 < len(token) <= _MAX_TOKEN_BYTES else None


def _unauthorized(text: ErrorText) -> web.Response:
    answer = error_response(text)
    answer.headers["WWW-Authenticate"] = "Bearer"
    return answer
