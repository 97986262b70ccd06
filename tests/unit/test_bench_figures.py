"""The arithmetic of the benchmarks, against values worked out by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.bench.chart import line_of
from media.bench.figures import (
    StreamCount,
    flow,
    growth,
    loss_ratio,
    median,
    paired_ratio,
    percentile,
    ratio,
    starved,
)


def count(packets: int, expected: int, frames: int = 0) -> StreamCount:
    return StreamCount(packets=packets, expected=expected, frames=frames)


@pytest.mark.parametrize(
    ("share", "value"), [(0.0, 15), (0.05, 15), (0.3, 20), (0.4, 20), (0.5, 35), (0.99, 50), (1.0, 50)]
)
def test_percentiles_are_nearest_ranks(share: float, value: float) -> None:
    assert percentile([50, 15, 40, 20, 35], share) == value


def test_no_values_have_no_percentile() -> None:
    assert percentile([], 0.5) is None
    with pytest.raises(ValueError, match="between 0 and 1"):
        percentile([1.0], 50)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1), st.floats(0.01, 1))
def test_enough_values_lie_at_or_below_a_percentile(values: list[float], share: float) -> None:
    found = percentile(values, share)
    assert found in values
    assert sum(1 for value in values if value <= found) >= share * len(values) - 1e-9


def test_ratios_are_taken_within_a_pass() -> None:
    """The second pass met a machine twice as busy: both engines cost double, and the ratio is still a half."""
    passes = [{"ours": 5.0, "theirs": 10.0}, {"ours": 10.0, "theirs": 20.0}, {"ours": 6.0, "theirs": 10.0}]
    assert paired_ratio(passes, "ours", "theirs") == 0.5


@pytest.mark.parametrize("row", [{"ours": 5.0}, {"ours": 5.0, "theirs": None}, {"ours": 5.0, "theirs": 0.0}])
def test_a_pass_without_both_figures_gives_no_ratio(row: dict[str, float | None]) -> None:
    assert paired_ratio([row], "ours", "theirs") is None
    assert paired_ratio([row, {"ours": 3.0, "theirs": 4.0}], "ours", "theirs") == 0.75


def test_missing_figures_do_not_move_the_median() -> None:
    assert median([None, 1.0, 9.0, None, 2.0]) == 2.0
    assert median([None]) is None
    assert ratio(0.0, 4.0) == 0.0


def test_loss_comes_from_the_sequence_numbers() -> None:
    assert loss_ratio(200, 150) == 0.25
    assert loss_ratio(200, 200) == 0.0
    assert loss_ratio(200, 201) == 0.0, "a retransmission may cross the window's end"
    assert loss_ratio(0, 0) is None


def test_a_window_counts_what_came_between_its_ends() -> None:
    before = {"a": count(1000, 1010, 90), "b": count(500, 500, 50)}
    after = {"a": count(1100, 1120, 100), "b": count(600, 600, 60)}
    found = flow(before, after, wanted_streams=2, sent_per_stream=100)
    assert (found.streams, found.packets, found.expected, found.frames) == (2, 200, 210, 20)


def test_a_stream_that_is_silent_or_missing_lost_everything() -> None:
    """Its sequence numbers say nothing, because none came: what was sent counts instead."""
    before = {"a": count(1000, 1000), "dead": count(700, 700)}
    after = {"a": count(1100, 1100), "dead": count(700, 700)}
    found = flow(before, after, wanted_streams=3, sent_per_stream=100)
    assert (found.streams, found.packets, found.expected) == (1, 100, 300)
    assert loss_ratio(found.expected, found.packets) == pytest.approx(2 / 3)


def test_who_gets_less_than_nine_tenths_starves() -> None:
    due = {"fed": 100, "thin": 100, "edge": 100, "missing": 100, "nothing sent": 0}
    assert starved({"fed": 99, "thin": 89, "edge": 90}, due) == 2


def test_growth_compares_the_level_after_the_warm_up_with_the_end() -> None:
    warming = [(float(at), 50.0 + at) for at in range(0, 30, 10)]
    flat = [(float(at), 100.0) for at in range(30, 200, 10)]
    assert growth(warming + flat, warm_up_s=30) == 0.0
    assert growth(warming + flat, warm_up_s=0) > 0, "control: the warm-up itself is growth"
    leak = [(float(at), 100.0 + at) for at in range(30, 230, 10)]
    assert growth(leak, warm_up_s=30) == pytest.approx((100 + 200) / (100 + 50) - 1)
    assert growth(flat[:1], warm_up_s=0) is None


def test_one_busy_moment_is_no_growth() -> None:
    samples = [(float(at), 100.0) for at in range(0, 200, 10)]
    samples[-1] = (190.0, 500.0)
    assert growth(samples, warm_up_s=0) == 0.0


def test_a_chart_shows_the_course() -> None:
    assert line_of("rss", [1, 2, 3, 4, 5, 6, 7, 8]).split() == ["rss", "▁▂▃▄▅▆▇█", "1", "to", "8"]
    assert "▁▁▁" in line_of("rss", [5, 5, 5])
    assert "no samples" in line_of("rss", [])
    long = line_of("rss", list(range(1000)), width=10).split()[1]
    assert (len(long), long[0], long[-1]) == (10, "▁", "█")
