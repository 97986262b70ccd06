"""The rooms of one relay process. It is told what to do over a Unix socket, and stops when it has lost who tells it."""

import argparse
import asyncio
import gc
import logging
import os
import signal
import sys
from pathlib import Path
from typing import assert_never

import uvloop
from aiortc import RTCCertificate

from media.engine import EngineEvent, MediaError, RoomNotOpenError
from media.ice import AddressSettings
from media.sfu import control
from media.sfu.room import Room

logger = logging.getLogger(__name__)

CONTROL_LEASE_S = 10.0
"""How long a relay goes on without its service: nobody may speak where nobody can mute."""

MAX_WAITING_BYTES = 8 << 20

TIDY_AFTER_S = 10.0
"""What is left of a connection refers to itself in circles. It is few objects, so that Python's collector, which counts
objects, comes late, and much memory, which OpenSSL and libsrtp hold for them."""


class Worker:
    """Serves one control connection at a time; a new one replaces the old one."""

    def __init__(self, settings: AddressSettings, lease_s: float) -> None:
        self._settings = settings
        self._lease_s = lease_s
        self._certificate = RTCCertificate.generateCertificate()
        self._rooms: dict[str, Room] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._loop = asyncio.get_running_loop()
        self._heard_at_s = self._loop.time()
        self._tidying: asyncio.TimerHandle | None = None
        self.stopped = asyncio.Event()

    async def serve(self, path: Path) -> None:
        """Listen until told to stop, or until the lease has run out."""
        server = await asyncio.start_unix_server(self._on_control, path)
        self._heard_at_s = self._loop.time()
        self._watch_lease()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await self.stopped.wait()
        server.close()
        for room in self._rooms.values():
            await room.aclose()

    async def _on_control(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._writer is not None:
            self._writer.close()
        self._writer = writer
        try:
            while True:
                call = await control.read_frame(reader, control.calls)
                self._heard_at_s = self._loop.time()
                self._send(await self._answer(call))
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the service has gone, or this process ends; nobody awaits this task but the server itself
        except ValueError:
            logger.exception("the service is not understood")
        finally:
            writer.close()
            if self._writer is writer:
                self._writer = None

    async def _answer(self, call: control.Call) -> control.Reply:
        try:
            return await self._do(call.number, call.request)
        except MediaError as error:
            return control.Reply(number=call.number, error=error.code, text=str(error))
        except Exception as error:
            logger.exception("request failed")
            return control.Reply(number=call.number, error="media_error", text=type(error).__name__)

    async def _do(self, number: int, request: control.Request) -> control.Reply:
        match request:
            case control.Ping():
                pass
            case control.OpenRoom():
                if request.room not in self._rooms:
                    self._rooms[request.room] = Room(
                        request.room, settings=self._settings, certificate=self._certificate, emit=self._emit
                    )
            case control.CloseRoom():
                if (closed := self._rooms.pop(request.room, None)) is not None:
                    await closed.aclose()
                    self._tidy_soon()
            case control.GetStats():
                return control.Reply(number=number, stats=self._room(request.room).stats())
            case control.OpenIngest():
                sdp = await self._room(request.room).ingest(request.peer, request.epoch, request.offer_sdp)
                self._tidy_soon()
                return control.Reply(number=number, sdp=sdp)
            case control.OpenPeer() | control.ClosePeer() | control.TakeAnswer() | control.TakeCandidate():
                await self._do_for_peer(self._room(request.room), request)
            case _:
                self._do_for_streams(self._room(request.room), request)
        return control.Reply(number=number)

    async def _do_for_peer(self, room: Room, request: control.PeerRequest) -> None:
        match request:
            case control.OpenPeer():
                await room.open_peer(request.peer, request.epoch, sends=request.sends, slots=request.slots)
                self._tidy_soon()
            case control.ClosePeer():
                await room.close_peer(request.peer)
                self._tidy_soon()
            case control.TakeAnswer():
                await room.answer(request.peer, request.connection, request.epoch, request.negotiation, request.sdp)
            case control.TakeCandidate():
                await room.add_candidate(request.peer, request.connection, request.epoch, request.candidate)
            case _:
                assert_never(request)

    def _do_for_streams(self, room: Room, request: control.StreamRequest) -> None:
        match request:
            case control.ApplyPlan():
                room.apply(request.plan)
            case control.RequestKeyframe():
                room.request_keyframe(request.source)
            case control.StartTap():
                room.tap(request.source, request.kind, request.address)
            case control.StopTap():
                room.untap(request.source, request.kind, request.address)
            case _:
                assert_never(request)

    def _room(self, name: str) -> Room:
        try:
            return self._rooms[name]
        except KeyError:
            raise RoomNotOpenError(name) from None

    def _emit(self, event: EngineEvent) -> None:
        self._send(control.event_frame(event))

    def _send(self, value: control.FromWorker) -> None:
        writer = self._writer
        if writer is None or writer.is_closing():
            return
        if writer.transport.get_write_buffer_size() > MAX_WAITING_BYTES:
            # A service that does not read is no service: it may connect again, or the lease runs out.
            writer.transport.abort()
            return
        writer.write(control.frame(value))

    def _tidy_soon(self) -> None:
        """Collect what those who left, or came anew, have left behind: once for all of the next seconds."""
        if self._tidying is None:
            self._tidying = self._loop.call_later(TIDY_AFTER_S, self._tidy)

    def _tidy(self) -> None:
        self._tidying = None
        gc.collect()

    def _watch_lease(self) -> None:
        """An open connection is no sign of life: a service that hangs keeps it, and can mute nobody."""
        if self._loop.time() - self._heard_at_s >= self._lease_s:
            self.stopped.set()
        else:
            self._loop.call_later(self._lease_s / 8, self._watch_lease)


async def main(options: argparse.Namespace) -> None:
    settings = AddressSettings(
        addresses=tuple(options.address),
        advertise=options.advertise,
        port_range=tuple(options.ports) if options.ports else None,
    )
    worker = Worker(settings, options.lease)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, worker.stopped.set)
    # What lives now lives on; collections then look only at what packets leave behind, which is nothing.
    gc.collect()
    gc.freeze()
    await worker.serve(options.socket)


def parse_options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--socket", type=Path, required=True)
    parser.add_argument("--address", action="append", default=[])
    parser.add_argument("--advertise")
    parser.add_argument("--ports", type=int, nargs=2)
    parser.add_argument("--lease", type=float, default=CONTROL_LEASE_S)
    return parser.parse_args(arguments)


def run(arguments: list[str]) -> None:
    """Be a relay process until told to stop."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    os.umask(0o077)
    uvloop.run(main(parse_options(arguments)))
