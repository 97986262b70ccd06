"""What a downlink makes of the reports of one receiver, honest or not."""

from collections import Counter
from itertools import count

import pytest
from aiortc import RTCCertificate

from media.ice import AddressSettings
from media.plan import Kind
from media.quality import Health
from media.sfu import fast_path
from media.sfu.connection import Surroundings
from media.sfu.peer import MAX_ASKED, Downlink
from media.sfu.rtcp import KeyFrameRequest, ReportBlock, build_nack, build_pli, build_rr
from tests.unit.test_media_source import KEY, Line, Stream, WritingDown


@pytest.fixture(scope="module")
def certificate() -> RTCCertificate:
    return RTCCertificate.generateCertificate()


class Receiver:
    """A receiver of one person's sound and picture, and the second hand of its clock."""

    def __init__(self, certificate: RTCCertificate) -> None:
        self.streams = {kind: Stream(kind) for kind in Kind}
        clock = self.clock = self.streams[Kind.VIDEO].clock
        self.streams[Kind.AUDIO].clock = clock
        self.dropped: Counter[str] = Counter()
        around = Surroundings(AddressSettings(), certificate, self.dropped, lambda event: None, clock)
        self.downlink = Downlink(around, "court", "bob", 1, slots=1)
        self.line = Line()
        self.downlink.transport = self.line  # type: ignore[assignment]  # keeps what it is given
        self.downlink.seat({"ann"})
        for kind, stream in self.streams.items():
            out = self.downlink.out_stream("ann", kind)
            assert out is not None
            out.is_accepted = True
            self.downlink.connect("ann", stream.source)
        self._numbers = {kind: count(1) for kind in Kind}
        self._taken = Counter[Kind]()
        self._reported: dict[Kind, tuple[int, int]] = dict.fromkeys(Kind, (0, 0))
        self.speak(0.02)

    def ssrc(self, kind: Kind) -> int:
        out = self.downlink.out_stream("ann", kind)
        assert out is not None
        return out.ssrc

    def speak(self, seconds: float) -> None:
        """Let sound and picture flow, 50 packets a second each, and the relay measure."""
        for turn in range(round(seconds * 50)):
            for kind, stream in self.streams.items():
                stream.take(next(self._numbers[kind]), KEY, timestamp=turn)
                self._taken[kind] += 1
            self.clock.advance(0.02)
            if turn % 12 == 11:
                self.downlink.measure(self.clock.now_s)

    def report(self, kind: Kind, loss: float) -> None:
        """The receiver reports `loss` of what came since its last report."""
        highest, lost = self._reported[kind]
        lost += round(loss * (self._taken[kind] - highest))
        self._reported[kind] = self._taken[kind], lost
        self.say(build_rr(1, [ReportBlock(self.ssrc(kind), round(loss * 255), lost, self._taken[kind], 0, 0, 0)]))

    def say(self, packet: bytes) -> None:
        self.downlink.on_rtcp(packet, self.clock.now_s)

    def ask_again(self, kind: Kind, numbers: int) -> None:
        """Ask for `numbers` packets that were sent last."""
        forward = self.downlink.forwards["ann", kind]
        forward.settle()
        last = forward.out.sequence
        self.say(build_nack(1, self.ssrc(kind), [(last - back) & 0xFFFF for back in range(numbers - 1, -1, -1)]))

    @property
    def key_frames_asked(self) -> int:
        return sum(isinstance(one, KeyFrameRequest) for one in self.streams[Kind.VIDEO].line.rtcp)


@pytest.fixture
async def receiver(certificate: RTCCertificate, fan_out: None) -> Receiver:
    return Receiver(certificate)


@pytest.fixture
def fan_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is encrypted here: what is sent in order is only written down."""
    monkeypatch.setattr(fast_path, "_library", None)
    monkeypatch.setattr("media.sfu.source.new_path", lambda *given: WritingDown(fast_path.new_path(*given), []))


def pause(receiver: Receiver) -> None:
    for _ in range(5):
        receiver.speak(1)
        receiver.report(Kind.VIDEO, 0.3)
    receiver.speak(0.5)
    assert receiver.downlink.quality.is_video_paused


async def test_an_old_report_does_not_outweigh_new_ones(receiver: Receiver) -> None:
    receiver.report(Kind.AUDIO, 0)
    receiver.report(Kind.VIDEO, 0)
    for _ in range(5):
        receiver.speak(1)
        receiver.report(Kind.VIDEO, 0)
    receiver.report(Kind.AUDIO, 0.3)  # of five seconds
    receiver.speak(1)
    assert receiver.downlink.quality.health is Health.GOOD
    for _ in range(4):  # the control: when nothing else is reported, it counts
        receiver.speak(5)
        receiver.report(Kind.AUDIO, 0.3)
    receiver.speak(1)
    assert receiver.downlink.quality.health is Health.BAD


async def test_lost_reports_are_made_up_for_by_what_is_asked_for_again(receiver: Receiver) -> None:
    receiver.speak(1)
    receiver.report(Kind.VIDEO, 0)
    for _ in range(8):
        receiver.speak(0.25)
        receiver.ask_again(Kind.AUDIO, 4)
        receiver.ask_again(Kind.VIDEO, 4)
    receiver.speak(0.5)
    assert receiver.downlink.quality.is_video_paused, "two seconds without a report"


async def test_silence_proves_nothing(receiver: Receiver) -> None:
    receiver.speak(1)
    receiver.report(Kind.VIDEO, 0)
    receiver.speak(10)
    assert not receiver.downlink.quality.is_video_paused
    assert receiver.downlink.quality.health in (None, Health.GOOD)


async def test_who_gets_no_pictures_makes_nobody_send_key_frames(receiver: Receiver) -> None:
    pause(receiver)
    asked = receiver.key_frames_asked
    for _ in range(20):
        receiver.say(build_pli(1, receiver.ssrc(Kind.VIDEO)))
        receiver.speak(0.25)
    assert receiver.dropped["key_frame_unwanted"] == 20
    assert receiver.key_frames_asked == asked
    for _ in range(3):
        receiver.speak(1)
        receiver.report(Kind.AUDIO, 0)
    receiver.speak(0.5)
    assert not receiver.downlink.quality.is_video_paused
    assert receiver.key_frames_asked > asked, "the control: one is asked for when they come back"


@pytest.mark.parametrize(
    "block",
    [
        ReportBlock(0, 255, 0x7FFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF),
        ReportBlock(0, 255, -0x800000, 0, 0xFFFFFFFF, 1, 0xFFFFFFFF),
        ReportBlock(0, 0, 0, 0x7FFF0000, 0, 0, 0),
    ],
)
async def test_an_absurd_report_is_no_crash_and_no_loss_beyond_all(receiver: Receiver, block: ReportBlock) -> None:
    for number in range(10):
        receiver.speak(1)
        ssrc = receiver.ssrc(Kind.VIDEO)
        highest = (block.highest_sequence + 5000 * number) & 0xFFFFFFFF
        lying = ReportBlock(ssrc, block.fraction_lost, block.lost, highest, block.jitter, block.lsr, block.dlsr)
        receiver.say(build_rr(1, [lying]))
    quality = receiver.downlink.quality
    assert quality.loss_ratio is None or 0 <= quality.loss_ratio <= 1
    audio = receiver.downlink.forwards["ann", Kind.AUDIO]
    assert audio.is_started, "sound is never given up"
    assert receiver.streams[Kind.VIDEO].source.is_published


async def test_a_storm_of_nacks_is_remembered_in_bounds(receiver: Receiver) -> None:
    receiver.speak(1)
    receiver.report(Kind.VIDEO, 0)
    for start in range(0, 60_000, 300):
        receiver.say(build_nack(1, receiver.ssrc(Kind.VIDEO), [(start + one) & 0xFFFF for one in range(300)]))
    assert len(receiver.downlink._asked) <= MAX_ASKED + 300 * 17
    resent = len(receiver.line.rtp)
    assert resent < 600, "the budget for answers"
