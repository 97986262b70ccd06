"""Makes clips: drawn people, the benchmark's load, and recorded videos."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import av
import numpy as np
from numpy.typing import NDArray

from media.replay.clip import AUDIO_CLOCK_HZ, Clip, cached
from media.replay.drawing import draw_person
from media.replay.encode import encode_audio, encode_video
from media.replay.speech import Samples, breathe, speak

_PAUSE_AFTER_S: Final = 0.8

_BENCHMARK_PAYLOAD_BYTES: Final = 1300
"""aiortc's own packet size, so that the packet rate (about 127 video packets a second) compares with its figures."""


def drawn_clip(
    text: str,
    colour: str = "#5a7d9a",
    width: int = 320,
    height: int = 180,
    fps: float = 10,
    seconds: float | None = None,
    bitrate: int = 150_000,
    speech: str | None = None,
    *,
    pitch_hz: float = 120.0,
    folder: Path | None = None,
) -> Clip:
    """Return a drawn person with the name plate `text`, whose mouth follows the sound.

    Args:
        text: One or two lines; Chinese needs a Chinese font on this computer.
        seconds: Length of the loop. None: as long as the speech, or 4 s without speech.
        bitrate: Of the video, bit/s.
        speech: What is said. None: a quiet room.
        pitch_hz: Of the voice, 70 to 300.
        folder: Where clips are kept between runs.
    """
    parameters = {
        "maker": "drawn", "text": text, "colour": colour, "size": [width, height], "fps": fps,
        "seconds": seconds, "bitrate": bitrate, "speech": speech, "pitch_hz": pitch_hz,
    }  # fmt: skip

    def make() -> Clip:
        sound = _sound(speech, pitch_hz, seconds, fps)
        openings = _openings(sound, fps) if speech is not None else np.zeros(round(len(sound) / AUDIO_CLOCK_HZ * fps))
        pictures = draw_person(text, colour, width=width, height=height, fps=fps, openings=openings)
        video = encode_video(pictures, width=width, height=height, fps=fps, bitrate=bitrate)
        return Clip(video, encode_audio(sound))

    return cached(folder, parameters, make)


def _sound(speech: str | None, pitch_hz: float, seconds: float | None, fps: float) -> Samples:
    """Return the sound of a loop whose length is a whole number of frames."""
    room = breathe(seconds or 4.0, seed=round(pitch_hz))
    spoken = speak(speech, pitch_hz=pitch_hz) if speech is not None else room
    wanted_s = seconds or (len(spoken) / AUDIO_CLOCK_HZ + _PAUSE_AFTER_S if speech is not None else 4.0)
    length = round(max(1, round(wanted_s * fps)) / fps * AUDIO_CLOCK_HZ)
    sound = np.resize(room, length).astype(np.float32)
    used = min(length, len(spoken))
    if speech is not None:
        sound[:used] += spoken[:used]
    return sound


def _openings(sound: Samples, fps: float) -> NDArray[np.float64]:
    """Return how far the mouth is open in each frame, 0.0 to 1.0, from the loudness."""
    per_frame = AUDIO_CLOCK_HZ / fps
    count = round(len(sound) / per_frame)
    loud = [float(np.sqrt(np.mean(sound[int(n * per_frame) : int((n + 1) * per_frame)] ** 2))) for n in range(count)]
    return np.clip(np.array(loud) / 0.15, 0, 1)


def benchmark_clip(*, seconds: float = 10.0, folder: Path | None = None) -> Clip:
    """Return the load of the media benchmark: 1280x720, 25 fps, VP8 at 1.2 Mbit/s, Opus at 52 kbit/s, one key frame."""

    def make() -> Clip:
        with av.open("testsrc2=size=1280x720:rate=25,noise=alls=6:allf=t", format="lavfi") as source:
            pictures = itertools.islice(source.decode(video=0), round(25 * seconds))
            video = encode_video(
                pictures,
                width=1280,
                height=720,
                fps=25,
                bitrate=1_200_000,
                key_every_s=seconds + 1,
                max_payload_bytes=_BENCHMARK_PAYLOAD_BYTES,
            )
        at = np.arange(round(seconds * AUDIO_CLOCK_HZ), dtype=np.float64) / AUDIO_CLOCK_HZ
        tone = 0.125 * np.sin(2 * np.pi * 440 * at)
        return Clip(video, encode_audio(tone.astype(np.float32), bitrate=52_000, channels=2, is_constant=True))

    return cached(folder, {"maker": "benchmark", "seconds": seconds}, make)


def file_clip(
    path: Path,
    *,
    width: int = 320,
    height: int = 180,
    fps: float = 15,
    seconds: float = 10.0,
    bitrate: int = 300_000,
    folder: Path | None = None,
) -> Clip:
    """Return the first `seconds` of the video file at `path`, encoded anew. A file without sound gives no audio track.

    Raises OSError (from PyAV) when the file is missing or no video.
    """
    stat = path.stat()
    parameters = {
        "maker": "file", "name": str(path.resolve()), "bytes": stat.st_size, "changed": stat.st_mtime_ns,
        "size": [width, height], "fps": fps, "seconds": seconds, "bitrate": bitrate,
    }  # fmt: skip

    def make() -> Clip:
        pictures = _pictures(path, fps, seconds)
        video = encode_video(pictures, width=width, height=height, fps=fps, bitrate=bitrate)
        sound = _file_sound(path, seconds)
        return Clip(video, encode_audio(sound) if sound is not None else None)

    return cached(folder, parameters, make)


def _pictures(path: Path, fps: float, seconds: float) -> Iterator[av.VideoFrame]:
    """Yield the file's pictures at `fps`, repeating or leaving out where the file has another rate."""
    wanted = round(fps * seconds)
    given = 0
    with av.open(str(path)) as source:
        first_s: float | None = None
        for frame in source.decode(video=0):
            at_s = frame.time if frame.time is not None else given / fps
            first_s = at_s if first_s is None else first_s
            while given < wanted and given / fps <= at_s - first_s:
                given += 1
                yield frame
            if given >= wanted:
                return


def _file_sound(path: Path, seconds: float) -> Samples | None:
    with av.open(str(path)) as source:
        if not source.streams.audio:
            return None
        resampler = av.AudioResampler(format="flt", layout="mono", rate=AUDIO_CLOCK_HZ)
        parts: list[Samples] = []
        wanted = round(seconds * AUDIO_CLOCK_HZ)
        for frame in source.decode(audio=0):
            parts += [part.to_ndarray()[0].astype(np.float32) for part in resampler.resample(frame)]
            if sum(map(len, parts)) >= wanted:
                break
    return np.concatenate(parts)[:wanted] if parts else None
