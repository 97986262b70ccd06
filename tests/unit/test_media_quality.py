"""Verdicts on connections, second by second."""

import random

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
        ([0, 0.3, 0.3], [False, True, True]),
        ([0, 0.2, 0.2, 0.2], [False, False, True, True]),
        ([0, 0.2, 0.05, 0.2, 0.05], [False] * 5),  # a bad second now and then
        ([0.3, 0, 0, 0], [True, False, False, False]),
        ([0.3, 0.12, 0.12, 0, 0], [True, True, True, False, False]),  # poor is not good enough
        ([0.5, 0.5, 0.45, 0.08, 0, 0], [True, True, True, True, False, False]),
    ],
)
def test_pictures_stop_and_come_back_within_three_seconds(losses: list[float], paused: list[bool]) -> None:
    assert run(ReceiverQuality(), losses, packets=200) == paused


def readings(quality: ReceiverQuality, chance: random.Random, loss: float, begin_s: float, end_s: float) -> list[float]:
    """One reading after another as browsers report, 0.5 to 1.5 s apart; return when pictures stopped or came back."""
    at_s, changes = begin_s, []
    while (at_s := at_s + (passed := chance.uniform(0.5, 1.5))) < end_s:
        packets = int(70 * passed)
        before = quality.is_video_paused
        quality.add(at_s, packets, sum(chance.random() < loss for _ in range(packets)))
        if quality.is_video_paused is not before:
            changes.append(at_s)
    return changes


@pytest.mark.parametrize("seed", range(10))
def test_a_tenth_lost_at_random_leaves_pictures_on(seed: int) -> None:
    changes = readings(ReceiverQuality(), random.Random(seed), 0.10, 0, 120)
    assert len(changes) <= 2, "one pause in two minutes at most, with few packets to judge by"


@pytest.mark.parametrize("seed", range(10))
def test_a_network_that_fails_again_and_again_is_forgiven_each_time(seed: int) -> None:
    chance, quality = random.Random(seed), ReceiverQuality()
    readings(quality, chance, 0.0, 0, 5)
    for cycle in range(6):
        begin_s = 5 + cycle * 10
        stopped = readings(quality, chance, 0.3, begin_s, begin_s + 6)
        assert stopped, "the control"
        assert stopped[0] - begin_s <= 4.5, "three reports at their slowest"
        assert quality.is_video_paused
        back = readings(quality, chance, 0.0, begin_s + 6, begin_s + 10)
        assert back, f"cycle {cycle}"
        assert back[0] - (begin_s + 6) <= 3.0


def test_pictures_that_fill_the_line_come_back_less_and_less_often() -> None:
    quality = ReceiverQuality()
    lengths, second = [], 0
    for _ in range(5):
        while not quality.is_video_paused:  # 30 % with pictures, nothing lost without them
            second += 1
            run(quality, [0.3], begin_s=second)
        length = 0
        while quality.is_video_paused:
            second += 1
            length += 1
            run(quality, [0.0], begin_s=second)
        lengths.append(length)
    assert lengths == sorted(lengths)
    assert lengths[-1] >= 4 * lengths[0]
    run(quality, [0.0] * 60, begin_s=second)
    assert run(quality, [0.3, 0.3, 0.0, 0.0], begin_s=second + 60)[-1] is False, "long ago is forgotten"


def test_an_unbearable_delay_stops_pictures_too() -> None:
    quality = ReceiverQuality()
    for second in range(1, 3):
        quality.add(second, 100, 0, rtt_ms=2000)
    assert quality.is_video_paused
    assert quality.health is B
    for second in range(3, 5):
        quality.add(second, 100, 0, rtt_ms=300)
    assert not quality.is_video_paused


def test_health_gets_worse_at_once_and_better_after_a_while() -> None:
    quality = ReceiverQuality()
    seen = []
    for second, loss in enumerate([0, 0.2, 0.2, 0, 0, 0.12, 0, 0, 0, 0, 0], 1):
        quality.add(second, 100, round(100 * loss))
        seen.append(quality.health)
    assert seen == [G, B, B, B, B, P, P, P, G, G, G]


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
