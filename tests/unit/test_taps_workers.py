"""What the tap workers do with a stream, without the processes around them."""

import itertools
import random

import msgspec
import numpy as np
import pytest

from media.taps.audio_worker import AudioWork
from media.taps.video_worker import VideoWork
from media.taps.worker_messages import PCM_HZ, NeedsKeyframe, PcmChunk, SampledFrame
from tests.fakes.tapped_seat import H264_PT, TappedSeat, audio_payloads, h264_frames, vp8_frames

START_S = 1_800_000_000.0
DELAY_S = 0.03


class Owner:
    """Takes what a worker sends; `is_behind`: does not take it."""

    def __init__(self) -> None:
        self.messages: list[msgspec.Struct] = []
        self.is_behind = False

    def send(self, message: msgspec.Struct) -> bool:
        if not self.is_behind:
            self.messages.append(message)
        return not self.is_behind

    @property
    def chunks(self) -> list[PcmChunk]:
        return [message for message in self.messages if isinstance(message, PcmChunk)]

    @property
    def pictures(self) -> list[SampledFrame]:
        return [message for message in self.messages if isinstance(message, SampledFrame)]


def _run(
    work: AudioWork | VideoWork,
    seat: TappedSeat | None,
    from_s: float,
    to_s: float,
    lossy: random.Random | None = None,
) -> None:
    for step in range(round((to_s - from_s) / 0.02)):
        at_s = START_S + from_s + (step + 1) * 0.02
        if seat is not None:
            for datagram in seat.due(at_s - DELAY_S)[isinstance(work, VideoWork)]:
                if lossy is None or lossy.random() > 0.1:
                    work.take(datagram, at_s)
        work.tick(at_s)


def _has_no_holes(chunks: list[PcmChunk]) -> None:
    for earlier, later in itertools.pairwise(chunks):
        assert later.captured_s - earlier.captured_s == pytest.approx(earlier.duration_s, abs=0.03)


def test_sound_comes_out_at_16_khz_at_the_time_it_was_made() -> None:
    owner = Owner()
    work = AudioWork(owner.send, {})
    _run(work, TappedSeat(START_S, audio=audio_payloads(6.0, 3.0), clock_error_s=50.0), 0, 6)
    assert sum(chunk.duration_s for chunk in owner.chunks) == pytest.approx(5.9, abs=0.2)
    assert not any(chunk.is_filled for chunk in owner.chunks)
    assert all(chunk.duration_s <= 0.12 for chunk in owner.chunks)
    _has_no_holes(owner.chunks)
    peaks = [(int(np.abs(np.frombuffer(c.samples, "<i2")).max()), c) for c in owner.chunks]
    loudest, chunk = max(peaks, key=lambda peak: peak[0])
    at_s = chunk.captured_s + int(np.abs(np.frombuffer(chunk.samples, "<i2")).argmax()) / PCM_HZ
    assert loudest > 10_000
    assert at_s == pytest.approx(START_S + 3.0, abs=0.08)


def test_lost_packets_become_marked_silence_of_the_same_length() -> None:
    owner = Owner()
    work = AudioWork(owner.send, {})
    _run(work, TappedSeat(START_S, audio=audio_payloads(4.0)), 0, 10, random.Random(1))
    _run(work, None, 10, 10.3)
    filled_s = sum(chunk.duration_s for chunk in owner.chunks if chunk.is_filled)
    assert 0.6 < filled_s < 1.5
    assert sum(chunk.duration_s for chunk in owner.chunks) == pytest.approx(9.9, abs=0.2)
    assert not any(any(chunk.samples) for chunk in owner.chunks if chunk.is_filled)
    assert all(any(chunk.samples) for chunk in owner.chunks if not chunk.is_filled)
    _has_no_holes(owner.chunks)


def test_silence_is_filled_while_nothing_comes_and_time_goes_on() -> None:
    owner = Owner()
    work = AudioWork(owner.send, {})
    seat = TappedSeat(START_S, audio=audio_payloads(4.0))
    _run(work, seat, 0, 2)
    seat.due(START_S + 7)
    _run(work, None, 2, 7)
    filled_s = sum(chunk.duration_s for chunk in owner.chunks if chunk.is_filled)
    assert filled_s == pytest.approx(4.5, abs=0.3)
    _run(work, seat, 7, 9)
    _has_no_holes(owner.chunks)
    end = owner.chunks[-1]
    assert end.captured_s + end.duration_s == pytest.approx(START_S + 9, abs=0.2)
    assert not end.is_filled


def test_an_owner_that_is_behind_gets_the_newest_sound_later() -> None:
    owner = Owner()
    work = AudioWork(owner.send, {})
    owner.is_behind = True
    seat = TappedSeat(START_S, audio=audio_payloads(4.0))
    _run(work, seat, 0, 20)
    owner.is_behind = False
    _run(work, seat, 20, 20.5)
    assert 100 <= len(owner.chunks) <= 110
    assert owner.chunks[0].captured_s > START_S + 9


@pytest.mark.parametrize(
    ("pt", "video"), [(96, vp8_frames(40, 320, 240)), (H264_PT, h264_frames(40, 320, 240))], ids=["vp8", "h264"]
)
def test_two_pictures_a_second_with_the_time_they_were_taken(pt: int, video: tuple[object, ...]) -> None:
    owner = Owner()
    work = VideoWork(owner.send, {"fps": 2.0, "max_width": 160})
    _run(work, TappedSeat(START_S, video=video, video_pt=pt, clock_error_s=9.0), 0, 6)  # type: ignore[arg-type]  # table
    assert len(owner.pictures) == 12
    assert {(picture.width, picture.height) for picture in owner.pictures} == {(160, 120)}
    first = np.frombuffer(owner.pictures[0].rgb, np.uint8).reshape(120, 160, 3)
    assert 30 < first.mean() < 90
    for number, picture in enumerate(owner.pictures):
        assert picture.captured_s == pytest.approx(START_S + number * 0.5, abs=0.15)


def test_pictures_go_on_when_the_sender_changes_its_codec() -> None:
    """A browser may renegotiate, or come anew with another: then with another SSRC, in the middle of everything."""
    owner = Owner()
    work = VideoWork(owner.send, {"fps": 2.0, "max_width": 160})
    _run(work, TappedSeat(START_S, video=vp8_frames(40, 320, 240)), 0, 3)
    before = len(owner.pictures)
    assert before >= 5
    h264 = TappedSeat(START_S + 3, seed=2, video=h264_frames(40, 320, 240), video_pt=H264_PT)
    _run(work, h264, 3, 6)
    between = len(owner.pictures)
    assert between - before >= 5
    again = TappedSeat(START_S + 6, seed=2, video=vp8_frames(40, 320, 240))
    again.video_stream.ssrc = h264.video_stream.ssrc  # the same stream, another payload type
    _run(work, again, 6, 9)
    assert len(owner.pictures) - between >= 5
    for picture in owner.pictures:
        assert 30 < np.frombuffer(picture.rgb, np.uint8).mean() < 90
    assert [p.captured_s for p in owner.pictures] == sorted(p.captured_s for p in owner.pictures)


def test_a_flash_is_seen_when_it_was() -> None:
    owner = Owner()
    work = VideoWork(owner.send, {"fps": 5.0})
    _run(work, TappedSeat(START_S, video=vp8_frames(60, flash=34)), 0, 5)
    brightest = max(owner.pictures, key=lambda picture: np.frombuffer(picture.rgb, np.uint8).mean())
    assert brightest.captured_s == pytest.approx(START_S + 3.4, abs=0.05)


def test_the_newest_picture_wins_while_the_owner_is_behind() -> None:
    owner = Owner()
    work = VideoWork(owner.send, {"fps": 2.0})
    seat = TappedSeat(START_S, video=vp8_frames(40))
    owner.is_behind = True
    _run(work, seat, 0, 5)
    owner.is_behind = False
    _run(work, seat, 5, 5.1)
    assert len(owner.pictures) <= 2  # the one that waited, and one that was due since
    assert owner.pictures[0].captured_s > START_S + 4.4


def test_a_key_frame_is_asked_for_until_one_comes() -> None:
    owner = Owner()
    work = VideoWork(owner.send, {"fps": 2.0})
    video = vp8_frames(300, key_every_s=60.0)
    seat = TappedSeat(START_S, video=video)
    seat.due(START_S + 1)  # the key frame was before we came
    _run(work, seat, 1, 6)
    assert not owner.pictures
    assert 2 <= sum(isinstance(message, NeedsKeyframe) for message in owner.messages) <= 4
    owner.messages.clear()
    _run(work, TappedSeat(START_S + 6, seed=4, video=video), 6, 12)
    assert owner.pictures
    assert sum(isinstance(message, NeedsKeyframe) for message in owner.messages) <= 1


def test_damaged_frames_and_junk_never_end_a_worker() -> None:
    chance = random.Random(4)
    for make in (AudioWork, VideoWork):
        owner = Owner()
        work = make(owner.send, {})
        seat = TappedSeat(START_S, audio=audio_payloads(4.0), video=vp8_frames(40))
        for step in range(300):
            at_s = START_S + step * 0.02
            for datagram in seat.due(at_s)[make is VideoWork]:
                spoiled = bytearray(datagram)
                if chance.random() < 0.3:
                    spoiled[chance.randrange(12, len(spoiled))] = chance.randrange(256)
                work.take(bytes(spoiled), at_s)
                work.take(chance.randbytes(chance.randrange(1600)), at_s)
            work.tick(at_s)
        assert owner.messages
