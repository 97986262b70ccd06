"""The way of one stream's packets through the relay: counted, kept for a while, and sent to many receivers.

Here in Python; `media.sfu.compiled` does the same in C, held to the same tests. Both write the receiver's number,
timestamp, SSRC and MID into a copy, encrypt it with the receiver's SRTP session and hand it to the receiver's socket.
"""

from collections.abc import Callable, Sequence
from enum import IntEnum
from struct import Struct
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from media.sfu.codecs import MID_BYTES
from media.sfu.reception import Flow, PythonFlow
from media.sfu.rtp import Layout
from media.sfu.srtp import LENGTH, OUT, OUT_C, OUT_VIEW, protect

if TYPE_CHECKING:
    from media.sfu.forward import Forward

RING = 512

Count = Callable[[str, int], None]
"""Takes a reason for which packets were not sent, and how many."""

Tap = Callable[[bytes], None]

_numbers = Struct("!HLL")


class Mode(IntEnum):
    """What becomes of packets that come in order."""

    ASK = 0  # the source decides on each
    COUNT = 1  # they are counted and go no further
    CARRY = 2  # they are kept and sent to everybody


class Kept(NamedTuple):
    """A packet in the ring. `number`: its sequence number with the rollovers, which never repeats."""

    number: int
    packet: bytes
    found: Layout


class StreamPath(Protocol):
    @property
    def flow(self) -> Flow: ...

    def keep(self, number: int, packet: bytes, found: Layout) -> None:
        """Put a packet in the place of the one RING before it."""

    def kept(self, number: int) -> Kept | None:
        """Return what is in the place of `number`, be it that packet or one a multiple of RING away."""
        ...

    def forget(self) -> None:
        """Keep nothing of what was kept."""

    def prepare(self, forwards: "Sequence[Forward]") -> None:
        """Send to `forwards` from now on. To be called again when any of their transports or offsets has changed."""

    def send(self, packet: bytes, number: int, timestamp: int, mid_at: int) -> None:
        """Send a packet of the source; `mid_at` is where the MID stands in it, or 0."""

    def decide(self, mode: Mode, taps: Sequence[Tap]) -> None:
        """Say what becomes of packets in order before anybody asks. Where each is asked for this changes nothing."""

    def collect(self) -> None:
        """Count what could not be sent since the last time, where it was not counted at once."""


class PythonStreamPath:
    """Asks the source about every packet."""

    def __init__(self, count: Count) -> None:
        self.flow = PythonFlow()
        self._count = count
        self._ring: list[Kept | None] = [None] * RING
        self._targets: list[tuple[Any, Callable[..., int], Any, int, int, int, bytes]] = []

    def keep(self, number: int, packet: bytes, found: Layout) -> None:
        self._ring[number % RING] = Kept(number, packet, found)

    def kept(self, number: int) -> Kept | None:
        return self._ring[number % RING]

    def forget(self) -> None:
        self._ring = [None] * RING

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

    def decide(self, mode: Mode, taps: Sequence[Tap]) -> None:
        pass

    def collect(self) -> None:
        pass
