"""A browser tab without a browser: speaks the wire protocol over a real socket."""

import asyncio
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

import aiohttp
import msgspec


class WireClient:
    """One WebSocket. Notices are kept in order; the latest view is `view`."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url
        self._next_id = 0
        self.notices: list[dict[str, Any]] = []
        self.view: dict[str, Any] | None = None
        self.names: Mapping[str, str] = {}
        self.is_closed = False
        self._changed = asyncio.Condition()

    async def __aenter__(self) -> Self:
        self.socket = await self._session.ws_connect(f"{self._url}/ws", max_msg_size=0)
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.socket.close()
        await self._reader

    async def _read(self) -> None:
        async for frame in self.socket:
            notice = msgspec.json.decode(frame.data)
            async with self._changed:
                self.notices.append(notice)
                if notice["type"] == "view":
                    self.view, self.names = notice["view"], notice["names"]
                self._changed.notify_all()
        async with self._changed:
            self.is_closed = True
            self._changed.notify_all()

    async def until(self, condition: Callable[[], bool], timeout_s: float = 30) -> None:
        async with self._changed, asyncio.timeout(timeout_s):
            await self._changed.wait_for(condition)

    async def until_view(self, condition: Callable[[dict[str, Any]], bool], timeout_s: float = 30) -> dict[str, Any]:
        await self.until(lambda: self.view is not None and condition(self.view), timeout_s)
        assert self.view is not None
        return self.view

    async def ask(self, type_: str, **fields: object) -> dict[str, Any]:
        """Send a message and return its answer, `ok` or `refused`."""
        self._next_id += 1
        message_id = self._next_id
        await self.socket.send_str(msgspec.json.encode({"type": type_, "id": message_id, **fields}).decode())
        return await self.answer_to(message_id)

    async def answer_to(self, message_id: int | None) -> dict[str, Any]:
        def answers() -> list[dict[str, Any]]:
            return [one for one in self.notices if one["type"] in {"ok", "refused"} and one.get("id") == message_id]

        await self.until(lambda: bool(answers()))
        return answers()[-1]

    async def notice(self, type_: str) -> dict[str, Any]:
        def found() -> list[dict[str, Any]]:
            return [one for one in self.notices if one["type"] == type_]

        await self.until(lambda: bool(found()))
        return found()[-1]
