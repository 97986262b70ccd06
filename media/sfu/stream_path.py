"""The way of one stream's packets through the relay: counted, kept for a while, and sent to many receivers.

A path takes what comes in order by itself, as long as it was told what becomes of it; the source sees to the rest.
Here in Python; `media.sfu.compiled` does the same in C, held to the same tests. Both write the receiver's number,
timestamp, SSRC and MID into a copy, encrypt it with the receiver's SRTP session and hand it to the receiver's socket.
"""

import socket
import sys
from collections.abc import Callable, Collection, Sequence
from enum import IntEnum
from struct import Struct
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from media.sfu.codecs import MID_BYTES
from media.sfu.reception import Flow, PythonFlow, note_transit
from media.sfu.rtp import HEADER_BYTES, BadRtpError, Layout, abs_send_time, extension_heads, layout
from media.sfu.srtp import LENGTH, OUT, OUT_C, OUT_VIEW, SLOT_VIEWS, SLOTS_C, copy, protect

if TYPE_CHECKING:
    from media.sfu.forward import Forward

RING = 512

Count = Callable[[str, int], None]
"""Takes a reason for which packets were not sent, and how many."""

Tap = Callable[[bytes], None]

_HEAD_END = HEADER_BYTES + 4  # of a packet whose extensions follow its fixed header
_begins = Struct("!HL").unpack_from
_numbers = Struct("!HLL")
_segment = Struct("=H")


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

    def take(self, packet: bytes, at_s: float) -> bool:
        """Take a decrypted packet, at least a header long. False: nothing has changed, the source has to see to it."""
        ...

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
        """Say what becomes of packets in order, and who else gets those that are carried."""

    def collect(self) -> None:
        """Count what could not be sent since the last time, where it was not counted at once."""


_Target = tuple[Any, Callable[[Any], int], int, int, int, bytes, socket.socket | None]


def _knows_segments() -> bool:
    """Whether the kernel makes datagrams of what it is given; an older one would send it as a single one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        try:
            asked.getsockopt(socket.IPPROTO_UDP, UDP_SEGMENT)
        except OSError:
            return False
    return sys.platform == "linux"


UDP_SEGMENT = 103  # linux/udp.h, since 4.18
KNOWS_SEGMENTS = _knows_segments()


class PythonStreamPath:
    def __init__(self, payload_types: Collection[int], clock_rate: int, count: Count) -> None:
        self.flow = PythonFlow()
        self._payload_types = frozenset(payload_types)
        self._clock_rate = clock_rate
        self._count = count
        self._mode = Mode.ASK
        self._taps: Sequence[Tap] = ()
        self._waiting: list[tuple[bytes, int, int, int]] = []
        self.holds = False  # packets that are taken wait for `flush`
        self._known: tuple[int, bytes, tuple[tuple[int, int], ...], Layout] = (-1, b"", (), Layout(0, 0, 0, False))
        self._ring: list[Kept | None] = [None] * RING
        self._targets: list[_Target] = []

    def take(self, packet: bytes, at_s: float) -> bool:
        if self._take(packet, at_s):
            return True
        if self._waiting:
            self.flush()  # what the source sends now comes after them
        return False

    def _take(self, packet: bytes, at_s: float) -> bool:
        mode, flow = self._mode, self.flow
        if mode is Mode.ASK:
            return False
        sequence, timestamp = _begins(packet, 2)
        number = flow.highest + 1
        if sequence != number & 0xFFFF or packet[1] & 0x7F not in self._payload_types:
            return False
        found: Layout | None = None
        if mode is Mode.CARRY and (found := self._layout(packet)) is None:
            return False
        size = len(packet)
        flow.received += 1
        flow.highest = number
        flow.packets += 1
        flow.bytes += size
        flow.last_at_s = at_s
        if timestamp != flow.arrived_timestamp:
            note_transit(flow, self._clock_rate, timestamp, at_s)
        if found is None:  # it is only counted
            return True
        if at := found.abs_send_time_at:
            packet = packet[:at] + abs_send_time(at_s) + packet[at + 3 :]
        self._ring[number % RING] = Kept(number, packet, found)
        flow.carried_packets += 1
        flow.carried_bytes += size
        flow.carried_octets += size - found.payload_at
        flow.last_number, flow.last_timestamp, flow.carried_at_s = number, timestamp, at_s
        if self.holds:
            self._waiting.append((packet, number, timestamp, found.mid_at))
            if len(self._waiting) == len(SLOTS_C):
                self.flush()
        else:
            self.send(packet, number, timestamp, found.mid_at)
        for tap in self._taps:
            tap(packet)
        return True

    def flush(self) -> None:
        """Send what waits. Packets of one size leave for a receiver in one call, where the kernel can split them."""
        waiting, self._waiting = self._waiting, []
        self.holds = False
        if len(waiting) > 1 and KNOWS_SEGMENTS:
            for target in self._targets:
                self._send_together(target, waiting)
        else:
            for one in waiting:
                self.send(*one)

    def _send_together(self, target: _Target, packets: Sequence[tuple[bytes, int, int, int]]) -> None:
        tx, send, sequence_offset, timestamp_offset, ssrc, mid, connected = target
        run: list[memoryview] = []
        for slot, view, (packet, number, timestamp, mid_at) in zip(SLOTS_C, SLOT_VIEWS, packets, strict=False):
            LENGTH[0] = size = len(packet)
            copy(slot, packet, size)
            out_timestamp = (timestamp + timestamp_offset) & 0xFFFFFFFF
            _numbers.pack_into(view, 2, (number + sequence_offset) & 0xFFFF, out_timestamp, ssrc)
            if mid_at:
                view[mid_at : mid_at + MID_BYTES] = mid
            if protect(tx, slot, LENGTH):
                self._count("protect_failed", 1)
                continue
            made = view[: LENGTH[0]]
            if run and (len(made) > len(run[0]) or len(run[-1]) < len(run[0])):
                self._send_run(run, send, connected)
                run = []
            run.append(made)
        if run:
            self._send_run(run, send, connected)

    def _send_run(self, run: list[memoryview], send: Callable[[Any], int], connected: socket.socket | None) -> None:
        if len(run) > 1 and connected is not None:
            segment = (socket.IPPROTO_UDP, UDP_SEGMENT, _segment.pack(len(run[0])))
            try:
                connected.sendmsg(run, [segment])
                return
            except BlockingIOError:
                self._count("send_buffer_full", len(run))
                return
            except OSError:  # not on this network device: one by one
                pass
        for one in run:
            self._send_one(one, send)

    def _send_one(self, data: memoryview, send: Callable[[Any], int]) -> None:
        try:
            send(data)
        except BlockingIOError:
            self._count("send_buffer_full", 1)
        except OSError:
            self._count("send_failed", 1)

    def _layout(self, packet: bytes) -> Layout | None:
        """Return the layout, which is mostly that of the packet before; None where it is not clean."""
        first, begin, heads, known = self._known
        if packet[0] == first and packet[HEADER_BYTES:_HEAD_END] == begin and len(packet) >= known.payload_at:
            for at, head in heads:
                if packet[at] != head:
                    break
            else:
                return known
        try:
            found = layout(packet)
        except BadRtpError:
            return None
        if not found.is_clean:
            return None
        if heads := extension_heads(packet):
            self._known = packet[0], packet[HEADER_BYTES:_HEAD_END], heads, found
        return found

    def keep(self, number: int, packet: bytes, found: Layout) -> None:
        self._ring[number % RING] = Kept(number, packet, found)

    def kept(self, number: int) -> Kept | None:
        return self._ring[number % RING]

    def forget(self) -> None:
        self._ring = [None] * RING

    def prepare(self, forwards: "Sequence[Forward]") -> None:
        self._targets = [
            (
                f.transport.tx,
                route.send,
                f.sequence_offset,
                f.timestamp_offset,
                f.out.ssrc,
                f.out.mid,
                route.socket if route.is_connected else None,
            )
            for f in forwards
            if (route := f.transport.route) is not None and f.transport.tx is not None
        ]

    def send(self, packet: bytes, number: int, timestamp: int, mid_at: int) -> None:
        size, mid_end = len(packet), mid_at + MID_BYTES
        pack_numbers, length = _numbers.pack_into, LENGTH
        for tx, send, sequence_offset, timestamp_offset, ssrc, mid, _ in self._targets:
            copy(OUT_C, packet, size)
            pack_numbers(
                OUT_VIEW, 2, (number + sequence_offset) & 0xFFFF, (timestamp + timestamp_offset) & 0xFFFFFFFF, ssrc
            )
            if mid_at:
                OUT[mid_at:mid_end] = mid
            length[0] = size
            if protect(tx, OUT_C, length):
                self._count("protect_failed", 1)
                continue
            try:  # as _send_one, without its call: this is most of what Python does
                send(OUT_VIEW[: length[0]])
            except BlockingIOError:
                self._count("send_buffer_full", 1)
            except OSError:
                self._count("send_failed", 1)

    def decide(self, mode: Mode, taps: Sequence[Tap]) -> None:
        self._mode, self._taps = mode, tuple(taps)

    def collect(self) -> None:
        pass
