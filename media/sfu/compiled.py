"""The compiled fast path (fast_path.c), where it was built. Set HEARING_PURE_RELAY=1 to do without it.

`fast_path.h` says what the two languages share; fast_path_ffi.py is generated from it, and a test says when it is old.
"""

import os
import socket
import sys
from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from media.sfu.fast_path_ffi import ffi
from media.sfu.host_socket import BATCH, HostSocket, Owner
from media.sfu.reception import Flow
from media.sfu.rtp import Layout
from media.sfu.srtp import function_address, session_address
from media.sfu.stream_path import Count, Kept, Mode, StreamPath, Tap
from media.sfu.tap import SocketTap

if TYPE_CHECKING:
    from media.sfu.forward import Forward

LIBRARY: Final = Path(__file__).with_name("_fast_path.so")
PURE_VARIABLE: Final = "HEARING_PURE_RELAY"

_REASONS: Final = ("protect_failed", "send_buffer_full", "send_failed", "tap_full", "tap_failed")
"""What `failures` of a stream counts, in the order of fast_path.h."""

_SHARED: Final = ("stream", "kept", "target", "outgoing", "tap", "door", "left")


def load(path: Path = LIBRARY) -> Any:
    """Return the library, ready to use, or None where it was not built or is not wanted."""
    if os.environ.get(PURE_VARIABLE) == "1" or not path.exists():
        return None
    functions = [ffi.cast("void *", function_address(name)) for name in ("srtp_protect", "srtp_unprotect")]
    try:
        library = ffi.dlopen(str(path))
        if library.shared_bytes() != sum(ffi.sizeof(f"struct {name}") for name in _SHARED):
            return None  # built from another source: the two would not mean the same memory
        library.use_srtp(*functions)
    except (OSError, AttributeError):  # built for another machine, or from another source
        return None
    return library


class CompiledStreamPath:
    """Takes packets in order without asking, as long as it was told what becomes of them."""

    def __init__(self, library: Any, ssrc: int, payload_types: Collection[int], clock_rate: int, count: Count) -> None:
        self._library = library
        self._count = count
        self.stream = ffi.gc(library.stream_new(), library.stream_free)
        self.stream.ssrc, self.stream.clock_rate = ssrc, clock_rate
        self.stream.payload_types = list(payload_types)
        self.stream.payload_type_count = len(payload_types)
        self.flow: Flow = self.stream
        # What the structure points to, kept while C may use it.
        self._targets: Any = ffi.NULL
        self._sessions: list[Any] = []
        self._taps: Any = ffi.NULL

    def take(self, packet: bytes, at_s: float) -> bool:
        writable = bytearray(packet)
        if not self._library.stream_take(self.stream, ffi.from_buffer(writable), len(writable), at_s):
            return False
        self._library.stream_flush(self.stream)
        return True

    def keep(self, number: int, packet: bytes, found: Layout) -> None:
        self._library.ring_put(self.stream, number, packet, len(packet), found.payload_at, found.mid_at)

    def kept(self, number: int) -> Kept | None:
        kept = self.stream.ring[number % self._library.RING]
        if kept.number == self._library.NOTHING_KEPT:
            return None
        found = Layout(kept.payload_at, kept.mid_at, 0, True)
        return Kept(kept.number, ffi.buffer(kept.packet, kept.size)[:], found)

    def forget(self) -> None:
        self._library.ring_clear(self.stream)

    def prepare(self, forwards: "Sequence[Forward]") -> None:
        able = [(f, f.transport.route) for f in forwards if f.transport.tx is not None]
        ready = [(forward, route) for forward, route in able if route is not None]
        targets = ffi.new("struct target[]", len(ready)) if ready else ffi.NULL
        for target, (forward, route) in zip(targets if ready else (), ready, strict=True):
            address = b"" if route.is_connected else packed_address(route.address)
            target.session = ffi.cast("void *", session_address(forward.transport.tx))
            target.socket = route.socket.fileno()
            target.address_bytes = len(address)
            target.address = address.ljust(len(target.address), b"\0")
            target.ssrc = forward.out.ssrc
            target.timestamp_offset = forward.timestamp_offset & 0xFFFFFFFF
            target.sequence_offset = forward.sequence_offset & 0xFFFF
            target.mid = forward.out.mid.ljust(4, b"\0")
        self.stream.targets, self.stream.target_count = targets, len(ready)
        self._targets, self._sessions = targets, [forward.transport.tx_session for forward, _ in ready]

    def send(self, packet: bytes, number: int, timestamp: int, mid_at: int) -> None:
        stream = self.stream
        one = ffi.new("struct outgoing *", (ffi.from_buffer(packet), len(packet), mid_at, number & 0xFFFF, timestamp))
        if self._library.fan_out(stream.targets, stream.target_count, one, 1, stream.failures):
            self.collect()

    def decide(self, mode: Mode, taps: Sequence[Tap]) -> None:
        sockets = [tap for tap in taps if isinstance(tap, SocketTap)]
        if len(sockets) < len(taps):
            mode = Mode.ASK
        self.stream.mode = mode
        made = ffi.new("struct tap[]", len(sockets)) if sockets else ffi.NULL
        for entry, tap in zip(made if sockets else (), sockets, strict=True):
            address = packed_address(tap.address)
            entry.socket = tap.socket.fileno()
            entry.address_bytes = len(address)
            entry.address = address.ljust(len(entry.address), b"\0")
        self.stream.taps, self.stream.tap_count = made, len(sockets)
        self._taps = made

    def collect(self) -> None:
        failures = self.stream.failures
        for index, reason in enumerate(_REASONS):
            if failures[index]:
                self._count(reason, failures[index])
                failures[index] = 0


def packed_address(address: str | tuple[str, int]) -> bytes:
    """Return a `struct sockaddr_in`, `sockaddr_in6` or, for a path, `sockaddr_un` of Linux or macOS."""
    if isinstance(address, str):
        family, body = socket.AF_UNIX, address.encode() + b"\0"
    else:
        host, port = address
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        packed = socket.inet_pton(family, host)
        is_v6 = family is socket.AF_INET6
        body = port.to_bytes(2, "big") + (bytes(4) + packed + bytes(4) if is_v6 else packed + bytes(8))
    if sys.platform == "darwin":
        return bytes((len(body) + 2, family)) + body
    return int(family).to_bytes(2, sys.byteorder) + body


def unpacked_address(address: bytes) -> tuple[str, int]:
    """Return host and port of a `struct sockaddr_in` or `sockaddr_in6`."""
    number = address[1] if sys.platform == "darwin" else int.from_bytes(address[:2], sys.byteorder)
    family = socket.AddressFamily(number)
    packed = address[8:24] if family is socket.AF_INET6 else address[4:8]
    return socket.inet_ntop(family, packed), int.from_bytes(address[2:4], "big")


class CompiledHostSocket(HostSocket):
    """Reads many datagrams in one call, which takes most of them itself."""

    def __init__(self, library: Any, address: str, port: int, owner: Owner) -> None:
        super().__init__(address, port, owner)
        self._library = library
        self._door = ffi.new("struct door *")
        self._kept: tuple[Any, ...] = ()  # what the structure points to
        self._session: Any = None

    @property
    def last_heard_s(self) -> float:
        return float(self._door.last_heard_s)

    def expect_media(self, session: Any, address: tuple[str, int] | None) -> None:
        self._session = session
        if session is None or address is None:
            self._door.session = ffi.NULL
            return
        self._door.session = ffi.cast("void *", session_address(session))
        self._door.address = packed_address(address).ljust(len(self._door.address), b"\0")

    def carry(self, paths: Sequence[StreamPath]) -> None:
        streams = [path.stream for path in paths if isinstance(path, CompiledStreamPath)][: self._library.MAX_STREAMS]
        self._door.stream_count = 0
        for index, stream in enumerate(streams):
            self._door.streams[index] = stream
        self._door.stream_count = len(streams)
        self._kept = tuple(streams)

    def _begin_reading(self, from_socket: socket.socket) -> None:
        self._loop.add_reader(from_socket, partial(self._read, self._library.drain, from_socket.fileno(), self._door))

    def _read(self, drain: Any, number: int, door: Any) -> None:
        left = drain(number, door, _LEFT)
        for index in range(left):
            self._take_left(_LEFT[index])

    def _take_left(self, one: Any) -> None:
        if one.what == self._library.BAD_SRTP:
            self._owner.count("srtp")
            return
        data = ffi.buffer(one.data, one.size)[:]
        if one.what == self._library.PLAIN:
            self._hand_over(self._owner.take_rtp, data, self._door.last_heard_s)
        else:
            address = unpacked_address(ffi.buffer(one.address)[:])
            self._hand_over(self._owner.take_datagram, self, data, address)


_LEFT: Final = ffi.new("struct left[]", BATCH)
