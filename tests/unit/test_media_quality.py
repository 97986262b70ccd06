"""Verdicts on connections, second by second."""

import pytest

from media.quality import MAX_CAP_BPS, MIN_CAP_BPS, Health, ReceiverQuality, SenderQuality, judge, judge_loss

G, P, B = Health.GOOD, Health.POOR, Health.BAD


@pytest.mark.parametrize(
    ("loss", "before", "health"),
    [
        (0.0, None, G), (0.099, None, G), (0.10, None, P), (0.149, None, P), (0.15, None, B), (1.0, None, B),
        (0.09, P, P), (0.079, P, G), (0.14, B, B), (0.129, B, P), (0.09, B, P), (0.05, B, G),
        (0.10, G, P), (0.15, P, B), (0.14, P, P),
    ],
)  # fmt: skip
def test_loss_has_thresholds_and_hysteresis(loss: float, before: Health | None, health: Health) -> None:
    assert judge_loss(loss, before) is health


@pytest.mark.parametrize(
    ("loss", "rtt_ms", "jitter_ms", "health"),
    [(0, 399, 99, G), (0, 400, 0, P), (0, 0, 100, P), (0, 1500, 0, B), (0.2, 10, 1, B), (0.12, 2000, 1, B)],
)
def test_delay_counts_too(loss: float, rtt_ms: float, jitter_ms: float, health: Health) -> None:
    assert judge(loss, rtt_ms, jitter_ms) is health


def run(quality: ReceiverQuality, losses: list[float], *, begin_s: int = 0, packets: int = 60) -> list[bool]:
    """Feed one second each; return whether pictures were paused after it."""
    paused = []
    for second, loss in enumerate(losses, begin_s + 1):
        quality.add(second, packets, round(packets * loss))
        paused.append(quality.is_video_paused)
    return paused


@pytest.mark.parametrize(
    ("losses", "paused"),
    [
        ([0, 0, 0, 0], [False] * 4),
        ([0.1] * 10, [False] * 10),
        ([0.3], [True]),  # severe: at once
        ([0.2, 0.2], [False, True]),
        ([0.2, 0.05, 0.2, 0.05], [False] * 4),  # a bad second now and then
        ([0.3, 0, 0, 0], [True, False, False, False]),
        ([0.3, 0.12, 0.12, 0, 0], [True, True, True, False, False]),  # poor is not good enough
    ],
)
def test_pictures_stop_and_come_back_within_three_seconds(losses: list[float], paused: list[bool]) -> None:
    assert run(ReceiverQuality(), losses) == paused


def test_a_relapse_takes_longer_to_forgive() -> None:
    quality = ReceiverQuality()
    lengths, second = [], 0
    for _ in range(4):
        length = 0
        run(quality, [0.3], begin_s=second)
        second += 1
        while quality.is_video_paused:
            run(quality, [0.0], begin_s=second)
            second, length = second + 1, length + 1
        lengths.append(length)
    assert lengths == sorted(lengths)
    assert lengths[-1] >= 4 * lengths[0]
    run(quality, [0.0] * 60, begin_s=second)
    assert run(quality, [0.3, 0.0], begin_s=second + 60) == [True, False], "long ago is forgotten"


def test_few_packets_are_no_evidence_but_add_up() -> None:
    quality = ReceiverQuality()
    quality.add(1, 0, 0)
    quality.add(2, 4, 4)
    assert quality.health is None
    for second in range(3, 9):
        quality.add(second, 4, 4)
    assert quality.health is B
    assert quality.is_video_paused


def test_more_lost_than_expected_is_a_whole_loss() -> None:
    quality = ReceiverQuality()
    quality.add(1, 20, 500)
    assert quality.loss_ratio == 1.0


def test_the_ceiling_goes_down_in_steps_and_up_again() -> None:
    quality = SenderQuality()
    caps = []
    for second in range(1, 31):
        quality.add(second, 100, 30)
        caps.append(quality.cap_bps)
    assert quality.health is B
    assert caps == sorted(caps, reverse=True)
    assert caps[0] < MAX_CAP_BPS
    assert caps[-1] == MIN_CAP_BPS
    up = []
    for second in range(31, 61):
        quality.add(second, 100, 0)
        up.append(quality.cap_bps)
    assert quality.health is G
    assert up == sorted(up)
    assert up[0] == MIN_CAP_BPS, "not at the first good second"
    assert up[-1] == MAX_CAP_BPS
