"""Seats recorded apart, put side by side: in sync by the room's clock, whole, and safe to do again."""

import itertools
from datetime import datetime
from pathlib import Path

import av
import pytest

from media.plan import Kind
from media.recording import compose
from media.recording.entries import GapCause, SegmentClosed
from media.recording.seat_recorder import SeatRecorder
from media.recording.segment import SegmentLength
from tests.fakes.tapped_seat import H264_PT, TappedSeat, audio_payloads, decode, h264_frames, vp8_frames

START_S = 1_800_000_000.0
CLAP_S = START_S + 22.0
BOTH = tuple(Kind)


def _record(directory: Path, seat: TappedSeat, *, seconds: float, delay_s: float, start_s: float = START_S) -> None:
    """Record `seat`, whose packets take `delay_s` and up to 15 ms more, until START_S + `seconds`."""
    recorder = SeatRecorder(
        directory.name,
        directory,
        epoch_s=START_S,
        report=lambda event: None,
        length=SegmentLength(roll_after_s=8.0, most_s=10.0),
    )
    recorder.start(BOTH, start_s)
    now_s, step = start_s, 0
    while now_s < START_S + seconds:
        step += 1
        now_s = start_s + step * 0.02
        for kind, datagrams in zip(Kind, seat.due(now_s - delay_s - (step * 7 % 4) * 0.005), strict=True):
            recorder.on_datagrams(kind, datagrams, now_s)
        recorder.tick(now_s)
    recorder.close(now_s)


def _clapping(starts_s: float, **options: object) -> TappedSeat:
    """A seat that clicks and flashes at CLAP_S."""
    length_s = CLAP_S - starts_s + 3
    values = {
        "starts_s": starts_s,
        "audio": audio_payloads(length_s, CLAP_S - starts_s),
        "video": vp8_frames(round(length_s * 10), flash=round((CLAP_S - starts_s) * 10)),
        **options,
    }
    return TappedSeat(**values)  # type: ignore[arg-type]  # a table of keyword arguments


def _clap(path: Path, starts_at: datetime) -> tuple[float, float]:
    """When the flash and the click are in a file, as seconds after CLAP_S by the room's clock."""
    pictures, sounds = decode(path.read_bytes())
    flash_s = max(pictures, key=lambda picture: picture[1])[0]
    click_s = max(sounds, key=lambda sound: sound[1])[0]
    offset_s = starts_at.timestamp() - CLAP_S
    return flash_s + offset_s, click_s + offset_s


def test_a_clap_is_at_the_same_time_in_all_seats_also_of_one_who_joined_late(tmp_path: Path) -> None:
    early = _clapping(START_S, seed=1, clock_error_s=37.0)
    late = _clapping(START_S + 17.0, seed=2, clock_error_s=-300.0, reports_from_s=2.5)
    _record(tmp_path / "early", early, seconds=25, delay_s=0.02)
    _record(tmp_path / "late", late, seconds=25, delay_s=0.06, start_s=START_S + 16.5)
    claps = []
    for name in ("early", "late"):
        joined = compose.concatenate(tmp_path / name, tmp_path / f"{name}.mkv")
        claps += _clap(joined.path, joined.starts_at)
    assert max(claps) - min(claps) <= 0.080
    assert all(-0.01 <= clap <= 0.15 for clap in claps)


def test_a_first_report_that_comes_late_corrects_what_was_written_before(tmp_path: Path) -> None:
    seat = _clapping(START_S, seed=3, reports_from_s=4.0)
    video = seat.video_stream
    seat.video_stream.first_timestamp = (video.first_timestamp + 18_000) % 2**32
    _record(tmp_path / "seat", seat, seconds=25, delay_s=0.05)
    first = compose.seat_segments(tmp_path / "seat")[0]
    assert {span.clock for span in first.streams.values()} == {"rtcp"}
    assert abs(first.streams[Kind.AUDIO].shift_ms) < 40
    joined = compose.concatenate(tmp_path / "seat", tmp_path / "seat.mkv")
    flash_s, click_s = _clap(joined.path, joined.starts_at)
    assert abs(flash_s - click_s) <= 0.080


def test_a_remuxed_segment_has_its_duration_an_index_and_every_packet(tmp_path: Path) -> None:
    seat = _clapping(START_S)
    _record(tmp_path / "seat", seat, seconds=12, delay_s=0.02)
    closed = compose.seat_segments(tmp_path / "seat")[0]
    with av.open(str(tmp_path / "seat" / closed.file)) as original:
        assert original.duration is None  # control: the live file has none
    derived = compose.remux_segment(tmp_path / "seat", closed, tmp_path / "one.mkv")
    with av.open(str(derived.path)) as container:
        assert container.duration is not None
        assert container.duration / 1e6 == pytest.approx(8.0, abs=2.1)
        container.seek(5_000_000)
        assert next(container.decode(video=0)).time > 2.0
    assert b"\x1c\x53\xbb\x6b" in derived.path.read_bytes()  # Cues
    pictures, sounds = decode(derived.path.read_bytes())
    assert {Kind.VIDEO: len(pictures), Kind.AUDIO: len(sounds)} == closed.frames


def test_a_job_that_was_stopped_half_way_is_done_again_and_a_whole_result_is_kept(tmp_path: Path) -> None:
    _record(tmp_path / "seat", _clapping(START_S), seconds=12, delay_s=0.02)
    target = tmp_path / "seat.mkv"
    (tmp_path / ".seat.mkv.1.part").write_bytes(b"half")
    made = compose.concatenate(tmp_path / "seat", target)
    at_ns = target.stat().st_mtime_ns
    assert compose.concatenate(tmp_path / "seat", target) == made
    assert target.stat().st_mtime_ns == at_ns
    target.unlink()
    assert compose.concatenate(tmp_path / "seat", target).size_bytes == made.size_bytes


def test_a_changed_segment_is_refused(tmp_path: Path) -> None:
    _record(tmp_path / "seat", _clapping(START_S), seconds=6, delay_s=0.02)
    path = tmp_path / "seat" / "0001.mkv"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(compose.SegmentChangedError):
        compose.concatenate(tmp_path / "seat", tmp_path / "seat.mkv")
    assert not list(tmp_path.glob("*.mkv"))


def test_a_seat_with_nothing_in_it_says_so(tmp_path: Path) -> None:
    recorder = SeatRecorder("seat", tmp_path / "seat", epoch_s=START_S, report=lambda event: None)
    recorder.start(BOTH, START_S)
    recorder.close(START_S + 1)
    with pytest.raises(ValueError, match="Nothing was recorded"):
        compose.concatenate(tmp_path / "seat", tmp_path / "seat.mkv")


def test_gaps_last_as_long_in_the_joined_file_as_they_did(tmp_path: Path) -> None:
    reported: list[object] = []
    recorder = SeatRecorder("seat", tmp_path / "seat", epoch_s=START_S, report=reported.append)
    seat = TappedSeat(START_S, audio=audio_payloads(4.0), video=h264_frames(40), video_pt=H264_PT)
    recorder.start(BOTH, START_S)
    for step in range(1, 1000):
        now_s = START_S + step * 0.02
        if step == 300:
            recorder.shut(GapCause.PAUSE, now_s, "recess")
        if step == 700:
            recorder.reopen(now_s)
        for kind, datagrams in zip(Kind, seat.due(now_s - 0.02), strict=True):
            recorder.on_datagrams(kind, datagrams, now_s)
        recorder.tick(now_s)
    recorder.close(START_S + 20)
    assert sum(isinstance(event, SegmentClosed) for event in reported) == 2
    joined = compose.concatenate(tmp_path / "seat", tmp_path / "seat.mkv")
    pictures, sounds = decode(joined.path.read_bytes())
    times = [at for at, _ in sounds]
    hole = max(later - earlier for earlier, later in itertools.pairwise(times))
    assert hole == pytest.approx(8.0, abs=0.5)
    assert times[-1] == pytest.approx(19.9, abs=0.2)
    assert pictures[-1][0] == pytest.approx(19.9, abs=0.2)
