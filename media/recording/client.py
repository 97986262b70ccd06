"""The owner of a recorder process."""

import asyncio
import logging
import os
import select
import signal
import socket
import struct
import sys
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from media.plan import Kind
from media.recording import control
from media.recording.entries import ADVICE, GapCause, ProblemCode, RecorderEvent, RecorderProblem, SegmentClosed
from media.recording.interface import RecorderError
from media.recording.segment import SegmentLength
from media.taps.framing import framed, read_message
from media.taps.input_socket import Address

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT_S: Final = 30.0
REQUEST_TIMEOUT_S: Final = 30.0
SILENT_AFTER_S: Final = 4.0
"""A recorder sends a heartbeat each second; after this long without one it is killed and started again."""

RETRY_S: Final = 0.5
MAX_EVENTS: Final = 10_000


_LOST: Final = (EOFError, OSError, TimeoutError, msgspec.DecodeError, RecorderError)
"""How it shows that the process at the other end is gone, hangs or is not a recorder."""


@dataclass(slots=True)
class _WantedSeat:
    """What has to be said again to a recorder that was restarted."""

    kinds: dict[Kind, Address | None] = field(default_factory=dict)
    absent: dict[Kind, GapCause] = field(default_factory=dict)


class RecorderProcess:
    """Starts a recorder process, talks to it, and starts another when it dies or stops answering.

    A recorder that still runs at `control_path` is taken over. Use `async with`, or `start` and `aclose`.
    """

    def __init__(
        self,
        directory: Path,
        control_path: Path,
        *,
        length: SegmentLength | None = None,
        minimum_free_bytes: int | None = None,
        command: tuple[str, ...] = (sys.executable, "-m", "media.recording.recorder"),
    ) -> None:
        self._control_path = control_path
        length = length or SegmentLength()
        self._command = [
            *command,
            *("--directory", str(directory), "--control", str(control_path)),
            *("--roll-after", str(length.roll_after_s), "--segment-at-most", str(length.most_s)),
        ]
        if minimum_free_bytes is not None:
            self._command += ["--minimum-free-bytes", str(minimum_free_bytes)]
        self._seats: dict[str, _WantedSeat] = {}
        self._pause_reason: str | None = None
        self._events: asyncio.Queue[RecorderEvent] = asyncio.Queue(MAX_EVENTS)
        self._replies: dict[int, asyncio.Future[control.Done]] = {}
        self._requests = 0
        self._process: asyncio.subprocess.Process | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._is_ready = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.process_id: int | None = None
        self._process_file: int | None = None  # a pidfd: a number may be another process by now
        self.restarts = 0
        self.datagrams = self.refused = 0  # of the present process, as it said last

    async def __aenter__(self) -> "RecorderProcess":
        await self.start()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.aclose()

    async def start(self) -> None:
        """Start or take over the process. Raises RecorderError (recorder_down) when it does not come up."""
        if self._task is None:
            self._task = asyncio.create_task(self._supervise(), name="recorder supervision")
        await self._until_ready()

    async def aclose(self) -> None:
        task, self._task = self._task, None
        if task is None:
            return
        with suppress(RecorderError, OSError):
            if self._is_ready.is_set():
                await self._request(control.CloseRecorder())
        task.cancel()
        await asyncio.wait([task])
        if self._process is not None:
            try:
                await asyncio.wait_for(self._process.wait(), 10.0)
            except TimeoutError:
                await self._kill()
        self._forget_process()
        if not task.cancelled():
            task.result()

    # Requests

    async def start_seat(self, seat: str, kinds: Collection[Kind]) -> Mapping[Kind, Address]:
        wanted = self._seats.setdefault(seat, _WantedSeat())
        for kind in kinds:
            wanted.kinds.setdefault(kind, None)
        try:
            await self._until_ready()
            return await self._start_seat(seat, wanted)
        except RecorderError as error:
            if error.code == "bad_seat_name":
                self._seats.pop(seat, None)
            raise

    async def _start_seat(self, seat: str, wanted: _WantedSeat) -> Mapping[Kind, Address]:
        known = {kind: address for kind, address in wanted.kinds.items() if address is not None}
        done = await self._request(control.StartSeat(seat=seat, kinds=tuple(wanted.kinds), inputs=known))
        wanted.kinds.update(done.inputs)
        return done.inputs

    async def stop_seat(self, seat: str) -> None:
        self._seats.pop(seat, None)
        await self._ask(control.StopSeat(seat=seat))

    async def expect(self, seat: str, kind: Kind, *, is_sending: bool, cause: GapCause) -> None:
        wanted = self._seats.get(seat)
        if wanted is None:
            raise RecorderError("seat_not_recorded", "Start the seat first.")
        if is_sending:
            wanted.absent.pop(kind, None)
        else:
            wanted.absent[kind] = cause
        await self._ask(control.Expect(seat=seat, kind=kind, is_sending=is_sending, cause=cause))

    async def pause(self, reason: str) -> None:
        self._pause_reason = reason
        await self._ask(control.Pause(reason=reason))

    async def resume(self) -> None:
        self._pause_reason = None
        await self._ask(control.Resume())

    async def mark_gap(self, seat: str, kind: Kind, cause: GapCause, opened_at: datetime, closed_at: datetime) -> None:
        await self._ask(control.MarkGap(seat=seat, kind=kind, cause=cause, opened_at=opened_at, closed_at=closed_at))

    async def segments(self) -> tuple[SegmentClosed, ...]:
        return (await self._ask(control.ListSegments())).segments

    async def events(self) -> AsyncIterator[RecorderEvent]:
        while True:
            yield await self._events.get()

    async def _ask(self, request: control.Request) -> control.Done:
        await self._until_ready()
        return await self._request(request)

    async def _until_ready(self) -> None:
        try:
            await asyncio.wait_for(self._is_ready.wait(), CONNECT_TIMEOUT_S)
        except TimeoutError:
            raise _down() from None

    async def _request(self, request: control.Request) -> control.Done:
        if self._writer is None:
            raise _down()
        self._requests += 1
        number = self._requests
        reply = self._replies[number] = asyncio.get_running_loop().create_future()
        try:
            self._writer.write(framed(msgspec.structs.replace(request, request=number)))
            return await asyncio.wait_for(reply, REQUEST_TIMEOUT_S)
        except TimeoutError:
            raise _down() from None
        finally:
            self._replies.pop(number, None)

    # Supervision

    async def _supervise(self) -> None:
        lost_at: datetime | None = None
        try:
            while True:
                try:
                    reader = await self._connect()
                except (OSError, TimeoutError) as error:
                    logger.error("the recorder did not come up: %s", type(error).__name__)
                    await self._kill()
                    await asyncio.sleep(RETRY_S)
                    continue
                was_up = await self._run_connection(reader, lost_at)
                self._lose_connection()
                if not was_up and not await self._has_ended():
                    logger.error("recorder process %s has another owner; trying again", self.process_id)
                    self._forget_process()
                    continue
                lost_at = datetime.now(UTC)
                self._put(_problem(ProblemCode.NOT_RESPONDING, lost_at))
                await self._kill()
                self.restarts += 1
        finally:
            self._lose_connection()

    async def _run_connection(self, reader: asyncio.StreamReader, lost_at: datetime | None) -> bool:
        """Read until the recorder is gone or silent; bring it up to date meanwhile. Returns whether it served us."""
        reading = asyncio.create_task(self._read(reader), name="recorder events")
        restoring = asyncio.create_task(self._restore(lost_at), name="recorder restore")
        try:
            await asyncio.wait([reading])
        finally:
            reading.cancel()
            restoring.cancel()
            await asyncio.wait([reading, restoring])
            for task in (reading, restoring):
                error = None if task.cancelled() else task.exception()
                if error is not None and not isinstance(error, _LOST):
                    logger.error("%s failed", task.get_name(), exc_info=error)
        return self._is_ready.is_set()

    async def _has_ended(self) -> bool:
        """Whether the process at the other end is gone, now or soon."""
        file = self._process_file
        if file is None:
            return True
        for _ in range(20):
            if select.select([file], [], [], 0)[0]:  # a pidfd can be read when its process has ended
                return True
            await asyncio.sleep(0.1)
        return False

    async def _restore(self, lost_at: datetime | None) -> None:
        """Say again what the recorder has to do. What it cannot do now is tried every second."""
        if self._pause_reason is not None:
            await self._request(control.Pause(reason=self._pause_reason))
        left = list(self._seats.items())
        while left:
            failed = []
            for seat, wanted in left:
                try:
                    await self._start_seat(seat, wanted)
                    for kind, cause in wanted.absent.items():
                        await self._request(control.Expect(seat=seat, kind=kind, is_sending=False, cause=cause))
                except RecorderError as error:
                    logger.warning("seat %s is not recorded yet: %s", seat, error.code)
                    failed.append((seat, wanted))
            left = [(seat, wanted) for seat, wanted in failed if self._seats.get(seat) is wanted]
            self._is_ready.set()
            if left:
                await asyncio.sleep(1.0)
        self._is_ready.set()
        if lost_at is not None:
            now = datetime.now(UTC)
            self._put(_problem(ProblemCode.NOT_RESPONDING, now, cleared=True))
            self._put(_problem(ProblemCode.RESTARTED, now))

    async def _connect(self) -> asyncio.StreamReader:
        reader = await self._try_connect()  # one that outlived its owner
        if reader is not None:
            return reader
        self._process = await asyncio.create_subprocess_exec(*self._command, start_new_session=True)
        deadline = asyncio.get_running_loop().time() + CONNECT_TIMEOUT_S
        while asyncio.get_running_loop().time() < deadline and self._process.returncode is None:
            await asyncio.sleep(0.05)
            reader = await self._try_connect()
            if reader is not None:
                return reader
        raise TimeoutError

    async def _try_connect(self) -> asyncio.StreamReader | None:
        try:
            reader, self._writer = await asyncio.open_unix_connection(str(self._control_path))
        except (FileNotFoundError, ConnectionRefusedError):
            return None
        peer: socket.socket = self._writer.get_extra_info("socket")
        credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        self.process_id = int(struct.unpack("3i", credentials)[0])
        self._forget_process()
        self._process_file = os.pidfd_open(self.process_id)
        return reader

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while True:
            message = await asyncio.wait_for(read_message(reader, control.ANSWERS), SILENT_AFTER_S)
            match message:
                case control.Heartbeat(datagrams=datagrams, refused=refused):
                    self.datagrams, self.refused = datagrams, refused
                case control.Done(request=number):
                    self._answer(number, message)
                case control.Refused(request=number, code=code, advice=advice):
                    self._answer(number, RecorderError(code, advice))
                case _:
                    self._put(message)

    def _answer(self, number: int, answer: control.Done | RecorderError) -> None:
        reply = self._replies.get(number)
        if reply is None or reply.done():
            return
        if isinstance(answer, RecorderError):
            reply.set_exception(answer)
        else:
            reply.set_result(answer)

    def _put(self, event: RecorderEvent) -> None:
        """Queue an event; when nobody reads, the oldest goes: `segments` and the sidecars have it all."""
        if self._events.full():
            self._events.get_nowait()
            logger.warning("recorder events are not being read; the oldest was dropped")
        self._events.put_nowait(event)

    def _lose_connection(self) -> None:
        self._is_ready.clear()
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()
        for reply in self._replies.values():
            if not reply.done():
                reply.set_exception(_down())

    async def _kill(self) -> None:
        """End a recorder that is gone or hangs, and see it gone: its sockets are needed. What it wrote stays."""
        if self._process_file is not None:
            with suppress(OSError):  # it is gone, or belongs to somebody else
                signal.pidfd_send_signal(self._process_file, signal.SIGKILL)
            await self._has_ended()
        self._forget_process()
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):  # Process.kill would reap it before the event loop does
                os.kill(self._process.pid, signal.SIGKILL)

    def _forget_process(self) -> None:
        file, self._process_file = self._process_file, None
        if file is not None:
            os.close(file)


def _down() -> RecorderError:
    return RecorderError("recorder_down", "The recorder is being restarted; try again in a few seconds.")


def _problem(code: ProblemCode, at: datetime, *, cleared: bool = False) -> RecorderProblem:
    return RecorderProblem(code=code, at=at, cleared=cleared, advice="" if cleared else ADVICE[code])
