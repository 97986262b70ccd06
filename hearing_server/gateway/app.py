"""The web application: routes, security headers, one way to answer errors, and the server that listens."""

import logging
import ssl
from collections.abc import Awaitable, Callable

from aiohttp import web

from hearing_server.gateway.errors import ErrorText, error_text
from hearing_server.gateway.http_routes import MAX_BODY_BYTES, HttpRoutes, error_response
from hearing_server.gateway.static_files import NOT_FOUND, StaticFiles
from hearing_server.gateway.websocket import Services
from hearing_server.gateway.whip_routes import WhipRoutes

logger = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

# For every page: nothing from elsewhere, no inline code, no framing, camera and microphone for us only.
SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
        "media-src 'self' blob: mediastream:; font-src 'self'; connect-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    "Permissions-Policy": "camera=(self), microphone=(self), display-capture=(self), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_STRICT_TRANSPORT = "max-age=31536000"


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every failure into a coded answer; what is not foreseen says nothing of its cause."""
    try:
        return await handler(request)
    except web.HTTPRequestEntityTooLarge:
        return error_response(ErrorText("body_too_large", f"Send at most {MAX_BODY_BYTES} bytes.", 413))
    except web.HTTPNotFound:
        return error_response(NOT_FOUND)
    except web.HTTPMethodNotAllowed as error:
        answer = error_response(ErrorText("method_not_allowed", "Use another method.", 405))
        answer.headers["Allow"] = ", ".join(sorted(error.allowed_methods))
        return answer
    except web.HTTPException:
        raise
    except Exception as error:
        text = error_text(error)
        if text.code == "internal_error":
            logger.exception("request failed", extra={"path": request.match_info.route.resource})
        return error_response(text)


async def add_security_headers(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(SECURITY_HEADERS)
    if request.secure:
        response.headers["Strict-Transport-Security"] = _STRICT_TRANSPORT
    if request.path.startswith("/api/"):
        response.headers["Cache-Control"] = "no-store"


def make_app(services: Services, static_files: StaticFiles, *, allowed_origins: frozenset[str]) -> web.Application:
    app = web.Application(middlewares=[answer_errors], client_max_size=MAX_BODY_BYTES)
    routes = HttpRoutes(services, allowed_origins=allowed_origins)
    app.add_routes(routes.routes())
    app.add_routes(WhipRoutes(services.ingest, routes).routes())
    app.add_routes(static_files.routes())
    app.on_response_prepare.append(add_security_headers)
    return app


class WebServer:
    """Listens for `app`. `start` returns the port in use."""

    def __init__(self, app: web.Application, *, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        # The access log would print paths and addresses; what a court needs to know is in the event log.
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=2.0)
        self._host, self._port, self._tls = host, port, tls

    async def start(self) -> int:
        """Raises OSError when the address is taken."""
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port, ssl_context=self._tls).start()
        return int(self._runner.addresses[0][1])

    async def aclose(self) -> None:
        """Stop listening and close every connection. Safe to call twice."""
        await self._runner.cleanup()
