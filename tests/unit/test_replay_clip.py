"""Clips: encoding, packetising, caching, drawing, speaking."""

from pathlib import Path

import av
import numpy as np
import pytest
from aiortc.codecs.vpx import VpxPayloadDescriptor

from media.replay.clip import SILENCE_LEVEL, AudioTrack, Clip, VideoFrame, VideoTrack, cached
from media.replay.drawing import draw_person
from media.replay.encode import MAX_PAYLOAD_BYTES, encode_audio, encode_video, packetise_vp8
from media.replay.incoming import is_vp8_key_frame
from media.replay.makers import benchmark_clip, drawn_clip, file_clip
from media.replay.speech import breathe, speak


def frames_of(track: VideoTrack) -> list[bytes]:
    return [b"".join(payload[4:] for payload in frame.payloads) for frame in track.frames]


def decoded(track: VideoTrack) -> list[av.VideoFrame]:
    decoder = av.CodecContext.create("libvpx", "r")
    return [picture for data in frames_of(track) for picture in decoder.decode(av.Packet(data))]


def test_payloads_are_small_and_join_to_the_frame() -> None:
    frame = bytes(range(256)) * 20
    payloads = packetise_vp8(frame, 0x1234)
    assert len(payloads) == 5
    assert all(len(payload) <= MAX_PAYLOAD_BYTES for payload in payloads)
    parsed = [VpxPayloadDescriptor.parse(payload) for payload in payloads]
    assert b"".join(data for _, data in parsed) == frame
    assert [descriptor.partition_start for descriptor, _ in parsed] == [1, 0, 0, 0, 0]
    assert {descriptor.picture_id for descriptor, _ in parsed} == {0x1234}


@pytest.fixture(scope="module")
def moving() -> VideoTrack:
    """Source pictures are themselves decoded key frames, whose picture type must not leak into the encoder."""
    pictures = []
    for number in range(30):
        picture = av.VideoFrame.from_ndarray(np.full((64, 96, 3), number * 8, np.uint8), format="rgb24")
        picture.pict_type = av.video.frame.PictureType.I
        pictures.append(picture)
    return encode_video(pictures, width=96, height=64, fps=10, bitrate=100_000, key_every_s=1)


def test_key_frames_come_once_a_period(moving: VideoTrack) -> None:
    assert [number for number, frame in enumerate(moving.frames) if frame.is_key] == [0, 10, 20]
    flags = [is_vp8_key_frame(frame.payloads[0]) for frame in moving.frames]
    assert flags == [frame.is_key for frame in moving.frames]


def test_a_decoder_takes_the_frames(moving: VideoTrack) -> None:
    pictures = decoded(moving)
    assert len(pictures) == 30
    brightness = [float(picture.to_ndarray(format="gray").mean()) for picture in pictures]
    assert brightness == sorted(brightness)
    assert brightness[-1] > 200
    assert brightness[0] < 20


def test_the_nearest_key_frame_is_found_around_the_seam(moving: VideoTrack) -> None:
    assert [moving.nearest_key(index) for index in (0, 4, 6, 14, 24, 26, 29)] == [0, 0, 10, 10, 20, 0, 0]


def test_a_track_that_cannot_be_played_is_refused() -> None:
    with pytest.raises(ValueError, match="begins with a key frame"):
        VideoTrack((VideoFrame((b"x",), False),), 10, 64, 64)
    with pytest.raises(ValueError, match="one level per packet"):
        AudioTrack((b"x",), ())


def test_levels_follow_the_sound() -> None:
    second = np.arange(48_000, dtype=np.float32)
    tone = (0.5 * np.sin(second * 2 * np.pi * 300 / 48_000)).astype(np.float32)
    track = encode_audio(np.concatenate([tone, np.zeros(48_000, np.float32)]))
    assert len(track.payloads) == 100
    assert set(track.levels[:50]) == {9}  # 0.5 / sqrt(2) is -9.03 dBov
    assert set(track.levels[50:]) == {SILENCE_LEVEL}


def test_a_clip_is_made_once_and_a_damaged_file_again(tmp_path: Path, moving: VideoTrack) -> None:
    made: list[int] = []

    def make() -> Clip:
        made.append(1)
        return Clip(moving, AudioTrack((b"opus",), (40,)))

    first = cached(tmp_path, {"text": "a"}, make)
    assert cached(tmp_path, {"text": "a"}, make) == first
    assert len(made) == 1
    cached(tmp_path, {"text": "b"}, make)
    assert len(made) == 2
    for file in tmp_path.iterdir():
        file.write_bytes(file.read_bytes()[:50])
    assert cached(tmp_path, {"text": "a"}, make) == first
    assert len(made) == 3


@pytest.mark.parametrize("has_espeak", [None, False])
def test_speech_is_as_loud_as_a_person_and_breathing_is_not(has_espeak: bool | None) -> None:
    spoken = encode_audio(speak("现在开庭,请坐。", pitch_hz=110, has_espeak=has_espeak))
    assert min(spoken.levels) < 25, "somebody speaks"
    assert sum(level < 45 for level in spoken.levels) > 0.4 * len(spoken.levels)
    quiet = encode_audio(breathe(2))
    assert 50 < min(quiet.levels) < SILENCE_LEVEL


def test_a_person_moves_and_the_mouth_follows_the_sound() -> None:
    shut, opened = draw_person("Judge", "#5a7d9a", width=160, height=90, fps=10, openings=np.array([0.0, 1.0]))
    assert shut.shape == (90, 160, 3)
    mouth = (slice(36, 52), slice(70, 90))
    red = [int((picture[mouth][..., 0].astype(int) - picture[mouth][..., 1] > 70).sum()) for picture in (shut, opened)]
    assert red[1] > 2 * red[0]


def test_names_are_told_apart() -> None:
    plates = [
        next(draw_person(name, "teal", width=160, height=90, fps=10, openings=np.zeros(1)))[70:]
        for name in ("Judge\nLin", "Witness\nChen", "Judge\nLin")
    ]
    assert not np.array_equal(plates[0], plates[1])
    assert np.array_equal(plates[0], plates[2])


def test_both_tracks_of_a_drawn_clip_have_one_length() -> None:
    clip = drawn_clip("Clerk", width=96, height=64, fps=10, bitrate=40_000, speech="Please be quiet.")
    assert clip.video is not None
    assert clip.audio is not None
    assert len(clip.audio.payloads) * 0.02 == pytest.approx(len(clip.video.frames) / 10, abs=0.021)
    assert clip.duration_s > 1.5


def test_the_benchmark_has_the_rates_it_promises() -> None:
    clip = benchmark_clip(seconds=1)
    assert clip.video is not None
    assert clip.audio is not None
    assert (clip.video.width, clip.video.height, len(clip.video.frames)) == (1280, 720, 25)
    assert sum(frame.is_key for frame in clip.video.frames) == 1
    assert sum(map(len, clip.audio.payloads)) * 8 == pytest.approx(52_000, rel=0.02)
    assert max(len(payload) for frame in clip.video.frames for payload in frame.payloads) <= 1300


def test_a_file_becomes_a_clip(tmp_path: Path) -> None:
    path = tmp_path / "colours.mkv"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mpeg4", rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(60):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), number * 4, np.uint8), format="rgb24")
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    clip = file_clip(path, width=64, height=48, fps=10, seconds=1.5, folder=tmp_path / "cache")
    assert clip.audio is None
    assert clip.video is not None
    assert len(clip.video.frames) == 15
    brightness = [float(picture.to_ndarray(format="gray").mean()) for picture in decoded(clip.video)]
    assert brightness[-1] > brightness[0] + 80, "1.5 s of a file that brightens over 2 s"
    assert file_clip(path, width=64, height=48, fps=10, seconds=1.5, folder=tmp_path / "cache") == clip
    with pytest.raises(OSError, match="nowhere"):
        file_clip(tmp_path / "nowhere.mkv")
