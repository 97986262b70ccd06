"""How sound that came late, twice or not at all would have been played."""

import pytest

from media.replay.playout import play_out

FRAME = 960


def stream(
    count: int, *, lost: set[int] = frozenset(), late: dict[int, float] | None = None, first: int = 65_500
) -> list[tuple[int, int, float]]:  # fmt: skip
    """One packet every 20 ms; both counters run over. `late`: seconds."""
    start = (1 << 32) - 20 * FRAME
    packets = [
        (
            (first + number) & 0xFFFF,
            (start + number * FRAME) & 0xFFFFFFFF,
            number * 0.02 + (late or {}).get(number, 0.0),
        )
        for number in range(count)
        if number not in lost
    ]
    return sorted(packets, key=lambda packet: packet[2])


def test_nothing_lost_is_nothing_missing() -> None:
    played = play_out(stream(100), buffer_s=0.2)
    assert (played.packets, played.missing, played.in_gaps, played.longest) == (100, 0, 0, 0)


def test_nothing_received_is_no_time_at_all() -> None:
    assert play_out([], buffer_s=0.2).gap_ratio == 0.0


@pytest.mark.parametrize(
    ("lost", "missing", "in_gaps", "longest"),
    [({5}, 1, 0, 1), ({5, 6}, 2, 0, 2), ({5, 6, 7}, 3, 3, 3), ({5, 6, 7, 20, 50, 51, 52, 53}, 8, 7, 4)],
)
def test_three_in_a_row_are_a_gap(lost: set[int], missing: int, in_gaps: int, longest: int) -> None:
    played = play_out(stream(100, lost=lost), buffer_s=0.2)
    assert (played.missing, played.in_gaps, played.longest) == (missing, in_gaps, longest)
    assert played.gap_ratio == pytest.approx(in_gaps / 100)


def test_a_repair_counts_when_it_came_before_its_turn() -> None:
    packets = stream(100, late={40: 0.19, 41: 0.19, 42: 0.21, 43: 0.21, 44: 0.21})
    played = play_out(packets, buffer_s=0.2)
    assert (played.missing, played.in_gaps) == (3, 3)
    assert play_out(packets, buffer_s=0.3).missing == 0


def test_what_comes_twice_counts_once() -> None:
    packets = stream(100, lost={10})
    assert play_out(packets + packets[:50], buffer_s=0.2).missing == 1
