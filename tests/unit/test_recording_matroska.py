"""A segment's file from its first byte on: it can be opened as soon as it is there, and never replaces another."""

import hashlib
import os
from pathlib import Path

import av
import pytest

from media.recording.entries import VideoTrack
from media.recording.matroska_writer import CLUSTER_MS, MatroskaWriter
from media.taps.wire import Codec
from tests.fakes.tapped_seat import audio_payloads, vp8_frames

VIDEO = VideoTrack(codec=Codec.VP8, width=320, height=180)


def _no_hard_links(source: Path, target: Path) -> None:
    raise PermissionError("this file system has no hard links")


@pytest.fixture(params=["hard links", "no hard links"])
def folder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    if request.param == "no hard links":
        monkeypatch.setattr(os, "link", _no_hard_links)
    return tmp_path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_has_its_name_only_once_a_player_can_open_it(folder: Path) -> None:
    (folder / ".0001.mkv.new").write_bytes(b"left by a writer that was killed at once")
    writer = MatroskaWriter(folder / "0001.mkv", VIDEO)
    ((first, _), *_) = vp8_frames(1)
    writer.write_video(b"".join(part[4:] for part in first), 0, is_key=True)
    assert names(folder) == [".0001.mkv.new"], "the first cluster is still in memory"
    with pytest.raises(av.FFmpegError), av.open(str(folder / ".0001.mkv.new")):
        pass  # control: a header alone is nothing that can be opened
    at_ms = 0
    for payload in audio_payloads(2.0):
        writer.write_audio(payload, at_ms := at_ms + 20)
        if names(folder) == ["0001.mkv"]:
            break
    assert at_ms <= CLUSTER_MS, "also while no picture comes"
    with av.open(str(folder / "0001.mkv")) as file:
        assert sum(packet.size > 0 for packet in file.demux()) >= 10
    written = writer.close()
    content = (folder / "0001.mkv").read_bytes()
    assert (written.size_bytes, written.sha256) == (len(content), hashlib.sha256(content).hexdigest())


def test_large_clusters_reach_the_file_whole(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    write = os.write

    def watched(file: int, data: bytes) -> int:
        sizes.append(len(data))
        return write(file, data)

    monkeypatch.setattr(os, "write", watched)
    writer = MatroskaWriter(folder / "0001.mkv", VIDEO)
    headers = len(sizes)
    for number in range(40):
        writer.write_video(bytes((0x11, 0, 0)) + os.urandom(20_000), number * 50, is_key=False)
    written = writer.close()
    assert max(sizes) > 100_000
    assert len(sizes) - headers == 40 * 50 // CLUSTER_MS + 1
    assert written.size_bytes == sum(sizes)


def test_sound_is_on_the_disk_while_the_camera_is_off(folder: Path) -> None:
    writer = MatroskaWriter(folder / "0001.mkv", VIDEO)
    ((first, _), *_) = vp8_frames(1)
    writer.write_video(b"".join(part[4:] for part in first), 0, is_key=True)
    for number, payload in enumerate(audio_payloads(4.0)):
        writer.write_audio(payload, 20 * number)
    with av.open(str(folder / "0001.mkv")) as file:
        times = [packet.pts for packet in file.demux(audio=0) if packet.size]
    assert times[-1] >= 4000 - CLUSTER_MS - 20


def test_times_that_run_far_back_or_ahead_stay_readable(folder: Path) -> None:
    writer = MatroskaWriter(folder / "0001.mkv", VIDEO)
    payload = audio_payloads(2.0)[0]
    ((first, _), *_) = vp8_frames(1)
    picture = b"".join(part[4:] for part in first)
    for at_ms in (50_000, 0, 50_100, 120_000, -5):
        writer.write_audio(payload, at_ms)
        writer.write_video(picture, 50_100 - at_ms, is_key=True)
    writer.close()
    with av.open(str(folder / "0001.mkv")) as file:
        packets = [(packet.stream.type, packet.pts) for packet in file.demux() if packet.size]
    assert [at for kind, at in packets if kind == "audio"] == [50_000, 50_000, 50_100, 120_000, 120_000]
    assert len(packets) == 10


def test_a_file_that_exists_is_never_replaced(folder: Path) -> None:
    (folder / "0001.mkv").write_bytes(b"evidence")
    with pytest.raises(FileExistsError):
        MatroskaWriter(folder / "0001.mkv", None)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {"0001.mkv": b"evidence"}
