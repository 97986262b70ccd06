"""The relay as the service sees it: one process a courtroom, watched, and started anew by the next `open_room`."""

import asyncio
import contextlib
import logging
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from itertools import count
from pathlib import Path
from weakref import WeakValueDictionary

from media.engine import (
    BadSdpError,
    BadTapAddressError,
    ConnectionName,
    EngineDownError,
    EngineEvent,
    IngestAnswer,
    MediaError,
    PeerNotConnectedError,
    RoomLost,
    RoomNotOpenError,
    RoomStats,
    StaleNegotiationError,
    TapAddress,
)
from media.ice import AddressSettings
from media.plan import Kind, Plan
from media.sfu import control
from media.sfu.ingest_sdp import read_ingest_offer

logger = logging.getLogger(__name__)

START_TIMEOUT_S = 20.0
CALL_TIMEOUT_S = 10.0
HEARTBEAT_S = 2.0
MAX_EVENTS = 10_000
SPARE_PAUSE_S = 1.0
"""Before a spare process that died is replaced: if the next one dies too, that must not take a whole core."""
_FIRST_EPOCH_AT_S = 1_577_836_800  # 2020: epochs stay below 2^31 until 2088

_ERRORS: dict[str, type[MediaError]] = {
    error.code: error
    for error in (
        BadSdpError,
        BadTapAddressError,
        EngineDownError,
        PeerNotConnectedError,
        RoomNotOpenError,
        StaleNegotiationError,
    )
}


class RelayProcess:
    """One relay process and the control connection to it. `on_end(self, cause)` is called once, when it is gone."""

    def __init__(self, on_event: Callable[[EngineEvent], None], on_end: "Callable[[RelayProcess, str], None]") -> None:
        self._on_event, self._on_end = on_event, on_end
        self._numbers = count(1)
        self._waiting: dict[int, asyncio.Future[control.Reply]] = {}
        self._is_closing = False

    async def start(self, executable: str, settings: AddressSettings, socket: Path) -> None:
        """Raises EngineDownError when the process does not come up."""
        options = [f"--address={address}" for address in settings.addresses]
        if settings.advertise is not None:
            options.append(f"--advertise={settings.advertise}")
        if settings.port_range is not None:
            options += ["--ports", *map(str, settings.port_range)]
        self.process = await asyncio.create_subprocess_exec(
            executable, "-m", "media.sfu.worker", f"--socket={socket}", *options, stdout=asyncio.subprocess.PIPE,
            stdin=asyncio.subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                assert self.process.stdout is not None, "asked for above"
                if not await self.process.stdout.readline():
                    raise EngineDownError("the relay process ended while starting")
                self._reader, self._writer = await asyncio.open_unix_connection(socket)
        except (TimeoutError, OSError, EngineDownError) as error:
            await self._kill()
            raise EngineDownError(f"the relay process did not start: {error}") from error
        except asyncio.CancelledError:
            await self._kill()
            raise
        self._task = asyncio.create_task(self._read(), name=f"relay {self.process.pid}")
        self._heart = asyncio.create_task(self._beat(), name=f"heartbeat {self.process.pid}")

    @property
    def is_alive(self) -> bool:
        return not (self._is_closing or self._task.done())

    async def call(self, request: control.Request) -> control.Reply:
        """Raises MediaError."""
        if not self.is_alive:
            raise EngineDownError("the relay process is gone")
        number = next(self._numbers)
        waiting: asyncio.Future[control.Reply] = asyncio.get_running_loop().create_future()
        self._waiting[number] = waiting
        try:
            self._writer.write(control.frame(control.Call(number, request)))
            async with asyncio.timeout(CALL_TIMEOUT_S):
                reply = await waiting
        except TimeoutError:
            # It hangs: end it, so that the room is opened elsewhere.
            logger.error("relay process %d does not answer", self.process.pid)
            await self._kill()
            raise EngineDownError("the relay process does not answer") from None
        finally:
            self._waiting.pop(number, None)
        if reply.error is not None:
            raise _ERRORS.get(reply.error, MediaError)(reply.text)
        return reply

    async def aclose(self) -> None:
        """End the process. Safe to call twice."""
        if self._is_closing:
            return
        self._is_closing = True
        self._writer.close()
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.terminate()
        try:
            async with asyncio.timeout(3):
                await self.process.wait()
        except TimeoutError:
            await self._kill()
        self._heart.cancel()
        await asyncio.wait([self._task, self._heart])

    async def _beat(self) -> None:
        """Renew the relay's lease, and notice a relay that hangs: `call` ends it."""
        while self.is_alive:
            with contextlib.suppress(MediaError):
                await self.call(control.Ping())
            await asyncio.sleep(HEARTBEAT_S)

    async def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()

    async def _read(self) -> None:
        cause = "control connection closed"
        try:
            while True:
                message = await control.read_frame(self._reader, control.answers)
                if isinstance(message, control.Reply):
                    waiting = self._waiting.get(message.number)
                    if waiting is not None and not waiting.done():
                        waiting.set_result(message)
                else:
                    self._on_event(message.event)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        except Exception as error:
            cause = f"control protocol: {type(error).__name__}"
            logger.exception("relay process %d is not understood", self.process.pid)
        await self._end(cause)

    async def _end(self, cause: str) -> None:
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(EngineDownError("the relay process is gone"))
        if self._is_closing:
            return
        try:
            # Killing first would reap the process behind asyncio's back, and its exit status would be lost.
            async with asyncio.timeout(1):
                await self.process.wait()
        except TimeoutError:
            await self._kill()
        code = self.process.returncode
        self._on_end(self, f"signal {-code}" if code is not None and code < 0 else f"exit {code}, {cause}")


class SfuEngine:
    """`MediaEngine` on our own relay processes. Does not reopen rooms by itself.

    Args:
        addresses: local IP addresses that receive media.
        advertise: public address to tell peers instead, behind NAT.
        port_range: lowest and highest UDP port.
        executable: the Python that runs the relay.
        rooms_per_process: how many rooms share a process. More than one saves memory (about 37 MB each) and costs
            isolation: a process that dies takes all its rooms.
    """

    def __init__(
        self,
        *,
        addresses: tuple[str, ...],
        advertise: str | None = None,
        port_range: tuple[int, int] | None = None,
        executable: str = sys.executable,
        rooms_per_process: int = 1,
    ) -> None:
        if rooms_per_process < 1:
            raise ValueError("rooms_per_process must be at least 1")
        self._rooms_per_process = rooms_per_process
        self._choosing = asyncio.Lock()
        self._settings = AddressSettings(addresses=addresses, advertise=advertise, port_range=port_range)
        self._folder = tempfile.TemporaryDirectory(prefix="hearing-relay-")
        self._executable = executable
        self._relays: dict[str, RelayProcess] = {}
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()  # while a room is being opened
        self._events: asyncio.Queue[EngineEvent] = asyncio.Queue(MAX_EVENTS)
        self._socket_numbers = count(1)
        self._spare: asyncio.Task[RelayProcess] | None = None
        self._is_closed = False
        self._last_epoch = 0

    def worker_pid(self, room: str) -> int | None:
        """The process that carries `room`."""
        relay = self._relays.get(room)
        return None if relay is None else relay.process.pid

    @property
    def spare_pid(self) -> int | None:
        """The process that waits for the next room; None while there is none, or it is not ready yet."""
        spare = self._spare
        if spare is None or not spare.done() or spare.cancelled() or spare.exception() is not None:
            return None
        return spare.result().process.pid

    async def open_room(self, room: str) -> None:
        async with self._locks.setdefault(room, asyncio.Lock()):
            if room in self._relays:
                return
            relay = await self._choose(room)
            try:
                await relay.call(control.OpenRoom(room))
            except MediaError:
                self._relays.pop(room, None)
                await self._leave(relay)
                raise

    async def _choose(self, room: str) -> RelayProcess:
        """Raises EngineDownError."""
        if self._rooms_per_process == 1:  # several rooms may open at once
            relay = self._relays[room] = await self._take_spare()
            return relay
        async with self._choosing:
            carried = Counter(self._relays.values())
            shared = next((one for one, n in carried.items() if one.is_alive and n < self._rooms_per_process), None)
            relay = self._relays[room] = shared or await self._take_spare()
            return relay

    async def _leave(self, relay: RelayProcess) -> None:
        """End a process that carries no room any more."""
        if relay not in self._relays.values():
            await relay.aclose()

    def warm_up(self) -> None:
        """Start a relay process before it is needed: loading the media stack takes a second or more."""
        if self._spare is None and not self._is_closed:
            self._spare = asyncio.create_task(self._start_relay(), name="spare relay")

    async def _take_spare(self) -> RelayProcess:
        """Raises EngineDownError."""
        self.warm_up()
        spare, self._spare = self._spare, None
        if spare is None:
            raise EngineDownError("the engine is closed")
        relay = await spare
        self.warm_up()
        return relay if relay.is_alive else await self._start_relay()

    async def _start_relay(self) -> RelayProcess:
        relay = RelayProcess(self._put, self._on_end)
        path = Path(self._folder.name) / f"{next(self._socket_numbers)}.sock"
        await relay.start(self._executable, self._settings, path)
        return relay

    async def close_room(self, room: str) -> None:
        relay = self._relays.pop(room, None)
        if relay is None:
            return
        if relay in self._relays.values():
            with contextlib.suppress(EngineDownError):  # then the room is closed too
                await relay.call(control.CloseRoom(room))
        await self._leave(relay)

    async def open_peer(self, room: str, peer: str, *, sends: bool, slots: int) -> int:
        relay = self._relay(room)
        epoch = self._next_epoch()
        await relay.call(control.OpenPeer(room, peer, epoch, sends, slots))
        return epoch

    def check_offer(self, offer_sdp: str) -> None:
        read_ingest_offer(offer_sdp)

    async def ingest(self, room: str, peer: str, offer_sdp: str) -> IngestAnswer:
        relay = self._relay(room)
        epoch = self._next_epoch()
        reply = await relay.call(control.OpenIngest(room, peer, epoch, offer_sdp))
        assert reply.sdp is not None, "the relay answers OpenIngest with SDP"
        return IngestAnswer(epoch=epoch, sdp=reply.sdp)

    def _next_epoch(self) -> int:
        """Counted here and from the time of day: epochs grow through restarts of relays and of this process."""
        self._last_epoch = max(self._last_epoch + 1, int(time.time()) - _FIRST_EPOCH_AT_S)
        return self._last_epoch

    async def answer(
        self, room: str, peer: str, connection: ConnectionName, epoch: int, negotiation: int, sdp: str
    ) -> None:
        await self._relay(room).call(control.TakeAnswer(room, peer, connection, epoch, negotiation, sdp))

    async def add_candidate(self, room: str, peer: str, connection: ConnectionName, epoch: int, candidate: str) -> None:
        await self._relay(room).call(control.TakeCandidate(room, peer, connection, epoch, candidate))

    async def close_peer(self, room: str, peer: str) -> None:
        if room in self._relays:
            await self._relay(room).call(control.ClosePeer(room, peer))

    async def apply(self, room: str, plan: Plan) -> None:
        await self._relay(room).call(control.ApplyPlan(room, plan))

    async def request_keyframe(self, room: str, source: str) -> None:
        await self._relay(room).call(control.RequestKeyframe(room, source))

    async def tap(self, room: str, source: str, kind: Kind, address: TapAddress) -> None:
        await self._relay(room).call(control.StartTap(room, source, kind, address))

    async def untap(self, room: str, source: str, kind: Kind, address: TapAddress) -> None:
        if room in self._relays:
            await self._relay(room).call(control.StopTap(room, source, kind, address))

    async def stats(self, room: str) -> RoomStats:
        reply = await self._relay(room).call(control.GetStats(room))
        assert reply.stats is not None, "the relay answers GetStats with numbers"
        return reply.stats

    async def events(self) -> AsyncIterator[EngineEvent]:
        while True:
            yield await self._events.get()

    async def aclose(self) -> None:
        self._is_closed = True
        relays, self._relays = list(dict.fromkeys(self._relays.values())), {}
        if self._spare is not None:
            self._spare.cancel()
            await asyncio.wait([self._spare])
            if not self._spare.cancelled() and self._spare.exception() is None:
                relays.append(self._spare.result())
        await asyncio.gather(*(relay.aclose() for relay in relays))
        self._folder.cleanup()

    def _relay(self, room: str) -> RelayProcess:
        try:
            return self._relays[room]
        except KeyError:
            raise RoomNotOpenError(room) from None

    def _on_end(self, relay: RelayProcess, cause: str) -> None:
        if relay.process.pid == self.spare_pid:
            logger.warning("the spare relay process ended: %s", cause)
            self._spare = None
            asyncio.get_running_loop().call_later(SPARE_PAUSE_S, self.warm_up)
        for room, carrier in list(self._relays.items()):
            if carrier is relay:
                del self._relays[room]
                self._put(RoomLost(room=room, cause=cause))

    def _put(self, event: EngineEvent) -> None:
        try:
            self._events.put_nowait(event)
        except asyncio.QueueFull:
            # Nobody follows the relay: its offers are worth nothing then, and browsers ask again by themselves.
            logger.error("a relay event was dropped; nobody reads them")
