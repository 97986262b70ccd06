"""What a killed recorder leaves, and what the next one makes of it."""

import hashlib
import random
import shutil
from pathlib import Path

import pytest

from media.plan import Kind
from media.recording import recovery, sidecar
from media.recording.entries import (
    GapCause,
    GapClosed,
    GapOpened,
    SeatStopped,
    SegmentClosed,
    SegmentOpened,
    SegmentStatus,
    utc,
)
from media.recording.gap_book import GapBook
from media.recording.seat_recorder import SeatRecorder
from media.recording.segment import SegmentLength
from tests.fakes.tapped_seat import TappedSeat, audio_payloads, decode, vp8_frames

START_S = 1_800_000_000.0
BOTH = tuple(Kind)


def _killed_at(tmp_path: Path, seconds: float, *, mute_at_s: float = 1e9) -> Path:
    """Return a copy of the directory as it is `seconds` into a recording: what SIGKILL would leave."""
    recorder = SeatRecorder(
        "witness",
        tmp_path / "live" / "witness",
        epoch_s=START_S,
        report=lambda event: None,
        length=SegmentLength(roll_after_s=5.0, most_s=10.0),
    )
    seat = TappedSeat(START_S, clock_error_s=90.0, audio=audio_payloads(4.0), video=vp8_frames(40, key_every_s=4.0))
    recorder.start(BOTH, START_S)
    for step in range(1, round(seconds / 0.02) + 1):
        now_s = START_S + step * 0.02
        for kind, datagrams in zip(Kind, seat.due(now_s - 0.03), strict=True):
            recorder.on_datagrams(kind, datagrams, now_s)
        if step == round(mute_at_s / 0.02):
            recorder.expect(Kind.AUDIO, False, GapCause.MUTE, now_s)
        recorder.tick(now_s)
    killed = tmp_path / f"killed-{seconds}" / "witness"
    shutil.copytree(tmp_path / "live" / "witness", killed)
    recorder.close(START_S + seconds)
    shutil.rmtree(tmp_path / "live")
    return killed


@pytest.mark.parametrize("seconds", [round(random.Random(n).uniform(1.0, 12.0), 2) for n in range(10)])
def test_at_most_a_second_is_lost_at_any_moment(tmp_path: Path, seconds: float) -> None:
    directory = _killed_at(tmp_path, seconds)
    history, added = recovery.recover_seat(directory)
    (closed,) = [entry for entry in added if isinstance(entry, SegmentClosed)]
    content = (directory / closed.file).read_bytes()
    assert closed.status is SegmentStatus.INTERRUPTED
    assert (closed.size_bytes, closed.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    for kind in Kind:
        assert history.crashed[kind] >= START_S + seconds - 1.0
        assert history.crashed[kind] <= START_S + seconds
    if closed.frames:
        pictures, sounds = decode(content)
        assert {Kind.VIDEO: len(pictures), Kind.AUDIO: len(sounds)} == closed.frames


def test_no_more_is_lost_when_only_one_of_two_tracks_brings_something(tmp_path: Path) -> None:
    history, _ = recovery.recover_seat(_killed_at(tmp_path, 7.5, mute_at_s=1.0))
    assert history.crashed[Kind.VIDEO] >= START_S + 6.5


def test_times_of_an_interrupted_segment_are_by_sender_reports(tmp_path: Path) -> None:
    _, added = recovery.recover_seat(_killed_at(tmp_path, 4.0))
    (closed,) = [entry for entry in added if isinstance(entry, SegmentClosed)]
    for span in closed.streams.values():
        assert span.clock == "rtcp"
        assert span.first_at.timestamp() == pytest.approx(START_S + 0.03, abs=0.02)


def test_recovering_twice_adds_nothing(tmp_path: Path) -> None:
    directory = _killed_at(tmp_path, 9.0, mute_at_s=6.0)
    history, added = recovery.recover_seat(directory)
    assert len(added) == 2
    before = (directory / "sidecar.jsonl").read_bytes()
    again, nothing = recovery.recover_seat(directory)
    assert nothing == []
    assert (directory / "sidecar.jsonl").read_bytes() == before
    assert again.crashed == history.crashed
    assert [entry.number for entry in again.closed] == [1, 2]


def test_open_gaps_end_and_the_outage_is_a_gap_of_its_own(tmp_path: Path) -> None:
    directory = _killed_at(tmp_path, 9.0, mute_at_s=6.0)
    history, added = recovery.recover_seat(directory)
    (mute,) = [entry for entry in added if isinstance(entry, GapClosed)]
    assert mute.cause is GapCause.MUTE
    assert history.crashed[Kind.AUDIO] == mute.at.timestamp()
    reported: list[object] = []
    recorder = SeatRecorder("witness", directory, epoch_s=START_S, report=reported.append, next_gap=history.next_gap)
    recorder.start(BOTH, START_S + 10, history.crashed)
    seat = TappedSeat(START_S + 10, seed=5, audio=audio_payloads(4.0), video=vp8_frames(40))
    for step in range(1, 100):
        now_s = START_S + 10 + step * 0.02
        for kind, datagrams in zip(Kind, seat.due(now_s - 0.03), strict=True):
            recorder.on_datagrams(kind, datagrams, now_s)
        recorder.tick(now_s)
    recorder.close(START_S + 12)
    gaps = [event for event in reported if isinstance(event, GapClosed)]
    assert {(gap.cause, gap.kind) for gap in gaps} == {(GapCause.CRASH, kind) for kind in Kind}
    for gap in gaps:
        assert gap.gap > mute.gap
        assert 0.9 < (gap.at - gap.opened_at).total_seconds() < 4.5
    assert [event.number for event in reported if isinstance(event, SegmentOpened)] == [3]


def test_a_seat_that_was_stopped_has_no_outage(tmp_path: Path) -> None:
    directory = _killed_at(tmp_path, 4.0)
    recovery.recover_seat(directory)
    with_end = sidecar.Sidecar(directory / "sidecar.jsonl")
    with_end.append(SeatStopped(seat="witness", at=utc(START_S + 4)))
    with_end.close()
    assert recovery.recover_seat(directory)[0].crashed == {}


def test_a_segment_that_was_killed_before_its_first_cluster_leaves_its_number_free(tmp_path: Path) -> None:
    directory = _killed_at(tmp_path, 9.0)
    (directory / "0002.mkv").rename(directory / ".0002.mkv.new")
    _, added = recovery.recover_seat(directory)
    assert not [entry for entry in added if isinstance(entry, SegmentClosed)]


def test_a_file_without_a_line_and_a_line_without_a_file_are_closed_too(tmp_path: Path) -> None:
    directory = _killed_at(tmp_path, 9.0)
    shutil.copy(directory / "0001.mkv", directory / "0009.mkv")
    (directory / "0002.mkv").unlink()
    _, added = recovery.recover_seat(directory)
    closed = {entry.number: entry for entry in added if isinstance(entry, SegmentClosed)}
    assert set(closed) == {2, 9}
    assert closed[2].size_bytes == 0
    assert closed[9].frames


def test_a_torn_line_is_left_out_and_the_next_one_begins_afresh(tmp_path: Path) -> None:
    path = tmp_path / "sidecar.jsonl"
    first = sidecar.Sidecar(path)
    first.append(SeatStopped(seat="a", at=utc(START_S)))
    first.close()
    with path.open("ab") as torn:
        torn.write(b'{"type":"seat_sto')
    second = sidecar.Sidecar(path)
    second.append(SeatStopped(seat="b", at=utc(START_S)))
    second.close()
    assert [entry.seat for entry in sidecar.read(path) if isinstance(entry, SeatStopped)] == ["a", "b"]
    assert sidecar.read(tmp_path / "none.jsonl") == []


def test_gaps_of_sound_close_together_are_one_and_short_ones_are_not_reported() -> None:
    written: list[object] = []
    reported: list[object] = []
    book = GapBook("a", write=written.append, report=reported.append)
    for second in (1.0, 1.5, 2.2):
        book.lose(Kind.AUDIO, 1, second)
        book.arrived(Kind.AUDIO, second + 0.04)
    book.arrived(Kind.AUDIO, 4.0)
    book.lose(Kind.AUDIO, 3, 10.0)
    book.arrived(Kind.AUDIO, 10.08)
    book.arrived(Kind.AUDIO, 12.0)
    assert [(gap.packets, gap.opened_at, gap.at) for gap in written if isinstance(gap, GapClosed)] == [
        (3, utc(1.0), utc(2.24)),
        (3, utc(10.0), utc(10.08)),
    ]
    assert len(written) == 4
    assert reported == [written[0], written[1]]


def test_one_cause_takes_over_from_another() -> None:
    seen: list[object] = []
    book = GapBook("a", write=seen.append, report=lambda entry: None)
    book.lose(Kind.VIDEO, None, 1.0)
    book.open(Kind.VIDEO, GapCause.PAUSE, 3.0, "recess")
    book.open(Kind.VIDEO, GapCause.PAUSE, 4.0, "recess")
    book.close(Kind.VIDEO, 9.0)
    book.close(Kind.VIDEO, 10.0)
    assert [gap.cause for gap in seen if isinstance(gap, GapClosed)] == [GapCause.LOSS, GapCause.PAUSE]
    assert [gap.gap for gap in seen if isinstance(gap, GapOpened)] == [1, 2]
