"""A child process that answers requests: JSON lines over its standard input and output."""

import asyncio
import itertools
import json
import logging
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Self

logger = logging.getLogger(__name__)

_LINE_BYTES: Final = 64 * 1024 * 1024
_STOP_S: Final = 3.0

Handler = Callable[..., Awaitable[Mapping[str, Any]]]


class ChildError(Exception):
    """A child process refused a request, or is gone."""

    code = "bench_child"


class Child:
    """Owns one child process that runs `module` and answers with `serve`. Close it, or use it as `async with`."""

    def __init__(self, module: str, *arguments: str) -> None:
        self._command = (sys.executable, "-m", module, *arguments)
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._numbers = itertools.count()

    @property
    def pid(self) -> int:
        if self._process is None:
            raise ChildError("The child process was not started; call start() first.")
        return self._process.pid

    async def start(self) -> None:
        """Start the process. It answers when it is ready."""
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(*self._command, stdin=pipe, stdout=pipe, limit=_LINE_BYTES)
        self._reader = asyncio.create_task(self._read(self._process))

    async def call(self, operation: str, *, timeout_s: float = 60.0, **arguments: Any) -> dict[str, Any]:
        """Return the answer to one request. Raises ChildError, TimeoutError."""
        process = self._process
        if process is None or process.stdin is None or process.returncode is not None:
            raise ChildError(f"{self._command[2]} is not running; it cannot {operation}.")
        number = next(self._numbers)
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            line = json.dumps({"number": number, "operation": operation, "arguments": arguments})
            process.stdin.write(line.encode() + b"\n")
            async with asyncio.timeout(timeout_s):
                await process.stdin.drain()
                return await answer
        except (BrokenPipeError, ConnectionResetError) as error:
            raise ChildError(f"{self._command[2]} ended; it cannot {operation}.") from error
        finally:
            self._waiting.pop(number, None)

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        if process.stdout is None:
            return
        while line := await process.stdout.readline():
            answer = json.loads(line)
            future = self._waiting.get(answer["number"])
            if future is None or future.done():
                continue
            if "error" in answer:
                future.set_exception(ChildError(answer["error"]))
            else:
                future.set_result(answer["result"])
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(ChildError(f"{self._command[2]} ended before it answered."))

    async def aclose(self) -> None:
        """End the process, by force when it does not go. Safe to call twice."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()  # the child ends at the end of its input
        try:
            async with asyncio.timeout(_STOP_S):
                await process.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        if self._reader is not None:
            await asyncio.wait([self._reader], timeout=_STOP_S)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


async def serve(handlers: Mapping[str, Handler]) -> None:
    """Answer the parent's requests, each in its own task, until standard input ends.

    Nothing else may be printed: standard output is the line to the parent.
    """
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=_LINE_BYTES)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(os.dup(0), "rb"))
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # a library that prints must not break the line
    one_line = asyncio.Lock()  # long answers are written in pieces
    running: set[asyncio.Task[None]] = set()

    async def answer(request: dict[str, Any]) -> None:
        reply: dict[str, Any] = {"number": request["number"]}
        try:
            reply["result"] = await handlers[request["operation"]](**request["arguments"])
        except Exception as error:
            logger.debug("request failed", exc_info=True)
            reply["error"] = f"{request['operation']}: {type(error).__name__}: {error}"
        data = json.dumps(reply).encode() + b"\n"
        async with one_line:
            await asyncio.to_thread(_write_all, out, data)

    while line := await reader.readline():
        task = asyncio.create_task(answer(json.loads(line)))
        running.add(task)
        task.add_done_callback(running.discard)
    for task in running:
        task.cancel()


def _write_all(out: Any, data: bytes) -> None:
    while data:
        data = data[out.write(data) :]
