"""Sends one packet to many receivers: in pure Python, or through compiled code where that was built.

Both write the receiver's number, timestamp, SSRC and MID into a copy, encrypt it with the receiver's SRTP session and
hand it to the receiver's socket. Set HEARING_PURE_RELAY=1 to use Python although the compiled code is there.
"""

import os
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from struct import Struct
from typing import TYPE_CHECKING, Any, Final, Protocol

from cffi import FFI  # type: ignore[import-untyped]  # comes without types

from media.sfu.codecs import MID_BYTES
from media.sfu.srtp import LENGTH, OUT, OUT_C, OUT_VIEW, function_address, protect, session_address

if TYPE_CHECKING:
    from media.sfu.forward import Forward

LIBRARY: Final = Path(__file__).with_name("_fanout.so")
PURE_VARIABLE: Final = "HEARING_PURE_RELAY"

Count = Callable[[str, int], None]
"""Takes a reason for which packets were not sent, and how many."""

_numbers = Struct("!HLL")

_DECLARATIONS: Final = """
struct target {
    void *session;
    int socket;
    unsigned int address_bytes;
    unsigned char address[28];
    unsigned int ssrc;
    unsigned int timestamp_offset;
    unsigned short sequence_offset;
    unsigned char mid[4];
};
int fan_out(const struct target *targets, int count, const unsigned char *packet, int size, int mid_at,
            unsigned int sequence, unsigned int timestamp, void *protect, int *failures);
"""


class FanOut(Protocol):
    """Sends to all receivers it was prepared with."""

    def prepare(self, forwards: "Sequence[Forward]") -> None:
        """Send to `forwards` from now on. To be called again when any of their transports or offsets has changed."""

    def send(self, packet: bytes, number: int, timestamp: int, mid_at: int) -> None:
        """Send a packet of the source; `mid_at` is where the MID stands in it, or 0."""


class PureFanOut:
    def __init__(self, count: Count) -> None:
        self._count = count
        self._targets: list[tuple[Any, Callable[..., int], Any, int, int, int, bytes]] = []

    def prepare(self, forwards: "Sequence[Forward]") -> None:
        self._targets = [
            (f.transport.tx, route.send, route.address, f.sequence_offset, f.timestamp_offset, f.out.ssrc, f.out.mid)
            for f in forwards
            if (route := f.transport.route) is not None and f.transport.tx is not None
        ]

    def send(self, packet: bytes, number: int, timestamp: int, mid_at: int) -> None:
        size, mid_end = len(packet), mid_at + MID_BYTES
        pack_numbers = _numbers.pack_into
        for tx, send, address, sequence_offset, timestamp_offset, ssrc, mid in self._targets:
            OUT[0:size] = packet
            pack_numbers(OUT, 2, (number + sequence_offset) & 0xFFFF, (timestamp + timestamp_offset) & 0xFFFFFFFF, ssrc)
            if mid_at:
                OUT[mid_at:mid_end] = mid
            LENGTH[0] = size
            if protect(tx, OUT_C, LENGTH):
                self._count("protect_failed", 1)
                continue
            try:
                send(OUT_VIEW[: LENGTH[0]], address)
            except BlockingIOError:
                self._count("send_buffer_full", 1)
            except OSError:
                self._count("send_failed", 1)


class CompiledFanOut:
    """The same through `fanout.c`. `library` is what `load` returned."""

    def __init__(self, count: Count, library: Any) -> None:
        self._count = count
        self._send = library.fan_out
        self._targets: Any = None
        self._number = 0
        self._sessions: list[Any] = []  # kept while C may use them
        self._failures = _ffi.new("int[3]")
        self._protect = _ffi.cast("void *", function_address("srtp_protect"))

    def prepare(self, forwards: "Sequence[Forward]") -> None:
        able = [f for f in forwards if f.transport.route is not None and f.transport.tx is not None]
        self._targets = _ffi.new("struct target[]", len(able)) if able else None
        self._number = len(able)
        self._sessions = [f.transport.tx_session for f in able]
        for target, forward in zip(self._targets or (), able, strict=True):
            route = forward.transport.route
            assert route is not None, "chosen above"
            address = _socket_address(route.address)
            target.session = _ffi.cast("void *", session_address(forward.transport.tx))
            target.socket = route.socket.fileno()
            target.address_bytes = len(address)
            target.address = address.ljust(28, b"\0")
            target.ssrc = forward.out.ssrc
            target.timestamp_offset = forward.timestamp_offset & 0xFFFFFFFF
            target.sequence_offset = forward.sequence_offset & 0xFFFF
            target.mid = forward.out.mid.ljust(4, b"\0")

    def send(self, packet: bytes, number: int, timestamp: int, mid_at: int) -> None:
        if self._number == 0:
            return
        failures = self._failures
        if self._send(
            self._targets,
            self._number,
            packet,
            len(packet),
            mid_at,
            number & 0xFFFF,
            timestamp,
            self._protect,
            failures,
        ):
            for index, reason in enumerate(("protect_failed", "send_buffer_full", "send_failed")):
                if failures[index]:
                    self._count(reason, failures[index])


_ffi = FFI()
_ffi.cdef(_DECLARATIONS)


def _socket_address(address: tuple[str, int]) -> bytes:
    """Return a `struct sockaddr_in` or `sockaddr_in6` of Linux or macOS."""
    host, port = address
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    packed = socket.inet_pton(family, host)
    body = port.to_bytes(2, "big") + (packed if family is socket.AF_INET else bytes(4) + packed + bytes(4))
    body += bytes(8) if family is socket.AF_INET else b""
    if sys.platform == "darwin":
        return bytes((len(body) + 2, family)) + body
    return int(family).to_bytes(2, sys.byteorder) + body


def load(path: Path = LIBRARY) -> Any:
    """Return the compiled fan-out, or None where it was not built or is not wanted."""
    if os.environ.get(PURE_VARIABLE) == "1" or not path.exists():
        return None
    try:
        return _ffi.dlopen(str(path))
    except OSError:  # built for another machine
        return None


_library = load()


def new_fan_out(count: Count) -> FanOut:
    return PureFanOut(count) if _library is None else CompiledFanOut(count, _library)
