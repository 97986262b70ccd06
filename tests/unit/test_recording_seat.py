"""One seat's recording from real encoded media, in made-up time: what is in the files and what the sidecar says."""

import hashlib
import itertools
import random
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from media.plan import Kind
from media.recording import sidecar
from media.recording.entries import (
    Entry,
    GapCause,
    GapClosed,
    GapOpened,
    KeyframeWanted,
    ProblemCode,
    RecorderEvent,
    RecorderProblem,
    ResolutionChanged,
    SegmentClosed,
    SegmentOpened,
    VideoTrack,
)
from media.recording.seat_recorder import SeatRecorder
from media.recording.segment import SegmentLength
from media.taps.wire import Codec
from tests.fakes.tapped_seat import (
    H264_PT,
    VP8_PT,
    Payloads,
    TappedSeat,
    audio_payloads,
    decode,
    h264_frames,
    vp8_frames,
)

START_S = 1_800_000_000.0
DELAY_S = 0.03
STEP_S = 0.02

E = TypeVar("E")


class Courtroom:
    """A recorder and the made-up time that passes for it."""

    def __init__(self, directory: Path, *, roll_after_s: float = 8.0, most_s: float = 10.0) -> None:
        self.directory = directory
        self.events: list[RecorderEvent] = []
        self.now_s = START_S
        self.recorder = SeatRecorder(
            "witness",
            directory,
            epoch_s=START_S,
            report=self.events.append,
            length=SegmentLength(roll_after_s=roll_after_s, most_s=most_s),
        )

    def run(self, seat: TappedSeat | None, seconds: float, loss: random.Random | None = None) -> None:
        """Let time pass; `loss`: every fiftieth RTP packet is lost."""
        end_s = self.now_s + seconds
        while self.now_s < end_s:
            self.now_s += STEP_S
            if seat is not None:
                for kind, datagrams in zip(Kind, seat.due(self.now_s - DELAY_S), strict=True):
                    kept = [d for d in datagrams if loss is None or loss.random() > 0.02]
                    self.recorder.on_datagrams(kind, kept, self.now_s)
            self.recorder.tick(self.now_s)

    def close(self) -> None:
        self.recorder.close(self.now_s)

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    def sidecar(self) -> list[Entry]:
        return sidecar.read(self.directory / "sidecar.jsonl")

    def files(self) -> list[bytes]:
        return [path.read_bytes() for path in sorted(self.directory.glob("*.mkv"))]

    def decoded(self) -> tuple[int, int]:
        """Pictures and sounds that all files decode to."""
        pairs = [decode(content) for content in self.files()]
        return sum(len(pictures) for pictures, _ in pairs), sum(len(sounds) for _, sounds in pairs)


@pytest.fixture
def room(tmp_path: Path) -> Courtroom:
    return Courtroom(tmp_path / "witness")


def _seat(**options: object) -> TappedSeat:
    values = {"starts_s": START_S + 0.3, "audio": audio_payloads(4.0), "video": vp8_frames(40), **options}
    return TappedSeat(**values)  # type: ignore[arg-type]  # a table of keyword arguments


BOTH = tuple(Kind)


def test_all_frames_are_in_the_files_and_segments_follow_each_other(room: Courtroom) -> None:
    room.recorder.start(BOTH, START_S)
    seat = _seat()
    room.run(seat, 30)
    room.close()
    assert room.decoded() == (seat.video_sent, seat.audio_sent)
    closed = room.of(SegmentClosed)
    assert len(closed) == 3
    for entry, content in zip(closed, room.files(), strict=True):
        assert entry.sha256 == hashlib.sha256(content).hexdigest()
        assert entry.size_bytes == len(content)
        assert entry.last_at is not None
        assert (entry.last_at - entry.opened_at).total_seconds() <= 10.1
        assert decode(content)[0][0][0] < 0.1
    for earlier, later in itertools.pairwise(closed):
        assert earlier.last_at is not None
        assert later.first_at is not None
        assert abs((later.first_at - earlier.last_at).total_seconds()) < 0.15
    assert not room.of(GapOpened)
    opened = room.of(SegmentOpened)
    assert opened[0].late_by_s == pytest.approx(0.3, abs=0.1)
    assert [entry.late_by_s for entry in opened[1:]] == [None, None]
    assert opened[1].at_s == pytest.approx(10.3, abs=0.2)


def test_a_key_frame_is_asked_for_at_the_start_and_before_each_segment_ends(room: Courtroom) -> None:
    room.recorder.start(BOTH, START_S)
    assert room.of(KeyframeWanted)
    room.run(_seat(video=vp8_frames(300, key_every_s=30.0)), 1)
    room.events.clear()
    room.run(None, 0.0)
    assert not room.of(KeyframeWanted)
    seat = _seat(starts_s=room.now_s, video=vp8_frames(300, key_every_s=30.0), seed=1)
    room.run(seat, 9)
    assert len(room.of(KeyframeWanted)) in (1, 2, 3)


def test_without_a_key_frame_the_segment_still_ends_and_sound_goes_on(room: Courtroom) -> None:
    room.recorder.start(BOTH, START_S)
    room.run(_seat(video=vp8_frames(300, key_every_s=30.0)), 20)
    room.close()
    pictures, sounds = room.decoded()
    assert pictures < 110
    assert sounds > 950
    assert [entry.video is None for entry in room.of(SegmentOpened)][:2] == [False, True]


def test_two_percent_loss_leaves_only_whole_pictures_and_a_log_of_gaps(room: Courtroom) -> None:
    room.recorder.start(BOTH, START_S)
    seat = _seat(video=vp8_frames(40, 320, 240, key_every_s=1.0))
    room.run(seat, 2)
    room.run(seat, 38, loss=random.Random(3))
    room.run(seat, 2)
    room.close()
    pictures, sounds = room.decoded()
    assert sum(entry.frames[Kind.VIDEO] for entry in room.of(SegmentClosed)) == pictures
    assert 100 < pictures < seat.video_sent
    assert 1850 < sounds < seat.audio_sent
    gaps = [entry for entry in room.sidecar() if isinstance(entry, GapClosed)]
    assert {gap.cause for gap in gaps} == {GapCause.LOSS}
    assert {gap.kind for gap in gaps} == set(Kind)
    missing_s = sum((gap.at - gap.opened_at).total_seconds() for gap in gaps if gap.kind is Kind.VIDEO)
    assert missing_s == pytest.approx((seat.video_sent - pictures) / 10, abs=len(gaps) * 0.11)
    lost_packets = sum(gap.packets or 0 for gap in gaps if gap.kind is Kind.AUDIO)
    assert lost_packets == seat.audio_sent - sounds


def test_a_new_size_stays_in_the_file_for_vp8_and_is_logged(room: Courtroom) -> None:
    video = vp8_frames(20, 320, 240) + vp8_frames(20, 160, 120)
    room.recorder.start(BOTH, START_S)
    room.run(_seat(video=video), 4)
    room.close()
    changes = room.of(ResolutionChanged)
    assert [(change.width, change.height) for change in changes] == [(160, 120)]
    assert len(room.files()) == 1
    assert room.decoded()[0] == 37


def test_h264_is_recorded_and_a_new_size_begins_a_new_file(room: Courtroom) -> None:
    video = h264_frames(20, 320, 240) + h264_frames(20, 160, 120)
    room.recorder.start(BOTH, START_S)
    room.run(_seat(video=video, video_pt=H264_PT), 4)
    room.close()
    assert [entry.video for entry in room.of(SegmentOpened)] == [
        VideoTrack(codec=Codec.H264, width=320, height=240),
        VideoTrack(codec=Codec.H264, width=160, height=120),
    ]
    assert room.decoded()[0] == 37


@pytest.mark.parametrize("make", [vp8_frames, h264_frames])
def test_a_camera_that_changes_its_size_all_the_time_floods_neither_files_nor_log(
    room: Courtroom, make: Callable[[int, int, int], tuple[tuple[Payloads, bool], ...]]
) -> None:
    video = tuple(frame for width in (320, 160, 240, 176) * 5 for frame in make(1, width, 120))
    room.recorder.start(BOTH, START_S)
    seat = _seat(video=video, video_pt=H264_PT if make is h264_frames else VP8_PT)
    room.run(seat, 6)
    room.close()
    assert seat.video_sent > 50, "control: every picture is a key frame of another size than the one before"
    assert 1 <= len(room.files()) <= 7
    assert len(room.of(ResolutionChanged)) <= 2
    assert room.decoded()[0] == sum(entry.frames.get(Kind.VIDEO, 0) for entry in room.of(SegmentClosed)) > 3
    assert room.decoded()[1] == seat.audio_sent, "sound is whole"


def test_a_seat_without_a_camera_is_recorded(room: Courtroom) -> None:
    room.recorder.start([Kind.AUDIO], START_S)
    seat = _seat(video=())
    room.run(seat, 5)
    room.close()
    assert seat.audio_sent > 200
    assert room.decoded() == (0, seat.audio_sent)
    assert not room.of(KeyframeWanted)


def test_a_camera_that_brings_nothing_does_not_hold_up_the_sound(room: Courtroom) -> None:
    room.recorder.start(BOTH, START_S)
    seat = _seat(video=())
    room.run(seat, 5)
    room.close()
    assert seat.audio_sent > 200
    assert room.decoded() == (0, seat.audio_sent)
    assert [p.kind for p in room.of(RecorderProblem) if p.code is ProblemCode.STALLED_INPUT] == [Kind.VIDEO]


def test_camera_off_and_on_again(tmp_path: Path) -> None:
    room = Courtroom(tmp_path / "witness", roll_after_s=50.0, most_s=60.0)
    seat = _seat()
    room.recorder.start(BOTH, START_S)
    room.run(seat, 4)
    room.recorder.expect(Kind.VIDEO, False, GapCause.CAMERA_OFF, room.now_s)
    off_s = room.now_s
    room.run(seat, 5)
    on_s = room.now_s
    room.recorder.expect(Kind.VIDEO, True, GapCause.CAMERA_OFF, on_s)
    room.run(seat, 6)
    room.close()
    (gap,) = [gap for gap in room.of(GapClosed) if gap.kind is Kind.VIDEO]
    assert gap.cause is GapCause.CAMERA_OFF
    assert gap.opened_at.timestamp() == pytest.approx(off_s, abs=0.01)
    assert on_s - DELAY_S <= gap.at.timestamp() < on_s + 2.1
    pictures, sounds = room.decoded()
    assert pictures <= 100
    assert sounds == seat.audio_sent
    assert not room.of(RecorderProblem)
    assert len(room.files()) == 1, "sound went on, and the file can hold the picture"


def test_what_is_sent_while_muted_is_not_recorded(room: Courtroom) -> None:
    seat = _seat(video=())
    room.recorder.start([Kind.AUDIO], START_S)
    room.run(seat, 4)
    room.recorder.expect(Kind.AUDIO, False, GapCause.MUTE, room.now_s)
    before = len(room.files()[0])
    room.run(seat, 3)
    room.recorder.expect(Kind.AUDIO, True, GapCause.MUTE, room.now_s)
    assert len(room.files()[0]) - before < 2500  # at most the cluster that was in memory
    room.run(seat, 2)
    room.close()
    assert room.decoded()[1] == pytest.approx(4 * 50 + 2 * 50 - 16, abs=2)
    (gap,) = room.of(GapClosed)
    assert (gap.cause, round((gap.at - gap.opened_at).total_seconds(), 1)) == (GapCause.MUTE, 3.0)
    assert len(room.files()) == 1
    times = [at for at, _ in decode(room.files()[0])[1]]
    hole_s, begins_s = max((later - earlier, earlier) for earlier, later in itertools.pairwise(times))
    assert hole_s == pytest.approx(3.0, abs=0.1), "in the file the silence lasts as long as it did"
    assert begins_s == pytest.approx(4 - 0.3 - DELAY_S, abs=0.15)


def test_a_mute_in_which_the_sender_clock_stood_still_begins_a_new_segment(room: Courtroom) -> None:
    seat = _seat(video=())
    room.recorder.start([Kind.AUDIO], START_S)
    room.run(seat, 4)
    room.recorder.expect(Kind.AUDIO, False, GapCause.MUTE, room.now_s)
    room.run(seat, 3)
    seat.audio_stream.first_timestamp = (seat.audio_stream.first_timestamp - 3 * 48_000) % 2**32
    room.recorder.expect(Kind.AUDIO, True, GapCause.MUTE, room.now_s)
    room.run(seat, 2)
    room.close()
    assert len(room.files()) == 2
    last = room.of(SegmentClosed)[-1].last_at
    assert last is not None
    assert last.timestamp() == pytest.approx(room.now_s, abs=0.15), "control: its times are right"


def test_timestamps_that_wrap_while_muted_stay_in_their_place(room: Courtroom) -> None:
    seat = _seat(video=())
    wraps_at_s = START_S + 6
    seat.audio_stream.first_timestamp = (2**32 - round((wraps_at_s % 1_000_000) * 48_000)) % 2**32
    room.recorder.start([Kind.AUDIO], START_S)
    room.run(seat, 4)
    room.recorder.expect(Kind.AUDIO, False, GapCause.MUTE, room.now_s)
    room.run(seat, 4)
    room.recorder.expect(Kind.AUDIO, True, GapCause.MUTE, room.now_s)
    room.run(seat, 1)
    room.close()
    (closed,) = room.of(SegmentClosed)
    assert closed.last_at is not None
    assert closed.last_at.timestamp() == pytest.approx(room.now_s, abs=0.15)


def test_a_pause_ends_the_files_and_nothing_of_it_is_recorded(room: Courtroom) -> None:
    seat = _seat()
    room.recorder.start(BOTH, START_S)
    room.run(seat, 4)
    room.recorder.shut(GapCause.PAUSE, room.now_s, "recess")
    assert len(room.of(SegmentClosed)) == 1
    size = sum(map(len, room.files()))
    room.run(seat, 5)
    assert sum(map(len, room.files())) == size
    room.recorder.reopen(room.now_s)
    room.run(seat, 4)
    room.close()
    assert sum(map(len, room.files())) > size  # control: what comes after the pause is recorded
    assert [(gap.cause, gap.reason) for gap in room.of(GapOpened)] == [(GapCause.PAUSE, "recess")] * 2
    for gap in room.of(GapClosed):
        assert 4.9 < (gap.at - gap.opened_at).total_seconds() < 7.1


def test_a_seat_muted_during_a_pause_is_still_muted_after_it(room: Courtroom) -> None:
    seat = _seat(video=())
    room.recorder.start([Kind.AUDIO], START_S)
    room.run(seat, 2)
    room.recorder.shut(GapCause.PAUSE, room.now_s, "recess")
    room.recorder.expect(Kind.AUDIO, False, GapCause.MUTE, room.now_s)
    room.run(seat, 1)
    room.recorder.reopen(room.now_s)
    size = sum(map(len, room.files()))
    room.run(seat, 2)
    assert sum(map(len, room.files())) == size
    assert [gap.cause for gap in room.of(GapOpened)] == [GapCause.PAUSE, GapCause.MUTE]
    room.recorder.expect(Kind.AUDIO, True, GapCause.MUTE, room.now_s)
    room.run(seat, 1)
    room.close()
    assert len(room.of(GapClosed)) == 2
    assert sum(map(len, room.files())) > size


def test_a_stalled_input_is_reported_within_five_seconds_and_its_end_too(room: Courtroom) -> None:
    seat = _seat()
    room.recorder.start(BOTH, START_S)
    room.run(seat, 4)
    seat.due(room.now_s + 6)
    room.run(None, 5)
    problems = room.of(RecorderProblem)
    assert {(p.kind, p.cleared) for p in problems} == {(Kind.AUDIO, False), (Kind.VIDEO, False)}
    room.run(seat, 6)
    room.close()
    assert {(p.kind, p.cleared) for p in room.of(RecorderProblem)[2:]} == {(Kind.AUDIO, True), (Kind.VIDEO, True)}
    assert {gap.cause for gap in room.of(GapClosed)} == {GapCause.STALLED}


def test_a_reconnected_source_goes_on_in_a_new_segment(room: Courtroom) -> None:
    room.recorder.start(BOTH, START_S)
    room.run(_seat(seed=1), 4)
    room.run(_seat(seed=9, starts_s=room.now_s + 0.5, clock_error_s=500.0), 4)
    room.close()
    assert len(room.of(SegmentClosed)) == 2
    assert {gap.cause for gap in room.of(GapClosed)} == {GapCause.RESTART}
    assert room.decoded()[0] == pytest.approx(36 + 34, abs=3)
    last = room.of(SegmentClosed)[-1].last_at
    assert last is not None
    assert last.timestamp() == pytest.approx(room.now_s, abs=0.15)


def test_random_datagrams_and_mad_timestamps_write_no_flood_of_files(room: Courtroom) -> None:
    chance = random.Random(5)
    room.recorder.start(BOTH, START_S)
    seat = _seat()
    for _ in range(60):
        room.run(seat, 0.1)
        seat.audio_stream.first_timestamp = chance.getrandbits(32)
        seat.video_stream.first_timestamp = chance.getrandbits(32)
        for kind in Kind:
            junk = [chance.randbytes(chance.randrange(1, 1600)) for _ in range(20)]
            junk += [bytes((0x80, 96)) + chance.randbytes(40), bytes((0x80, 200)) + chance.randbytes(26)]
            room.recorder.on_datagrams(kind, junk, room.now_s)
    room.close()
    assert 1 <= len(room.files()) <= 8
    for content in room.files():
        decode(content)


def test_the_sidecar_holds_what_was_reported_and_more(room: Courtroom) -> None:
    room.recorder.start(BOTH, START_S)
    room.run(_seat(), 4)
    room.close()
    lines = room.sidecar()
    assert [event for event in room.events if not isinstance(event, KeyframeWanted)] == [
        line for line in lines if line in room.events
    ]
    assert {type(line).__name__ for line in lines} >= {"ClockMapping", "TrackBegan", "SeatStarted", "SeatStopped"}
