"""The recorder process: `python -m media.recording.recorder --directory D --control SOCKET`."""

import argparse
import asyncio
import logging
import os
import shutil
import signal
import socket
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from media.plan import Kind
from media.recording import control, recovery, sidecar
from media.recording.control import Done, FromRecorder, Heartbeat, Refused, Reply, Request
from media.recording.entries import (
    ADVICE,
    GapCause,
    KeyframeWanted,
    ProblemCode,
    RecorderEvent,
    RecorderProblem,
    RecorderStarted,
    utc,
)
from media.recording.seat_recorder import SeatRecorder
from media.recording.segment import SegmentLength
from media.taps.framing import framed, read_message
from media.taps.input_socket import Address, TapInput

logger = logging.getLogger(__name__)

TICK_S: Final = 0.1
SYNC_S: Final = 1.0
MAX_UNSENT_EVENTS: Final = 2000
MAX_UNSENT_BYTES: Final = 8 * 1024 * 1024
JOURNAL: Final = "recording.jsonl"

DEFAULT_MINIMUM_FREE_BYTES: Final = 64 * 1024 * 1024
"""Below this nothing new is written: what is left ends files and takes the log. A warning comes at four times this."""


class RefusedError(Exception):
    """A request makes no sense. `code` is stable."""

    def __init__(self, code: str, advice: str) -> None:
        super().__init__(advice)
        self.code = code
        self.advice = advice


class RoomClock:
    """Unix seconds that never step: the wall clock at start plus what has passed since."""

    def __init__(self) -> None:
        self._offset_s = time.time() - time.monotonic()

    def now_s(self) -> float:
        return self._offset_s + time.monotonic()


class RecorderService:
    """Records all seats of one hearing into `directory`. One event loop owns it; `aclose` ends all files.

    The constructor raises OSError when `directory` cannot be used.
    """

    def __init__(self, directory: Path, *, length: SegmentLength | None = None, minimum_free_bytes: int) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._length = length or SegmentLength()
        self._minimum_free_bytes = minimum_free_bytes
        self._clock = RoomClock()
        self._seats: dict[str, SeatRecorder] = {}
        self._inputs: dict[tuple[str, Kind], TapInput] = {}
        self._histories: dict[str, recovery.SeatHistory] = {}
        self._paused = ""
        self._disk: ProblemCode | None = None
        self._datagrams = 0
        self._unsent: deque[FromRecorder] = deque(maxlen=MAX_UNSENT_EVENTS)
        self._owner: asyncio.StreamWriter | None = None
        self._owner_lost_s = self._clock.now_s()
        self._tasks: list[asyncio.Task[None]] = []
        self._serving: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: asyncio.Server | None = None
        self._control_path: Path | None = None
        self.finished = asyncio.Event()
        self._journal = sidecar.Sidecar(directory / JOURNAL)
        self._epoch_s = self._begin_journal()

    def _begin_journal(self) -> float:
        started = RecorderStarted(at=utc(self._clock.now_s()), process_id=os.getpid())
        earlier = [e for e in sidecar.read(self._directory / JOURNAL) if isinstance(e, RecorderStarted)]
        self._journal.append(started)
        self._report(started)
        return (earlier[0] if earlier else started).at.timestamp()

    async def start(self, control_path: Path) -> None:
        """Finish what an earlier process left, and serve `control_path`."""
        await asyncio.to_thread(self._recover)
        self._loop = asyncio.get_running_loop()
        self._control_path = control_path
        self._server = await asyncio.start_unix_server(self._serve, sock=_listen(control_path))
        self._tasks = [
            asyncio.create_task(self._tick(), name="recorder tick"),
            asyncio.create_task(self._sync(), name="recorder sync"),
        ]

    def _recover(self) -> None:
        for path in sorted(self._directory.glob(f"*/{recovery.SIDECAR}")):
            history, added = recovery.recover_seat(path.parent)
            self._histories[path.parent.name] = history
            for entry in added:
                self._report(entry)

    async def aclose(self) -> None:
        """End all files. Safe to call twice."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        if self._server is not None and self._control_path is not None:
            self._control_path.unlink(missing_ok=True)  # before the next recorder can bind it
            self._server.close()
            self._control_path = None
        for seat in list(self._seats):
            self._stop_seat(seat)
        if tasks:
            await asyncio.wait(tasks)
        owner = self._owner
        if owner is not None:
            with suppress(OSError, TimeoutError):
                await asyncio.wait_for(owner.drain(), 1.0)
            owner.close()
        if self._serving:
            await asyncio.wait(self._serving, timeout=1.0)  # each sees the end of its connection
        self._journal.close()
        self.finished.set()

    # Control

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one owner. Another is turned away while the first is connected: two would contradict each other."""
        if self._owner is not None:
            writer.close()
            return
        serving = asyncio.current_task()
        if serving is not None:
            self._serving.add(serving)
            serving.add_done_callback(self._serving.discard)
        self._owner = writer
        self._flush()
        try:
            while True:
                request: Request = await read_message(reader, control.REQUESTS)
                self._send(self._handle(request))
                if isinstance(request, control.CloseRecorder):
                    await writer.drain()
                    self.finished.set()
        except (EOFError, OSError):
            pass
        except msgspec.DecodeError as error:
            logger.warning("control connection sent something that is not a message: %s", error)
        finally:
            writer.close()
            if self._owner is writer:
                self._owner, self._owner_lost_s = None, self._clock.now_s()

    def _handle(self, request: Request) -> Reply:
        now_s = self._clock.now_s()
        try:
            match request:
                case control.StartSeat():
                    return Done(request=request.request, inputs=self._start_seat(request, now_s))
                case control.StopSeat(seat=seat):
                    self._stop_seat(seat)
                case control.Expect():
                    self._seat(request.seat).expect(request.kind, request.is_sending, request.cause, now_s)
                case control.Pause(reason=reason):
                    self._pause(reason, now_s)
                case control.Resume():
                    self._resume(now_s)
                case control.MarkGap():
                    self._seat(request.seat).note_gap(
                        request.kind, request.cause, request.opened_at.timestamp(), request.closed_at.timestamp()
                    )
                case control.ListSegments():
                    found = recovery.closed_segments(self._directory)
                    return Done(request=request.request, segments=tuple(found))
                case control.CloseRecorder():
                    for seat in list(self._seats):
                        self._stop_seat(seat)
        except RefusedError as error:
            return Refused(request=request.request, code=error.code, advice=error.advice)
        except OSError as error:
            logger.error("a request could not be done: errno %s", error.errno)
            advice = ADVICE[ProblemCode.WRITE_FAILED]
            return Refused(request=request.request, code=ProblemCode.WRITE_FAILED, advice=advice)
        return Done(request=request.request)

    def _report(self, event: RecorderEvent) -> None:
        self._send(event)

    def _send(self, message: FromRecorder) -> None:
        """Hand `message` to the owner. While there is none the newest MAX_UNSENT_EVENTS are kept."""
        if not isinstance(message, Heartbeat | KeyframeWanted) or self._owner is not None:
            self._unsent.append(message)
        self._flush()

    def _flush(self) -> None:
        while self._unsent and self._owner is not None and not self._owner.is_closing():
            if self._owner.transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
                return  # an owner that does not read; it may come back for the rest
            self._owner.write(framed(self._unsent.popleft()))

    # Seats

    def _seat(self, seat: str) -> SeatRecorder:
        if seat not in self._seats:
            raise RefusedError("seat_not_recorded", "Start the seat first.")
        return self._seats[seat]

    def _start_seat(self, request: control.StartSeat, now_s: float) -> dict[Kind, Address]:
        if not control.is_seat_name(request.seat):
            raise RefusedError("bad_seat_name", "Use 1 to 64 ASCII letters, digits, hyphens and underscores.")
        seat = self._seats.get(request.seat)
        crashed: dict[Kind, float] = {}
        if seat is None:
            history = self._histories.pop(request.seat, None) or self._history(request.seat)
            crashed = history.crashed
            seat = self._seats[request.seat] = SeatRecorder(
                request.seat,
                control.seat_directory(self._directory, request.seat),
                epoch_s=self._epoch_s,
                report=self._report,
                length=self._length,
                next_gap=history.next_gap,
            )
        for kind in request.kinds:
            self._open_input(request.seat, kind, request.inputs.get(kind, ("127.0.0.1", 0)))
        seat.start(request.kinds, now_s, crashed)
        self._shut_if_needed(seat, now_s)
        return {kind: tap.address for (name, kind), tap in self._inputs.items() if name == request.seat}

    def _history(self, seat: str) -> recovery.SeatHistory:
        return recovery.recover_seat(control.seat_directory(self._directory, seat))[0]

    def _open_input(self, seat: str, kind: Kind, address: Address) -> None:
        if (seat, kind) in self._inputs or self._loop is None:
            return
        tap = self._inputs[seat, kind] = TapInput(address)
        self._loop.add_reader(tap.socket, partial(self._read, seat, kind, tap))

    def _read(self, seat: str, kind: Kind, tap: TapInput) -> None:
        now_s = self._clock.now_s()
        datagrams = tap.drain(now_s)
        self._datagrams += len(datagrams)
        self._seats[seat].on_datagrams(kind, datagrams, now_s)

    def _stop_seat(self, seat: str) -> None:
        for key in [key for key in self._inputs if key[0] == seat]:
            tap = self._inputs.pop(key)
            if self._loop is not None:
                self._loop.remove_reader(tap.socket)
            tap.close()
        recorder = self._seats.pop(seat, None)
        if recorder is not None:
            recorder.close(self._clock.now_s())

    # Pauses and the disk

    def _pause(self, reason: str, now_s: float) -> None:
        self._paused = reason or "unspecified"
        for seat in self._seats.values():
            self._shut_if_needed(seat, now_s)

    def _resume(self, now_s: float) -> None:
        self._paused = ""
        for seat in self._seats.values():
            seat.reopen(now_s)
            self._shut_if_needed(seat, now_s)

    def _shut_if_needed(self, seat: SeatRecorder, now_s: float) -> None:
        if self._paused:
            seat.shut(GapCause.PAUSE, now_s, self._paused)
        elif self._disk is ProblemCode.DISK_FULL:
            seat.shut(GapCause.DISK, now_s)

    def _watch_disk(self, now_s: float) -> None:
        """Stop before the disk is full, so that files can still be ended and the log still be written."""
        try:
            free = shutil.disk_usage(self._directory).free
        except OSError:
            return  # the next write says what is wrong
        least = self._minimum_free_bytes
        if self._disk is ProblemCode.DISK_FULL:
            now = ProblemCode.DISK_FULL if free < least * 1.25 else None
        else:
            now = ProblemCode.DISK_FULL if free < least else None
        if now is None and free < least * 4:
            now = ProblemCode.DISK_LOW
        if now is not self._disk:
            self._on_disk(now, now_s)

    def _on_disk(self, now: ProblemCode | None, now_s: float) -> None:
        before, self._disk = self._disk, now
        if before is not None:
            self._problem(RecorderProblem(code=before, at=utc(now_s), cleared=True))
        if now is not None:
            self._problem(RecorderProblem(code=now, at=utc(now_s), advice=ADVICE[now]))
        for seat in self._seats.values():
            if before is ProblemCode.DISK_FULL and not self._paused:
                seat.reopen(now_s)
            self._shut_if_needed(seat, now_s)

    def _problem(self, problem: RecorderProblem) -> None:
        self._journal.append(problem)
        self._report(problem)

    # What is due

    async def _tick(self) -> None:
        beat_s = 0.0
        while True:
            await asyncio.sleep(TICK_S)
            now_s = self._clock.now_s()
            for seat in self._seats.values():
                seat.tick(now_s)
            if now_s - beat_s >= control.HEARTBEAT_S:
                beat_s = now_s
                self._journal.retry()
                self._watch_disk(now_s)
                refused = sum(tap.foreign + tap.oversized for tap in self._inputs.values())
                refused += sum(seat.refused for seat in self._seats.values())
                self._send(Heartbeat(datagrams=self._datagrams, refused=refused))
            if self._owner is None and now_s - self._owner_lost_s >= control.CONTROL_LEASE_S:
                logger.warning("nobody has been in control for %s s: closing", control.CONTROL_LEASE_S)
                self.finished.set()

    async def _sync(self) -> None:
        """Put what was written onto the disk every second, in a thread: a slow disk must not stop the reading."""
        while True:
            await asyncio.sleep(SYNC_S)
            files = [file for seat in self._seats.values() for file in seat.files_to_sync()]
            await asyncio.to_thread(_sync_and_close, files)


def _listen(path: Path) -> socket.socket:
    """Bind `path` for this user only, in place of what a killed process left there."""
    with suppress(FileNotFoundError):
        path.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    listener.bind(str(path))
    path.chmod(0o600)
    return listener


def _sync_and_close(files: Sequence[int]) -> None:
    for file in files:
        with suppress(OSError):  # the next write of this file reports it
            os.fsync(file)
        os.close(file)


async def run(directory: Path, control_path: Path, *, length: SegmentLength, minimum_free_bytes: int) -> None:
    """Record until told to stop, by a request, SIGTERM or SIGINT, or for want of an owner."""
    recorder = RecorderService(directory, length=length, minimum_free_bytes=minimum_free_bytes)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, recorder.finished.set)
    try:
        await recorder.start(control_path)
        await recorder.finished.wait()
    finally:
        await recorder.aclose()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="media.recording.recorder", description="Records the seats of one hearing.")
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--control", type=Path, required=True, help="path of the Unix socket to serve")
    parser.add_argument("--roll-after", type=float, default=SegmentLength().roll_after_s, metavar="SECONDS")
    parser.add_argument("--segment-at-most", type=float, default=SegmentLength().most_s, metavar="SECONDS")
    parser.add_argument("--minimum-free-bytes", type=int, default=DEFAULT_MINIMUM_FREE_BYTES)
    options = parser.parse_args(arguments)
    length = SegmentLength(roll_after_s=options.roll_after, most_s=options.segment_at_most)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    asyncio.run(run(options.directory, options.control, length=length, minimum_free_bytes=options.minimum_free_bytes))


if __name__ == "__main__":
    main()
