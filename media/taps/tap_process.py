"""The owner of one tap worker process: starts it, takes what it sends, and starts another when it dies."""

import asyncio
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

import msgspec

from media.taps.framing import read_message
from media.taps.input_socket import Address
from media.taps.worker_messages import WORKER_MESSAGES, Alive, Listening, NeedsKeyframe

logger = logging.getLogger(__name__)

START_TIMEOUT_S: Final = 30.0
SILENT_AFTER_S: Final = 5.0
FIRST_RETRY_S: Final = 0.2
LONGEST_RETRY_S: Final = 5.0


class TapDownError(Exception):
    """The worker did not come up."""

    code = "tap_down"


class TapProcess:
    """Runs `python -m module`. The address stays the same when the worker is restarted.

    `on_item` gets what the worker makes, `on_keyframe_wanted` is called when the relay should ask the source for a key
    frame, `on_interrupted` when the worker died, with the number of times it did. All are called in the event loop.
    """

    def __init__(
        self,
        module: str,
        options: Mapping[str, Any],
        *,
        on_item: Callable[[Any], None],
        on_keyframe_wanted: Callable[[], None] | None = None,
        on_interrupted: Callable[[int], None] | None = None,
        address: Address = ("127.0.0.1", 0),
    ) -> None:
        self._module = module
        self._options = json.dumps(dict(options))
        self._on_item = on_item
        self._on_keyframe_wanted = on_keyframe_wanted or (lambda: None)
        self._on_interrupted = on_interrupted or (lambda restarts: None)
        self.address = address
        self.restarts = 0
        self.refused = 0
        self.process_id: int | None = None
        self._is_up = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> Address:
        """Return the address the relay has to send to. Raises TapDownError."""
        if self._task is None:
            self._task = asyncio.create_task(self._supervise(), name=f"supervision of {self._module}")
        try:
            await asyncio.wait_for(self._is_up.wait(), START_TIMEOUT_S)
        except TimeoutError:
            raise TapDownError("The tap worker does not start; see the log, then open the tap again.") from None
        return self.address

    async def aclose(self) -> None:
        """End the worker. Safe to call twice."""
        task, self._task = self._task, None
        if task is None:
            return
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            task.result()

    async def _supervise(self) -> None:
        retry_s = FIRST_RETRY_S
        while True:
            if await self._run_once():
                retry_s = FIRST_RETRY_S
            self._is_up.clear()
            self.restarts += 1
            logger.warning("%s ended; starting it again", self._module)
            self._on_interrupted(self.restarts)
            await asyncio.sleep(retry_s)
            retry_s = min(LONGEST_RETRY_S, retry_s * 2)

    async def _run_once(self) -> bool:
        """Run one worker to its end. Returns whether it came up."""
        ours, theirs = socket.socketpair()
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", self._module, "--output", str(theirs.fileno())),
                *("--address", json.dumps(self.address), "--options", self._options),
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        reader, writer = await asyncio.open_connection(sock=ours)
        self.process_id = process.pid
        try:
            with suppress(EOFError, OSError, TimeoutError, msgspec.DecodeError):
                await self._read(reader)
            return self._is_up.is_set()
        finally:
            writer.close()
            if process.returncode is None:
                with suppress(ProcessLookupError):  # Process.kill would reap it before the event loop does
                    os.kill(process.pid, signal.SIGKILL)
            await asyncio.shield(process.wait())

    async def _read(self, reader: asyncio.StreamReader) -> None:
        limit_s = START_TIMEOUT_S
        while True:
            message = await asyncio.wait_for(read_message(reader, WORKER_MESSAGES), limit_s)
            match message:
                case Listening(address=address):
                    self.address = address
                    self._is_up.set()
                    limit_s = SILENT_AFTER_S
                case Alive(refused=refused):
                    self.refused = refused
                case NeedsKeyframe():
                    self._on_keyframe_wanted()
                case item:
                    self._on_item(item)
