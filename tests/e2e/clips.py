"""Recorded talking heads, made into what Chromium takes for a camera and a microphone."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

import imageio_ffmpeg

# Small on purpose: four people sending and receiving must leave two cores room to be right.
WIDTH, HEIGHT, FRAMES_PER_S, LENGTH_S = 320, 180, 10, 6
TALKING_HEADS = ("st_speaker_a.mp4", "st_speaker_b.mp4", "ls_demo1_video.mp4", "vr_4.mp4")


@dataclass(frozen=True, slots=True)
class Clip:
    """`video` is MJPEG, `audio` 48 kHz mono 16-bit WAV; Chromium plays both in a loop."""

    video: Path
    audio: Path


def make_clip(recording: Path, folder: Path) -> Clip:
    """Convert `recording` (anything FFmpeg reads, with sound) to a clip in `folder`."""
    clip = Clip(video=folder / f"{recording.stem}.mjpeg", audio=folder / f"{recording.stem}.wav")
    fit = f"scale={WIDTH}:{HEIGHT}:force_original_aspect_ratio=increase,crop={WIDTH}:{HEIGHT},fps={FRAMES_PER_S}"
    ffmpeg = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-t", str(LENGTH_S), "-i", str(recording)]
    video = ["-an", "-vf", fit, "-pix_fmt", "yuvj420p", "-q:v", "5", "-f", "mjpeg", str(clip.video)]
    audio = ["-vn", "-ar", "48000", "-ac", "1", "-c:a", "pcm_s16le", str(clip.audio)]
    subprocess.run(
        [*ffmpeg, *video, *audio],
        check=True,
        stdin=subprocess.DEVNULL,
        timeout=120,
    )
    return clip
