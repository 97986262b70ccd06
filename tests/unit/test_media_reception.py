"""Loss, jitter, gaps and budgets, in made-up time."""

import pytest

from media.sfu.reception import MAX_MISSING, MAX_TRIES, RETRY_S, Gaps, Reception, TokenBucket


def feed(reception: Reception, *numbers: int) -> list[int]:
    return [reception.add(number & 0xFFFF, number * 960, number * 0.02) for number in numbers]


def test_how_far_a_packet_is_ahead() -> None:
    assert feed(Reception(48_000), 10, 11, 13, 12, 13, 20) == [1, 1, 2, -1, 0, 7]


def test_numbers_go_on_over_the_end_of_sixteen_bits() -> None:
    reception = Reception(48_000)
    assert feed(reception, 65_534, 65_535, 65_536, 65_538, 65_537) == [1, 1, 1, 2, -1]
    assert reception.report(1, 0).highest_sequence == 65_538
    assert reception.expected == 5


def test_the_report_counts_losses_since_the_last_one_and_in_all() -> None:
    reception = Reception(48_000)
    feed(reception, *(number for number in range(100) if number % 4))  # begins at 1: 99 sent, 24 of them lost
    first = reception.report(7, 2.0)
    assert (first.ssrc, first.lost, first.fraction_lost) == (7, 24, (24 << 8) // 99)
    feed(reception, *range(100, 200))
    second = reception.report(7, 4.0)
    assert (second.lost, second.fraction_lost) == (24, 0)
    assert reception.report(7, 4.0).fraction_lost == 0, "nothing came: nothing is known to be lost"


def test_duplicates_make_the_loss_negative_as_the_rfc_says() -> None:
    reception = Reception(48_000)
    feed(reception, 1, 2, 2, 2)
    assert reception.report(1, 0).lost == -2
    assert reception.report(1, 0).fraction_lost == 0


def test_a_sender_that_begins_anew_has_lost_nothing() -> None:
    reception = Reception(48_000)
    feed(reception, *range(10), *range(20_000, 20_010))
    report = reception.report(1, 0)
    assert (report.lost, report.fraction_lost) == (0, 0)


def test_delay_since_the_last_sender_report() -> None:
    reception = Reception(48_000)
    feed(reception, 1)
    assert (reception.report(1, 9).lsr, reception.report(1, 9).dlsr) == (0, 0)
    reception.note_sender_report(0xAAAA_1111_2222_BBBB, 10.0)
    report = reception.report(1, 10.5)
    assert (report.lsr, report.dlsr) == (0x1111_2222, 32_768)


def test_jitter_is_zero_on_an_even_line_and_grows_when_packets_wobble() -> None:
    even, wobbling = Reception(48_000), Reception(48_000)
    for number in range(200):
        even.add(number, number * 960, number * 0.02)
        wobbling.add(number, number * 960, number * 0.02 + (0.01 if number % 2 else 0.0))
    assert even.jitter_ms == pytest.approx(0, abs=1e-6)
    assert wobbling.jitter_ms == pytest.approx(10, rel=0.05)


def test_packets_of_one_picture_are_paced_and_that_is_no_jitter() -> None:
    reception = Reception(90_000)
    for number in range(200):
        reception.add(number, number // 4 * 3600, number // 4 * 0.04 + number % 4 * 0.005)
    assert reception.jitter_ms == pytest.approx(0, abs=1e-6)


def test_every_missing_packet_is_asked_for_again_and_again_and_then_given_up() -> None:
    gaps = Gaps()
    assert gaps.note(5, 3, 0.0)  # 3 and 4 are missing
    asked = 0
    at_s = 0.0
    while True:
        wanted, has_given_up = gaps.due(at_s)
        assert gaps.due(at_s) == ([], False), "not twice at the same time"
        if has_given_up:
            break
        assert wanted == [3, 4]
        asked += 1
        at_s += RETRY_S
    assert asked == MAX_TRIES
    assert not gaps
    assert gaps.given_up == 2


def test_what_comes_is_not_asked_for_any_more() -> None:
    gaps = Gaps()
    gaps.note(0xFFFF, 1, 0.0)
    gaps.note(2, 3, 0.0)  # 0 and 1, over the end of sixteen bits
    assert gaps.take(0)
    assert not gaps.take(0), "it was missing once"
    assert not gaps.take(0xFFFF)
    assert gaps.due(0.0) == ([1], False)


def test_a_gap_too_wide_to_ask_for_is_left_alone() -> None:
    gaps = Gaps()
    assert gaps.note(1000, MAX_MISSING, 0.0)
    assert not gaps.note(1000 + MAX_MISSING + 1, MAX_MISSING + 1, 0.0)
    assert gaps.due(0.0) == ([], False)


def test_a_budget_allows_a_burst_and_then_its_rate() -> None:
    bucket = TokenBucket(rate_per_s=10, burst=3)
    assert [bucket.take(5.0) for _ in range(5)] == [True, True, True, False, False]
    assert bucket.take(5.125)
    assert not bucket.take(5.125)
    assert [bucket.take(100.0) for _ in range(4)] == [True, True, True, False], "no more than the burst is saved up"
