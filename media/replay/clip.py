"""Media encoded once and replayed by many: what a `ReplayPeer` sends."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

AUDIO_FRAME_S: Final = 0.02
AUDIO_CLOCK_HZ: Final = 48_000
AUDIO_FRAME_TICKS: Final = 960
VIDEO_CLOCK_HZ: Final = 90_000
SILENCE_LEVEL: Final = 127
"""RFC 6464: level 127 is -127 dBov, digital silence; 0 is the loudest."""

_FORMAT: Final = 1


class VideoFrame(msgspec.Struct, frozen=True, array_like=True):
    """One VP8 frame as RTP payloads, each with the four-byte descriptor that `packetise_vp8` writes."""

    payloads: tuple[bytes, ...]
    is_key: bool


class VideoTrack(msgspec.Struct, frozen=True, array_like=True):
    """VP8 frames that loop. The first one is a key frame."""

    frames: tuple[VideoFrame, ...]
    fps: float
    width: int
    height: int

    def __post_init__(self) -> None:
        if not self.frames or not self.frames[0].is_key:
            raise ValueError("A video track begins with a key frame; encode it again from its first frame.")

    def nearest_key(self, index: int) -> int:
        """Return the index of the key frame closest to frame `index`; the track is a circle."""
        count = len(self.frames)

        def distance(key: int) -> int:
            apart = abs(key - index) % count
            return min(apart, count - apart)

        return min((i for i, frame in enumerate(self.frames) if frame.is_key), key=distance)


class AudioTrack(msgspec.Struct, frozen=True, array_like=True):
    """Opus packets of 20 ms at 48 kHz that loop, with the level of each (0 loudest, 127 silence; RFC 6464)."""

    payloads: tuple[bytes, ...]
    levels: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.payloads or len(self.payloads) != len(self.levels):
            raise ValueError("An audio track has at least one packet and one level per packet.")


class Clip(msgspec.Struct, frozen=True, array_like=True):
    """What one seat sends. A missing track is not sent."""

    video: VideoTrack | None
    audio: AudioTrack | None

    @property
    def duration_s(self) -> float:
        """Length of one loop of the longer track."""
        video_s = len(self.video.frames) / self.video.fps if self.video else 0.0
        audio_s = len(self.audio.payloads) * AUDIO_FRAME_S if self.audio else 0.0
        return max(video_s, audio_s)


def cached(folder: Path | None, parameters: dict[str, Any], make: Callable[[], Clip]) -> Clip:
    """Return the clip that `make` makes, from `folder` when it was made before with the same `parameters`.

    `folder` None: make it every time. A damaged file is made again.
    """
    if folder is None:
        return make()
    key = hashlib.sha256(msgspec.json.encode({"format": _FORMAT, **parameters}, order="deterministic")).hexdigest()
    path = folder / f"{key[:32]}.clip"
    try:
        return msgspec.msgpack.decode(path.read_bytes(), type=Clip)
    except (FileNotFoundError, msgspec.DecodeError):
        clip = make()
    folder.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{id(clip):x}.part")
    part.write_bytes(msgspec.msgpack.encode(clip))
    part.replace(path)  # atomic: two processes may make the same clip at once
    return clip
