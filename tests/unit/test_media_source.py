"""One stream through a relay, packet by packet: numbering, repairs, key frames, who gets what.

Every test counts and keeps packets in Python and in compiled code; `test_media_fast_path` compares what both send.
"""

import struct
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from media.plan import Kind
from media.sfu import compiled, fast_path
from media.sfu import forward as forward_module
from media.sfu.forward import Forward, OutStream
from media.sfu.rtcp import KeyFrameRequest, Nack, ReportBlock, SenderReport, parse
from media.sfu.source import Source
from media.sfu.stream_path import StreamPath

KEY, DELTA = b"\x10\x00key", b"\x10\x01delta"


class Clock:
    """Timers that the test fires."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.timers: list[tuple[float, Callable[[], None]]] = []

    def time(self) -> float:
        return self.now_s

    def call_later(self, delay: float, callback: Callable[[], None]) -> Any:
        entry = (self.now_s + delay, callback)
        self.timers.append(entry)

        class Handle:
            def cancel(handle) -> None:  # noqa: N805 (self is the clock's)
                if entry in self.timers:
                    self.timers.remove(entry)

        return Handle()

    def advance(self, seconds: float) -> None:
        end_s = self.now_s + seconds
        while due := sorted((one for one in self.timers if one[0] <= end_s), key=lambda one: one[0]):
            self.timers.remove(due[0])
            self.now_s = max(self.now_s, due[0][0])
            due[0][1]()
        self.now_s = end_s


class Line:
    """A transport that keeps what it is given. RTP of receivers is read out of the buffer that both share."""

    def __init__(self) -> None:
        self.is_connected = True
        self.rtcp: list[Any] = []
        self.rtp: list[bytes] = []
        self.counts: Counter[str] = Counter()
        self.sent_packets = 0
        self.route = self.tx = None

    def send_rtcp(self, packet: bytes) -> None:
        self.rtcp += parse(packet)

    def send_rtp(self, size: int) -> None:
        self.rtp.append(bytes(forward_module.OUT[0:size]))
        self.sent_packets += 1

    def count(self, reason: str, times: int = 1) -> None:
        self.counts[reason] += times


Sent = list[tuple[Any, int, int]]


class WritingDown:
    """Writes down what each forward gets, in order, instead of sending it."""

    def __init__(self, path: StreamPath, sent: Sent) -> None:
        self._path, self._sent = path, sent
        self._forwards: list[Any] = []
        self.flow, self.keep, self.kept, self.forget = path.flow, path.keep, path.kept, path.forget
        self.collect, self.decide = path.collect, path.decide

    def take(self, packet: bytes, at_s: float) -> bool:
        return False

    def prepare(self, forwards: Any) -> None:
        self._forwards = list(forwards)

    def send(self, packet: bytes, number: int, timestamp: int, mid_at: int) -> None:
        for one in self._forwards:
            sequence = (number + one.sequence_offset) & 0xFFFF
            self._sent.append((one.out, sequence, (timestamp + one.timestamp_offset) & 0xFFFFFFFF))


@pytest.fixture(params=["pure", "compiled"])
def sent(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Sent:
    library = compiled.load() if request.param == "compiled" else None
    if request.param == "compiled" and library is None:
        pytest.skip("the fast path was not compiled: no C compiler here")
    kept: Sent = []
    monkeypatch.setattr(fast_path, "_library", library)
    monkeypatch.setattr("media.sfu.source.new_path", lambda *given: WritingDown(fast_path.new_path(*given), kept))
    return kept


class Stream:
    """A source with its uplink, a clock, and the means to speak on it."""

    def __init__(self, kind: Kind = Kind.VIDEO) -> None:
        self.clock, self.line = Clock(), Line()
        types = (96, 97) if kind is Kind.VIDEO else (111,)
        self.type = types[0]
        self.source = Source(kind, 42, 43 if kind is Kind.VIDEO else None, types, self.line, self.clock)
        self.source.publish(True)

    def take(self, sequence: int, payload: bytes = DELTA, *, timestamp: int | None = None) -> None:
        timestamp = sequence * 100 if timestamp is None else timestamp
        packet = struct.pack("!BBHLL", 0x80, self.type, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, 42) + payload
        self.source.take(packet, self.clock.now_s)

    def take_rtx(self, sequence: int, payload: bytes = DELTA) -> None:
        head = struct.pack("!BBHLL", 0x80, 97, 9, sequence * 100 & 0xFFFFFFFF, 43)
        self.source.take_rtx(head + struct.pack("!H", sequence & 0xFFFF) + payload, self.clock.now_s)

    def forward(self, out: OutStream | None = None) -> tuple[Forward, Line]:
        line = Line()
        section = out or out_stream(self.source.kind)
        made = Forward(self.source, section, line)  # type: ignore[arg-type]  # has what a forward uses
        self.source.attach(made)
        return made, line

    def requests(self, kind: type[Any]) -> list[Any]:
        return [one for one in self.line.rtcp if isinstance(one, kind)]


def out_stream(kind: Kind = Kind.VIDEO) -> OutStream:
    return OutStream(kind=kind, mid=b"v00", ssrc=7, rtx_ssrc=8, cname="slot0", is_accepted=True)


def test_video_begins_with_a_key_frame_below_32768_and_goes_on_for_ever(sent: Sent) -> None:
    stream = Stream()
    stream.take(40_000)
    stream.forward()
    stream.take(40_001)
    assert not sent
    stream.take(40_002, KEY)
    assert sent[0][1] < 0x8000
    for number in range(40_003, 40_003 + 140_000):  # twice around, far beyond half a round from where it began
        stream.take(number)
    assert len(sent) == 140_001
    assert {(b - a) & 0xFFFF for (_, a, _), (_, b, _) in pairwise(sent)} == {1}


def test_a_section_taken_over_goes_on_by_one(sent: Sent) -> None:
    out = out_stream(Kind.AUDIO)
    first, second = Stream(Kind.AUDIO), Stream(Kind.AUDIO)
    forward, _ = first.forward(out)
    for number in range(60_000, 60_010):
        first.take(number)
    first.source.detach(forward)
    first.take(60_010)
    assert len(sent) == 10
    second.clock.now_s = first.clock.now_s + 2.0
    after, line = second.forward(out)
    for number in range(5, 10):
        second.take(number)
    assert [(b - a) & 0xFFFF for (_, a, _), (_, b, _) in pairwise(sent)] == [1] * 14
    assert sent[10][2] - sent[9][2] == 2 * 48_000
    after.resend(tuple(number for _, number, _ in sent), second.clock.now_s)
    assert len(line.rtp) == 5, "nothing of the one before is sent again under the new one's name"


def test_gaps_are_asked_for_and_repairs_carried_once(sent: Sent) -> None:
    stream = Stream()
    _, line = stream.forward()
    stream.take(10, KEY)
    stream.take(14)
    assert stream.requests(Nack)[0].sequences == (11, 12, 13)
    stream.take_rtx(12)
    stream.take_rtx(12)
    stream.take(12)
    stream.take_rtx(20)  # never asked for: numbers that are still to come cannot be taken
    assert [packet[12:] for packet in line.rtp] == [DELTA]
    stream.take(13)
    stream.clock.advance(0.2)
    assert {number for one in stream.requests(Nack)[1:] for number in one.sequences} == {11}
    stream.clock.advance(5.0)
    assert stream.requests(KeyFrameRequest)
    asked = len(stream.requests(Nack))
    stream.clock.advance(5.0)
    assert len(stream.requests(Nack)) == asked, "given up"


def test_a_wish_for_a_key_frame_is_throttled_and_not_forgotten(sent: Sent) -> None:
    stream = Stream()
    stream.take(1)
    for _ in range(50):
        stream.source.want_key_frame()
    assert len(stream.requests(KeyFrameRequest)) == 1
    for number in range(2, 22):
        stream.clock.advance(0.1)
        stream.take(number)
    assert 3 <= len(stream.requests(KeyFrameRequest)) <= 5
    stream.take(22, KEY)
    asked = len(stream.requests(KeyFrameRequest))
    stream.clock.advance(10)
    assert len(stream.requests(KeyFrameRequest)) == asked
    assert not stream.clock.timers, "nothing runs when nothing is wanted"


def test_a_camera_that_is_off_is_hardly_asked(sent: Sent) -> None:
    stream = Stream()
    stream.source.want_key_frame()
    stream.clock.advance(60)
    assert 2 <= len(stream.requests(KeyFrameRequest)) <= 14


def test_what_was_said_while_muted_comes_out_neither_then_nor_later(sent: Sent) -> None:
    stream = Stream(Kind.AUDIO)
    forward, line = stream.forward()
    stream.take(1)
    stream.source.publish(False)
    for number in range(2, 5):
        stream.take(number)
    stream.source.publish(True)
    stream.take(4)  # late, or asked for before
    stream.take(3)
    assert len(sent) == 1
    assert not line.rtp
    stream.take(5)
    stream.take(6)
    numbers = [number for _, number, _ in sent]
    assert [b - a for a, b in pairwise(numbers)] == [1, 1]
    forward.resend(tuple(range(numbers[0], numbers[0] + 10)), stream.clock.now_s)
    assert len(line.rtp) == 2


def test_reports_keep_the_clock_and_carry_own_numbers(sent: Sent) -> None:
    out = out_stream()
    out.sequence, out.timestamp, out.sent_at_s = 5, 1_000_000, 99.0
    stream = Stream()
    stream.take(1)
    stream.source.take_sender_report(SenderReport(42, 77 << 32, 5_000, 1, 1), stream.clock.now_s)
    forward, line = stream.forward(out)
    stream.take(2, KEY, timestamp=5_000)
    report = line.rtcp[0]
    assert (report.ssrc, report.ntp, report.rtp_timestamp) == (7, 77 << 32, sent[0][2])
    stream.clock.advance(0.1)
    lsr = 77 << 16
    forward.take_report(ReportBlock(7, 64, 1, 20, 90, lsr, 65536 // 20), stream.clock.now_s)
    assert forward.rtt_ms == pytest.approx(50, abs=1)
    assert (forward.loss_ratio, forward.jitter_ms) == (0.25, 1.0)
    forward.take_report(ReportBlock(7, 0, 4, 50, 90, 0, 0), stream.clock.now_s)
    assert forward.take_losses() == (30, 3)
    assert forward.take_losses() == (0, 0)


def test_repaired_sound_counts_as_lost_together_with_the_rest(sent: Sent) -> None:
    stream = Stream(Kind.AUDIO)
    forward, _ = stream.forward()
    for number in range(1, 60):
        stream.take(number)
    first = sent[0][1]
    forward.take_report(ReportBlock(forward.out.ssrc, 0, 0, first, 0, 0, 0), stream.clock.now_s)
    forward.resend((first + 5, first + 9), stream.clock.now_s)
    forward.resend((first + 9,), stream.clock.now_s)
    assert forward.take_losses() == (0, 0), "a part of nothing would seem to be everything"
    forward.take_report(ReportBlock(forward.out.ssrc, 0, 1, first + 50, 0, 0, 0), stream.clock.now_s)
    assert forward.take_losses() == (50, 3)


def test_counts_are_the_same_whoever_counts(sent: Sent) -> None:
    stream = Stream()
    early, early_line = stream.forward()
    stream.take(1, KEY)
    for number in range(2, 5):
        stream.take(number)
    late, late_line = stream.forward()
    stream.take(5, KEY)
    early.pause(True)
    stream.take(6)
    for one in (early, late):
        one.settle()
        one.settle()
    assert (early.packets, early_line.sent_packets, early.out.packets) == (5, 5, 5)
    assert (late.packets, late_line.sent_packets) == (2, 2)
    assert late.bytes == (12 + len(KEY)) + (12 + len(DELTA))
    assert late.out.octets == len(KEY) + len(DELTA)


def test_a_nack_storm_is_cut_off(sent: Sent) -> None:
    stream = Stream()
    forward, line = stream.forward()
    stream.take(1, KEY)
    forward.resend((sent[0][1],) * 5_000, stream.clock.now_s)
    assert len(line.rtp) <= 200
    assert line.counts["nack_flood"]


def test_a_closed_source_leaves_no_timer(sent: Sent) -> None:
    stream = Stream()
    stream.take(1)
    stream.source.want_key_frame()
    assert stream.clock.timers
    stream.source.close()
    stream.source.close()
    stream.source.want_key_frame()
    assert not stream.clock.timers
