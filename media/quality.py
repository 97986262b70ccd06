"""How well one person's connection works, and what the relay does about it. Pure: the time is an argument.

Thresholds of loss: good below 10 %, poor below 15 %, bad from there on. Sound is never given up; pictures are.
"""

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

POOR_RTT_MS = 400.0
BAD_RTT_MS = 1500.0
POOR_JITTER_MS = 100.0

SMOOTHING = 0.6
"""Share of the newest second in the smoothed loss."""

MIN_EVIDENCE = 10
"""Packets a verdict needs; a second with fewer is added to the next one."""

PAUSE_AFTER_S = 1.8
"""Pictures stop after loss has been bad for this long, or at once when it is SEVERE_LOSS of SEVERE_EVIDENCE packets."""

SEVERE_LOSS = 0.25
SEVERE_EVIDENCE = 40
RESUME_AFTER_S = 0.9
"""Pictures come back after loss has been below POOR_LOSS for this long; for twice as long after every relapse."""

MAX_RESUME_AFTER_S = 30.0
RELAPSE_S = 15.0

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


@dataclass(slots=True)
class _Loss:
    """Loss of about the last two seconds."""

    ratio: float | None = None  # smoothed
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
        newest, packets = min(1.0, self._lost / self._expected), self._expected
        self.ratio = newest if self.ratio is None else SMOOTHING * newest + (1 - SMOOTHING) * self.ratio
        self._expected = self._lost = 0
        self._since_s = at_s
        return newest, packets, at_s - since_s


@dataclass(slots=True)
class ReceiverQuality:
    """What one person gets from the relay, by their receiver reports. Call `add` about once a second."""

    health: Health | None = None
    is_video_paused: bool = False
    _loss: _Loss = field(default_factory=_Loss)
    _bad_s: float = 0.0
    _good_s: float = 0.0
    _resumed_at_s: float = float("-inf")
    _resume_after_s: float = RESUME_AFTER_S

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
        self.health = judge(self._loss.ratio, rtt_ms, jitter_ms, self.health)
        newest, packets, seconds = measured
        if newest >= BAD_LOSS:
            self._bad_s, self._good_s = self._bad_s + seconds, 0.0
        else:
            self._bad_s = 0.0
            self._good_s = self._good_s + seconds if newest < POOR_LOSS else 0.0
        is_severe = newest >= SEVERE_LOSS and packets >= SEVERE_EVIDENCE
        if not self.is_video_paused and (is_severe or self._bad_s >= PAUSE_AFTER_S):
            self._pause(at_s)
        elif self.is_video_paused and self._good_s >= self._resume_after_s:
            self.is_video_paused = False
            self._resumed_at_s = at_s

    def _pause(self, at_s: float) -> None:
        self.is_video_paused = True
        self._good_s = 0.0
        has_relapsed = at_s - self._resumed_at_s < RELAPSE_S
        self._resume_after_s = min(MAX_RESUME_AFTER_S, self._resume_after_s * 2) if has_relapsed else RESUME_AFTER_S


@dataclass(slots=True)
class SenderQuality:
    """What the relay gets from one person, by its own counting, and the ceiling it sets for their pictures."""

    health: Health | None = None
    cap_bps: int = MAX_CAP_BPS
    _loss: _Loss = field(default_factory=_Loss)
    _good_s: float = 0.0

    @property
    def loss_ratio(self) -> float | None:
        return self._loss.ratio

    def add(self, at_s: float, expected: int, lost: int, jitter_ms: float | None = None) -> None:
        """Take how many packets were expected and lost since the last call."""
        measured = self._loss.add(at_s, expected, lost)
        if measured is None or self._loss.ratio is None:
            return
        self.health = judge(self._loss.ratio, None, jitter_ms, self.health)
        if judge_loss(self._loss.ratio) is Health.BAD:
            self._good_s = 0.0
            self.cap_bps = max(MIN_CAP_BPS, int(self.cap_bps * LOWER_CAP))
        elif self._loss.ratio < POOR_LOSS:
            self._good_s += measured[2]
            if self._good_s >= RAISE_AFTER_S:
                self.cap_bps = min(MAX_CAP_BPS, int(self.cap_bps * RAISE_CAP))
        else:
            self._good_s = 0.0
