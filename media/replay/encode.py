"""Pictures to VP8 and sound to Opus, as RTP payloads."""

import math
from collections.abc import Iterable
from fractions import Fraction
from typing import Final

import av
import numpy as np
from numpy.typing import NDArray

from media.replay.clip import AUDIO_CLOCK_HZ, AUDIO_FRAME_TICKS, SILENCE_LEVEL, AudioTrack, VideoFrame, VideoTrack

MAX_PAYLOAD_BYTES: Final = 1150
"""With header, extensions, RTX and SRTP this stays below every common path MTU and pylibsrtp's 1356 bytes."""

DESCRIPTOR_BYTES: Final = 4

Picture = av.VideoFrame | NDArray[np.uint8]


def packetise_vp8(frame: bytes, picture_id: int, max_bytes: int = MAX_PAYLOAD_BYTES) -> tuple[bytes, ...]:
    """Split one VP8 frame into RTP payloads (RFC 7741, 4.2), always with a 15-bit picture id in bytes 2 and 3."""
    identifier = (0x8000 | picture_id & 0x7FFF).to_bytes(2, "big")
    first, later = b"\x90\x80" + identifier, b"\x80\x80" + identifier
    room = max_bytes - DESCRIPTOR_BYTES
    return tuple((later if start else first) + frame[start : start + room] for start in range(0, len(frame), room))


def encode_video(
    pictures: Iterable[Picture],
    *,
    width: int,
    height: int,
    fps: float,
    bitrate: int,
    key_every_s: float = 2.0,
    max_payload_bytes: int = MAX_PAYLOAD_BYTES,
) -> VideoTrack:
    """Encode `pictures` (av frames or RGB arrays of shape (height, width, 3), 0-255) at a constant bitrate in bit/s."""
    rate = Fraction(fps).limit_denominator(1000)
    encoder = _vp8_encoder(width, height, rate, bitrate, max(1, round(key_every_s * fps)))
    converter = av.video.reformatter.VideoReformatter()  # one for all: a new one for each frame is ten times slower
    frames: list[VideoFrame] = []

    def keep(packets: Iterable["av.Packet[av.VideoStream]"]) -> None:
        for packet in packets:
            data = bytes(packet)
            frames.append(VideoFrame(packetise_vp8(data, len(frames), max_payload_bytes), not data[0] & 1))

    for number, picture in enumerate(pictures):
        frame = picture if isinstance(picture, av.VideoFrame) else av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame = converter.reformat(frame, width=width, height=height, format="yuv420p")
        frame.pict_type = av.video.frame.PictureType.NONE  # a decoded frame keeps I, and would force a key frame
        frame.pts, frame.time_base = number, 1 / rate
        keep(encoder.encode(frame))
    keep(encoder.encode(None))
    return VideoTrack(tuple(frames), float(fps), width, height)


def _vp8_encoder(
    width: int, height: int, rate: Fraction, bitrate: int, key_every: int
) -> av.video.codeccontext.VideoCodecContext:
    encoder = av.CodecContext.create("libvpx", "w")
    if not isinstance(encoder, av.video.codeccontext.VideoCodecContext):
        raise TypeError("libvpx is not a video encoder in this build of PyAV; install the av wheel from PyPI.")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.bit_rate, encoder.gop_size = bitrate, key_every
    encoder.framerate, encoder.time_base = rate, 1 / rate
    encoder.options = {
        "deadline": "realtime",
        "cpu-used": "5" if height >= 480 else "8",
        "lag-in-frames": "0",
        "minrate": str(bitrate),
        "maxrate": str(bitrate),
        "bufsize": str(bitrate // 2),
    }
    return encoder


def encode_audio(
    samples: NDArray[np.float32], *, bitrate: int = 24_000, channels: int = 1, is_constant: bool = False
) -> AudioTrack:
    """Encode mono `samples` (48 kHz, -1.0 to 1.0); the last packet is filled up with silence.

    `channels` 2 repeats the samples on both sides; `is_constant` makes every packet of the same size.
    """
    encoder = av.CodecContext.create("libopus", "w")
    if not isinstance(encoder, av.audio.codeccontext.AudioCodecContext):
        raise TypeError("libopus is not an audio encoder in this build of PyAV; install the av wheel from PyPI.")
    encoder.sample_rate, encoder.format, encoder.bit_rate = AUDIO_CLOCK_HZ, av.AudioFormat("s16"), bitrate
    encoder.layout = av.AudioLayout("stereo" if channels == 2 else "mono")
    encoder.options = {"application": "voip", "frame_duration": "20", "vbr": "off" if is_constant else "on"}
    count = max(1, math.ceil(len(samples) / AUDIO_FRAME_TICKS))
    padded = np.zeros(count * AUDIO_FRAME_TICKS, np.float32)
    padded[: len(samples)] = samples
    blocks = padded.reshape(count, AUDIO_FRAME_TICKS)
    payloads: list[bytes] = []
    for number, block in enumerate(blocks):
        whole = (np.clip(block, -1, 1) * 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(np.repeat(whole, channels)[None, :], "s16", encoder.layout.name)
        frame.sample_rate, frame.pts, frame.time_base = AUDIO_CLOCK_HZ, number * AUDIO_FRAME_TICKS, Fraction(1, 48000)
        payloads += [bytes(packet) for packet in encoder.encode(frame)]
    payloads += [bytes(packet) for packet in encoder.encode(None)]
    return AudioTrack(tuple(payloads[:count]), tuple(_level(block) for block in blocks[: len(payloads)]))


def _level(block: NDArray[np.float32]) -> int:
    """Return the level of `block` as RFC 6464 wants it: 0 (full scale) to 127 (silence)."""
    rms = float(np.sqrt(np.mean(np.square(block, dtype=np.float64))))
    return SILENCE_LEVEL if rms <= 0 else min(SILENCE_LEVEL, max(0, round(-20 * math.log10(rms))))
