"""The Janus WebSocket API, as far as a VideoRoom benchmark needs it."""

import asyncio
import secrets
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

import aiohttp

_PLUGIN: Final = "janus.plugin.videoroom"
_KEEP_ALIVE_S: Final = 20.0
_ANSWER_S: Final = 40.0


class JanusError(Exception):
    """Janus refused a request. The text is Janus's own."""

    code = "bench_janus"


class JanusClient:
    """One session over one WebSocket. A handle is one peer connection of a client."""

    def __init__(self, port: int) -> None:
        self._url = f"ws://127.0.0.1:{port}"
        self._http: aiohttp.ClientSession | None = None
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._waiting: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._up: defaultdict[int, asyncio.Event] = defaultdict(asyncio.Event)
        self._session = 0

    async def connect(self) -> None:
        """Open the socket and a session."""
        self._http = aiohttp.ClientSession()
        self._socket = await self._http.ws_connect(self._url, protocols=("janus-protocol",), max_msg_size=0)
        self._tasks.append(asyncio.create_task(self._read(self._socket)))
        created = await self._ask({"janus": "create"})
        self._session = created["data"]["id"]
        self._tasks.append(asyncio.create_task(self._keep_alive()))

    async def attach(self) -> int:
        """Return a new handle."""
        attached = await self._ask({"janus": "attach", "plugin": _PLUGIN, "session_id": self._session})
        return int(attached["data"]["id"])

    async def message(
        self, handle: int, body: Mapping[str, Any], jsep: Mapping[str, str] | None = None
    ) -> tuple[dict[str, Any], str]:
        """Send `body` to the plugin; return its answer and the SDP that came with it ("" without one)."""
        request: dict[str, Any] = {
            "janus": "message", "session_id": self._session, "handle_id": handle, "body": body,
        }  # fmt: skip
        if jsep is not None:
            request["jsep"] = jsep
        answer = await self._ask(request)
        data: dict[str, Any] = answer["plugindata"]["data"]
        if "error" in data:
            raise JanusError(data["error"])
        return data, answer.get("jsep", {}).get("sdp", "")

    async def up(self, handle: int) -> None:
        """Wait until Janus, too, holds the peer connection of `handle` for connected. Raises TimeoutError."""
        async with asyncio.timeout(_ANSWER_S):
            await self._up[handle].wait()

    async def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        if self._socket is None:
            raise JanusError("not connected; call connect() first")
        transaction = secrets.token_hex(8)
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[transaction] = future
        try:
            await self._socket.send_json({**request, "transaction": transaction})
            async with asyncio.timeout(_ANSWER_S):
                answer = await future
        finally:
            self._waiting.pop(transaction, None)
        if answer["janus"] == "error":
            raise JanusError(answer["error"]["reason"])
        return answer

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for frame in socket:
            if frame.type is not aiohttp.WSMsgType.TEXT:
                continue
            answer = frame.json()
            if answer["janus"] == "webrtcup":
                self._up[answer["sender"]].set()
            future = self._waiting.get(answer.get("transaction", ""))
            # A message is acknowledged first; its outcome follows as an event of the same transaction.
            if future is not None and not future.done() and answer["janus"] != "ack":
                future.set_result(answer)
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(JanusError("Janus closed the WebSocket"))

    async def _keep_alive(self) -> None:
        while self._socket is not None and not self._socket.closed:
            await asyncio.sleep(_KEEP_ALIVE_S)
            with suppress(ConnectionError, aiohttp.ClientError):
                await self._socket.send_json(
                    {"janus": "keepalive", "session_id": self._session, "transaction": secrets.token_hex(8)}
                )

    async def aclose(self) -> None:
        """Close the socket; Janus drops the session. Safe to call twice."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        if self._socket is not None:
            await self._socket.close()
        if self._http is not None:
            await self._http.close()
