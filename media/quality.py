"""How well one person's connection works, and what the relay does about it. Pure: the time is an argument.

Thresholds of loss: good below 10 %, poor below 15 %, bad from there on. Sound is never given up; pictures are.
"""

import math
from dataclasses import dataclass, field
from enum import StrEnum


class Health(StrEnum):
    GOOD = "good"
    POOR = "poor"
    BAD = "bad"


POOR_LOSS = 0.10
BAD_LOSS = 0.15
HYSTERESIS = 0.02
"""Health gets better only when the loss is this much below the threshold."""

BETTER_AFTER_S = 3.0
"""And only after this long: a verdict that changes every second tells nobody anything. It gets worse at once."""

POOR_RTT_MS = 400.0
BAD_RTT_MS = 1500.0
POOR_JITTER_MS = 100.0

SMOOTHING = 0.75
"""Share of the newest second in the smoothed loss."""

MIN_EVIDENCE = 10
"""Packets a verdict needs; a reading with fewer is added to the next one."""

PAUSE_AFTER_S = 0.7
"""Pictures stop after the connection has been bad for this long."""

RESUME_AFTER_S = 0.7
"""Pictures come back after loss has been below POOR_LOSS for this long: one report, which come 0.5 to 1.5 s apart."""

RELAPSE_S = 15.0
"""Bad again so soon after pictures came back: if it was the pictures, they wait twice as long the next time."""

OUTLASTS_S = 1.5
"""Loss that goes on for this long without pictures is not their doing."""

CLEAN_LOSS = 0.03
CLEAN_EVIDENCE = 30
"""Packets without loss that prove a recovery: where 15 % get lost, one time in a hundred they all arrive."""

MAX_RESUME_AFTER_S = 30.0

MAX_CAP_BPS = 1_200_000
MIN_CAP_BPS = 150_000
LOWER_CAP = 0.75
RAISE_CAP = 1.15
RAISE_AFTER_S = 4.0

_ORDER = (Health.GOOD, Health.POOR, Health.BAD)


def judge_loss(loss_ratio: float, before: Health | None = None) -> Health:
    """Return the health that `loss_ratio` (0-1) stands for, where `before` was the last one."""
    for health, threshold in ((Health.BAD, BAD_LOSS), (Health.POOR, POOR_LOSS)):
        is_that_already = before is not None and _ORDER.index(before) >= _ORDER.index(health)
        if loss_ratio >= threshold - (HYSTERESIS if is_that_already else 0.0):
            return health
    return Health.GOOD


def judge(
    loss_ratio: float, rtt_ms: float | None = None, jitter_ms: float | None = None, before: Health | None = None
) -> Health:
    """Return the worst of what loss, round trip and jitter say. None: not known."""
    by_delay = Health.GOOD
    if rtt_ms is not None and rtt_ms >= BAD_RTT_MS:
        by_delay = Health.BAD
    elif (rtt_ms is not None and rtt_ms >= POOR_RTT_MS) or (jitter_ms is not None and jitter_ms >= POOR_JITTER_MS):
        by_delay = Health.POOR
    return max(judge_loss(loss_ratio, before), by_delay, key=_ORDER.index)


def is_bad_loss(expected: int, lost: int) -> bool:
    """Whether so many lost packets prove a bad connection."""
    return expected >= MIN_EVIDENCE and lost / expected >= BAD_LOSS


@dataclass(slots=True)
class _Loss:
    """Loss of about the last two seconds."""

    ratio: float | None = None  # smoothed
    weight: float = 0.0  # packets that the smoothed ratio rests on
    _expected: int = 0
    _lost: int = 0
    _since_s: float | None = None

    def add(self, at_s: float, expected: int, lost: int) -> tuple[float, int, float] | None:
        """Take what was counted since the last call. Return (ratio, packets, seconds) once there is enough of it."""
        since_s = at_s - 1.0 if self._since_s is None else self._since_s
        self._since_s = since_s
        self._expected += expected
        self._lost += lost
        if self._expected < MIN_EVIDENCE:
            return None
        newest, packets, seconds = min(1.0, self._lost / self._expected), self._expected, at_s - since_s
        share_of_old = (1 - SMOOTHING) ** seconds
        self.ratio = newest if self.ratio is None else newest + share_of_old * (self.ratio - newest)
        self.weight = packets + share_of_old * self.weight
        self._expected = self._lost = 0
        self._since_s = at_s
        return newest, packets, seconds


@dataclass(slots=True)
class _Verdict:
    """A health that gets worse at once and better after a while."""

    health: Health | None = None
    _better_s: float = 0.0

    def take(self, judged: Health, seconds: float) -> None:
        if self.health is not None and _ORDER.index(judged) < _ORDER.index(self.health):
            self._better_s += seconds
            if self._better_s < BETTER_AFTER_S:
                return
        self.health, self._better_s = judged, 0.0


@dataclass(slots=True)
class ReceiverQuality:
    """What one person gets from the relay, by their receiver reports. Call `add` several times a second."""

    is_video_paused: bool = False
    _loss: _Loss = field(default_factory=_Loss)
    _verdict: _Verdict = field(default_factory=_Verdict)
    _bad_s: float = 0.0
    _good_s: float = 0.0
    _good_packets: int = 0
    _good_lost: float = 0.0
    _paused_at_s: float = float("-inf")
    _resumed_at_s: float = float("-inf")
    _resume_after_s: float = RESUME_AFTER_S
    _has_outlasted: bool = False  # loss went on while there were no pictures
    _was_network: bool = False  # the last pause ended because the network had recovered

    @property
    def health(self) -> Health | None:
        return self._verdict.health

    @property
    def loss_ratio(self) -> float | None:
        return self._loss.ratio

    def add(
        self, at_s: float, expected: int, lost: int, rtt_ms: float | None = None, jitter_ms: float | None = None
    ) -> None:
        """Take how many packets were expected and lost since the last call."""
        measured = self._loss.add(at_s, expected, lost)
        if measured is None or self._loss.ratio is None:
            return
        newest, packets, seconds = measured
        self._verdict.take(judge(self._loss.ratio, rtt_ms, jitter_ms, self.health), seconds)
        is_late = rtt_ms is not None and rtt_ms >= BAD_RTT_MS
        is_bad = is_late or self._loss.ratio >= BAD_LOSS + _doubt(self._loss.weight)
        self._bad_s = self._bad_s + seconds if is_bad else 0.0
        if newest < POOR_LOSS and not is_late:
            self._good_s += seconds
            self._good_packets += packets
            self._good_lost += newest * packets
        else:
            self._good_s = self._good_lost = 0.0
            self._good_packets = 0
        if not self.is_video_paused:
            if self._bad_s >= PAUSE_AFTER_S:
                self._pause(at_s)
            return
        if newest >= BAD_LOSS and at_s - self._paused_at_s >= OUTLASTS_S:
            self._has_outlasted = True
        is_clean = self._good_packets >= CLEAN_EVIDENCE and self._good_lost <= CLEAN_LOSS * self._good_packets
        if self._good_s >= self._resume_after_s and (is_clean or self._loss.ratio < POOR_LOSS):
            self.is_video_paused = False
            self._resumed_at_s = at_s
            self._was_network = self._has_outlasted and is_clean

    def _pause(self, at_s: float) -> None:
        self.is_video_paused = True
        self._paused_at_s, self._good_s = at_s, 0.0
        self._good_packets, self._good_lost = 0, 0.0
        # Pictures that fill a narrow line up must not come and go; a network that failed again had really recovered.
        has_relapsed = at_s - self._resumed_at_s < RELAPSE_S and not self._was_network
        self._resume_after_s = min(MAX_RESUME_AFTER_S, self._resume_after_s * 2) if has_relapsed else RESUME_AFTER_S
        self._has_outlasted = False


def _doubt(packets: float) -> float:
    """How far above BAD_LOSS the loss of so few packets may be by chance (one standard deviation)."""
    return math.sqrt(BAD_LOSS * (1 - BAD_LOSS) / packets)


@dataclass(slots=True)
class SenderQuality:
    """What the relay gets from one person, by its own counting, and the ceiling it sets for their pictures."""

    cap_bps: int = MAX_CAP_BPS
    _loss: _Loss = field(default_factory=_Loss)
    _verdict: _Verdict = field(default_factory=_Verdict)
    _good_s: float = 0.0

    @property
    def health(self) -> Health | None:
        return self._verdict.health

    @property
    def loss_ratio(self) -> float | None:
        return self._loss.ratio

    def add(self, at_s: float, expected: int, lost: int, jitter_ms: float | None = None) -> None:
        """Take how many packets were expected and lost since the last call."""
        measured = self._loss.add(at_s, expected, lost)
        if measured is None or self._loss.ratio is None:
            return
        self._verdict.take(judge(self._loss.ratio, None, jitter_ms, self.health), measured[2])
        if judge_loss(self._loss.ratio) is Health.BAD:
            self._good_s = 0.0
            self.cap_bps = max(MIN_CAP_BPS, int(self.cap_bps * LOWER_CAP))
        elif self._loss.ratio < POOR_LOSS:
            self._good_s += measured[2]
            if self._good_s >= RAISE_AFTER_S:
                self.cap_bps = min(MAX_CAP_BPS, int(self.cap_bps * RAISE_CAP))
        else:
            self._good_s = 0.0
