"""What arrived and what is missing on one incoming stream. Pure: the time is an argument (monotonic seconds)."""

from dataclasses import dataclass, field
from typing import Protocol

from media.sfu.rtcp import ReportBlock, ntp_middle

MAX_JUMP = 3000  # RFC 3550, appendix A.1 MAX_DROPOUT
MAX_MISSING = 256
RETRY_S = 0.06
MAX_TRIES = 8


class Flow(Protocol):
    """What is counted packet by packet. Compiled code counts into a C structure with these fields (fast_path.h)."""

    base: int  # first number of the stream, or since it began anew; -1: no packet yet
    highest: int  # extended: cycles x 65536 + sequence number
    received: int
    jitter: float  # in timestamp units
    transit: float
    has_transit: int
    arrived_timestamp: int
    packets: int
    bytes: int
    last_at_s: float  # -1: no packet yet
    # What every started forward has sent in order; a forward takes the difference (Forward.settle).
    carried_packets: int
    carried_bytes: int
    carried_octets: int
    last_number: int
    last_timestamp: int
    carried_at_s: float


class PythonFlow:
    """A `Flow` without a packet."""

    __slots__ = tuple(Flow.__annotations__)

    base: int
    highest: int
    received: int
    jitter: float
    transit: float
    has_transit: int
    arrived_timestamp: int
    packets: int
    bytes: int
    last_at_s: float
    carried_packets: int
    carried_bytes: int
    carried_octets: int
    last_number: int
    last_timestamp: int
    carried_at_s: float

    def __init__(self) -> None:
        for name in self.__slots__:
            setattr(self, name, 0)
        self.base = self.arrived_timestamp = -1
        self.last_at_s = -1.0


def note_transit(flow: Flow, clock_rate: int, timestamp: int, at_s: float) -> None:
    """Take how long the first packet of a timestamp was under way into the jitter (RFC 3550, A.8)."""
    flow.arrived_timestamp = timestamp
    transit = at_s * clock_rate - timestamp
    if flow.has_transit:
        step = abs(transit - flow.transit)
        if step < clock_rate:  # not a jump of the timestamp
            flow.jitter += (step - flow.jitter) / 16
    flow.transit = transit
    flow.has_transit = 1


@dataclass(slots=True)
class Reception:
    """Counts of RFC 3550, appendices A.3 and A.8, for one SSRC."""

    clock_rate: int
    flow: Flow = field(default_factory=PythonFlow)
    fraction_lost: float = 0.0  # of the last report interval, 0.0-1.0
    _expected_prior: int = 0
    _received_prior: int = 0
    _sr_middle: int = 0
    _sr_at: float = 0.0

    def add(self, sequence: int, timestamp: int, at_s: float) -> int:
        """Count a packet and return how far it is ahead of the highest one so far (1: in order, 0 or less: late)."""
        flow = self.flow
        flow.received += 1
        if flow.base < 0:
            flow.base = flow.highest = sequence
            note_transit(flow, self.clock_rate, timestamp, at_s)
            return 1
        ahead = (sequence - flow.highest) & 0xFFFF
        if ahead >= 0x8000:
            return ahead - 0x10000
        if ahead > MAX_JUMP:  # a restarted sender, not a loss
            self._restart(flow.highest + ahead)
        else:
            flow.highest += ahead
        if timestamp != flow.arrived_timestamp:  # packets of one picture leave together and are paced out
            note_transit(flow, self.clock_rate, timestamp, at_s)
        return ahead

    def note_repair(self) -> None:
        """The packet added last had been lost, and came because it was asked for again: that is no reception."""
        self.flow.received -= 1

    def _restart(self, highest: int) -> None:
        flow = self.flow
        flow.base = flow.highest = highest  # never runs backwards: whoever keeps packets counts on it
        flow.received = 1
        self._expected_prior = self._received_prior = 0
        flow.has_transit = 0

    @property
    def has_begun(self) -> bool:
        return self.flow.base >= 0

    @property
    def expected(self) -> int:
        """How many packets were sent, judging by their numbers, since the stream began or began anew."""
        return self.flow.highest - self.flow.base + 1 if self.has_begun else 0

    @property
    def lost(self) -> int:
        """How many of those never came; below 0 when some came twice."""
        return self.expected - self.flow.received

    @property
    def jitter_ms(self) -> float:
        return 1000 * self.flow.jitter / self.clock_rate

    def note_sender_report(self, ntp: int, at_s: float) -> None:
        self._sr_middle, self._sr_at = ntp_middle(ntp), at_s

    def report(self, ssrc: int, at_s: float) -> ReportBlock:
        """Return the report block since the last call."""
        expected, received = self.expected, self.flow.received
        expected_now = expected - self._expected_prior
        lost_now = expected_now - (received - self._received_prior)
        self._expected_prior, self._received_prior = expected, received
        fraction = min(255, max(0, (lost_now << 8) // expected_now)) if expected_now > 0 else 0
        self.fraction_lost = fraction / 256
        lost = max(-0x800000, min(0x7FFFFF, expected - received))
        dlsr = int((at_s - self._sr_at) * 65536) & 0xFFFF_FFFF if self._sr_middle else 0
        highest = self.flow.highest & 0xFFFF_FFFF
        return ReportBlock(ssrc, fraction, lost, highest, int(self.flow.jitter), self._sr_middle, dlsr)


@dataclass(slots=True)
class _Missing:
    due_at: float
    tries: int = 0


@dataclass(slots=True)
class Gaps:
    """Which packets to ask for again, and when. Every gap is asked for up to MAX_TRIES times."""

    given_up: int = 0
    _missing: dict[int, _Missing] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self._missing)

    def note(self, sequence: int, ahead: int, at_s: float) -> bool:
        """Take the result of `Reception.add`. Return False when the gap is too wide to ask for."""
        if ahead <= 0:
            self._missing.pop(sequence, None)
            return True
        if ahead == 1:
            return True
        if ahead > MAX_MISSING or len(self._missing) + ahead > MAX_MISSING:
            self._missing.clear()
            self.given_up += 1
            return False
        for back in range(ahead - 1, 0, -1):
            self._missing[(sequence - back) & 0xFFFF] = _Missing(at_s)
        return True

    def due(self, at_s: float) -> tuple[list[int], bool]:
        """Return what to ask for now, and whether something was given up for good."""
        wanted: list[int] = []
        lost = False
        for sequence, missing in list(self._missing.items()):
            if missing.due_at > at_s:
                continue
            if missing.tries >= MAX_TRIES:
                del self._missing[sequence]
                self.given_up += 1
                lost = True
                continue
            missing.tries += 1
            missing.due_at = at_s + RETRY_S
            wanted.append(sequence)
        return wanted, lost

    def take(self, sequence: int) -> bool:
        """Whether `sequence` was missing; from now on it is not."""
        return self._missing.pop(sequence, None) is not None

    def clear(self) -> None:
        self._missing.clear()


@dataclass(slots=True)
class TokenBucket:
    """At most `burst` at once and `rate_per_s` in the long run."""

    rate_per_s: float
    burst: float
    _tokens: float = -1.0
    _at_s: float = 0.0

    def take(self, at_s: float, amount: float = 1.0) -> bool:
        if self._tokens < 0:
            self._tokens, self._at_s = self.burst, at_s
        self._tokens = min(self.burst, self._tokens + (at_s - self._at_s) * self.rate_per_s)
        self._at_s = at_s
        if self._tokens < amount:
            return False
        self._tokens -= amount
        return True
