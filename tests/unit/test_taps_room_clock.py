"""RTP times to the room's clock: by sender reports, by arrival before the first, and against senders that lie."""

import random

import pytest

from media.taps.room_clock import StreamClock
from media.taps.wire import SenderReport, parse_sender_reports
from tests.fakes.tapped_seat import RtpStream

START_S = 1_800_000_000.0


def test_a_report_is_read_from_the_wire() -> None:
    stream = RtpStream(111, 48_000, 7, clock_error_s=12.5)
    (report,) = parse_sender_reports(stream.report(START_S))
    assert report.ssrc == stream.ssrc
    assert report.ntp_s == pytest.approx(START_S + 12.5, abs=1e-5)
    assert report.timestamp == stream.timestamp(START_S)


def test_before_the_first_report_the_quickest_arrival_counts() -> None:
    clock, chance = StreamClock(48_000), random.Random(1)
    for number in range(500):
        assert clock.on_frame(number * 960, START_S + number * 0.02 + 0.030 + chance.uniform(0, 0.2))
    assert clock.source == "arrival"
    assert clock.wall_s(0) == pytest.approx(START_S + 0.030, abs=0.005)


@pytest.mark.parametrize("error_s", [-3600.0, -0.4, 0.0, 25.0, 86_400.0])
def test_reports_give_the_room_time_whatever_the_senders_clock_says(error_s: float) -> None:
    clock, chance = StreamClock(90_000), random.Random(2)
    clock.on_frame(0, START_S + 0.2)
    for second in range(1, 40):
        delay_s = 0.020 + chance.uniform(0, 0.1)
        report = SenderReport(1, START_S + second + error_s, second * 90_000)
        assert clock.on_report(report, START_S + second + delay_s)
        clock.on_frame(second * 90_000, START_S + second + 0.2)
    assert clock.source == "rtcp"
    assert clock.wall_s(39 * 90_000) == pytest.approx(START_S + 39 + 0.020, abs=0.015)


def test_a_drifting_clock_is_followed_for_hours() -> None:
    clock, drift = StreamClock(48_000), 100e-6
    for second in range(3 * 3600):
        at_s = START_S + second
        ticks = round(second * (1 + drift) * 48_000)
        assert clock.on_frame(ticks, at_s + 0.03)
        assert clock.on_report(SenderReport(1, at_s * 1.0 + second * drift, ticks % 2**32), at_s + 0.03)
    assert clock.refused_reports == 0
    assert clock.wall_s(ticks) == pytest.approx(at_s + 0.03, abs=0.02)


def test_a_report_that_contradicts_the_frames_is_not_believed() -> None:
    clock = StreamClock(48_000)
    clock.on_frame(0, START_S)
    assert not clock.on_report(SenderReport(1, START_S, 48_000 * 30), START_S + 0.1)
    assert (clock.source, clock.refused_reports) == ("arrival", 1)
    assert clock.on_report(SenderReport(1, START_S, 4800), START_S + 0.1)  # control: an honest one is


def test_a_timestamp_far_from_its_arrival_needs_a_new_clock() -> None:
    clock = StreamClock(48_000)
    assert clock.on_frame(0, START_S)
    assert clock.on_frame(48_000 * 9, START_S)
    assert not clock.on_frame(48_000 * 20, START_S)
    assert clock.on_frame(48_000 * 600, START_S + 600)  # a jump that real time made too is none
