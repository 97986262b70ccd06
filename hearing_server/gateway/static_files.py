"""The built browser client: one page for every path, and its hashed files."""

from pathlib import Path

from aiohttp import web

from hearing_server.gateway.errors import ErrorText

STATIC_DIR = Path(__file__).parents[1] / "static"
# Vite puts a content hash into every name under assets/, so such a file never changes.
_FOR_EVER = "public, max-age=31536000, immutable"
_PAGES = ("/", "/enter", "/court/{hearing_id}", "/witness/{hearing_id}")


class ClientNotBuiltError(Exception):
    """The browser client is missing. Run `uv sync --reinstall-package court-hearing` to build it."""

    code = "client_not_built"


class StaticFiles:
    def __init__(self, directory: Path = STATIC_DIR) -> None:
        """Raises ClientNotBuiltError."""
        self._directory = directory
        self._index = directory / "index.html"
        if not self._index.is_file():
            raise ClientNotBuiltError(str(ClientNotBuiltError.__doc__))

    def routes(self) -> list[web.AbstractRouteDef]:
        pages: list[web.AbstractRouteDef] = [web.get(path, self._page) for path in _PAGES]
        return [*pages, web.get("/assets/{name}", self._asset), web.get("/favicon.svg", self._favicon)]

    async def _page(self, request: web.Request) -> web.StreamResponse:
        return web.FileResponse(self._index, headers={"Cache-Control": "no-cache"})

    async def _asset(self, request: web.Request) -> web.StreamResponse:
        path = self._directory / "assets" / request.match_info["name"]
        if path.parent != self._directory / "assets" or not path.is_file():
            raise web.HTTPNotFound
        return web.FileResponse(path, headers={"Cache-Control": _FOR_EVER})

    async def _favicon(self, request: web.Request) -> web.StreamResponse:
        path = self._directory / "favicon.svg"
        if not path.is_file():
            raise web.HTTPNotFound
        return web.FileResponse(path)


NOT_FOUND = ErrorText("not_found", "There is no such page. Open your personal link.", 404)
