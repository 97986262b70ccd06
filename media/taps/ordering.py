"""Numbers that wrap, and packets that arrive in the wrong order."""

from collections import deque
from dataclasses import dataclass
from typing import Final

from media.taps.wire import SEQUENCE_BITS, RtpPacket

MAX_DROPOUT: Final = 3000
MAX_MISORDER: Final = 512
"""A sequence number outside these is a source that began again, once two packets in a row say so (RFC 3550, A.1)."""

HELD_PACKETS: Final = 1024


def nearest(value: int, bits: int, reference: int) -> int:
    """Return the integer closest to `reference` that is `value` modulo 2**bits."""
    span = 1 << bits
    offset = (value - reference) % span
    return reference + offset - (span if offset >= span >> 1 else 0)


class Unwrapper:
    """Turns numbers of `bits` bits that wrap into integers that do not. Starts at the first number it is given."""

    def __init__(self, bits: int) -> None:
        self._bits = bits
        self._last: int | None = None

    def unwrap(self, value: int) -> int:
        reference = value if self._last is None else self._last
        self._last = nearest(value, self._bits, reference)
        return self._last


@dataclass(frozen=True, slots=True)
class Missing:
    """Packets that never came. `packets` None: the source began again and nobody knows how many."""

    packets: int | None


class ReorderBuffer:
    """Puts packets of one SSRC in order, waiting at most `wait_s` for one that is missing. Bounded; time is given."""

    def __init__(self, wait_s: float) -> None:
        self._wait_s = wait_s
        self._sequence = Unwrapper(SEQUENCE_BITS)
        self._next: int | None = None
        self._held: dict[int, tuple[RtpPacket, float]] = {}
        self._waiting_since_s: float | None = None
        self._restart_at: int | None = None
        self.dropped = 0
        """Duplicates and packets that came too late."""

    @property
    def is_waiting(self) -> bool:
        return self._waiting_since_s is not None

    def push(self, packet: RtpPacket, at_s: float) -> list[RtpPacket | Missing]:
        """Take a packet that arrived at `at_s` and return what can now be used, in order."""
        if self._next is None:
            self._next = self._sequence.unwrap(packet.sequence)
        number = nearest(packet.sequence, SEQUENCE_BITS, self._next)
        ready: deque[RtpPacket | Missing] = deque()
        if not -MAX_MISORDER <= number - self._next <= MAX_DROPOUT:
            if packet.sequence != self._restart_at:
                self._restart_at = (packet.sequence + 1) % (1 << SEQUENCE_BITS)
                self.dropped += 1
                return []
            self._release_all(ready)
            ready.append(Missing(None))
            self._next = number
        self._restart_at = None
        if number < self._next or number in self._held:
            self.dropped += 1
        else:
            self._held[number] = (packet, at_s)
        self._release(ready)
        self._give_up(ready, at_s)
        return list(ready)

    def poll(self, at_s: float) -> list[RtpPacket | Missing]:
        """Return what is usable because a missing packet has not come in time."""
        ready: deque[RtpPacket | Missing] = deque()
        self._give_up(ready, at_s)
        return list(ready)

    def _release(self, ready: deque[RtpPacket | Missing]) -> None:
        number = self._next
        while number is not None and number in self._held:
            ready.append(self._held.pop(number)[0])
            number += 1
        self._next = number
        self._waiting_since_s = min((at_s for _, at_s in self._held.values()), default=None) if self._held else None

    def _give_up(self, ready: deque[RtpPacket | Missing], at_s: float) -> None:
        while self._waiting_since_s is not None and (
            at_s - self._waiting_since_s >= self._wait_s or len(self._held) > HELD_PACKETS
        ):
            self._skip(ready)

    def _skip(self, ready: deque[RtpPacket | Missing]) -> None:
        first = min(self._held)
        if self._next is not None and first > self._next:
            ready.append(Missing(first - self._next))
        self._next = first
        self._release(ready)

    def _release_all(self, ready: deque[RtpPacket | Missing]) -> None:
        while self._held:
            self._skip(ready)
