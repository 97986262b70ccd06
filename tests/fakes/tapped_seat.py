"""What a relay would send over the taps of one seat: real VP8, H264 and Opus as RTP, with the sender's own clocks."""

import functools
import io
import random
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import av
import numpy as np
from numpy.typing import NDArray

from media.replay.encode import encode_audio, encode_video

NTP_EPOCH_S = 2_208_988_800
AUDIO_FRAME_S = 0.02
FPS = 10
OPUS_PT, VP8_PT, H264_PT = 111, 96, 98

Payloads = tuple[bytes, ...]


@dataclass
class RtpStream:
    """Numbers the payloads of one stream as a browser would. `clock_error_s`: the sender's clock less the room's."""

    payload_type: int
    clock_hz: int
    seed: int
    clock_error_s: float = 0.0
    ssrc: int = 0
    sequence: int = 0
    first_timestamp: int = 0

    def __post_init__(self) -> None:
        chance = random.Random(self.seed)
        self.ssrc = self.ssrc or chance.getrandbits(32)
        self.sequence = self.sequence or chance.getrandbits(15)
        self.first_timestamp = self.first_timestamp or chance.getrandbits(32)

    def timestamp(self, captured_s: float) -> int:
        return (self.first_timestamp + round((captured_s % 1_000_000) * self.clock_hz)) % 2**32

    def packets(self, payloads: Sequence[bytes], captured_s: float) -> list[bytes]:
        """Return one frame, captured at `captured_s` by the room's clock, as RTP packets."""
        out = []
        for number, payload in enumerate(payloads):
            last = number == len(payloads) - 1
            marker = 0x80 if last and self.clock_hz == 90_000 else 0
            header = struct.pack(
                "!BBHII", 0x80, marker | self.payload_type, self.sequence, self.timestamp(captured_s), self.ssrc
            )
            self.sequence = (self.sequence + 1) % 2**16
            out.append(header + payload)
        return out

    def report(self, sent_s: float) -> bytes:
        """Return the sender report that the sender sends at `sent_s` by the room's clock."""
        ntp_s = sent_s + self.clock_error_s + NTP_EPOCH_S
        ntp = (int(ntp_s) << 32) | int((ntp_s % 1) * 2**32)
        return struct.pack("!BBHIQIII", 0x80, 200, 6, self.ssrc, ntp, self.timestamp(sent_s), 0, 0)


@functools.cache
def audio_payloads(duration_s: float, clap_at_s: float | None = None) -> tuple[bytes, ...]:
    """A quiet hum, and a loud click at `clap_at_s`, as Opus packets of 20 ms."""
    times = np.arange(int(duration_s * 48_000)) / 48_000
    sound = 0.02 * np.sin(2 * np.pi * 220 * times)
    if clap_at_s is not None:
        at = int(clap_at_s * 48_000)
        sound[at : at + 480] += 0.9 * np.sin(2 * np.pi * 1500 * times[:480])
    return encode_audio(sound.astype(np.float32)).payloads


def _pictures(count: int, width: int, height: int, flash: int | None) -> Iterable[NDArray[np.uint8]]:
    for number in range(count):
        picture = np.full((height, width, 3), 40, np.uint8)
        picture[:, (number * 8) % width : (number * 8) % width + 16] = 120
        if number == flash:
            picture[:] = 255
        yield picture


@functools.cache
def vp8_frames(
    count: int, width: int = 160, height: int = 120, flash: int | None = None, key_every_s: float = 2.0
) -> tuple[tuple[Payloads, bool], ...]:
    """Frames of a moving bar as VP8 payloads, white at frame `flash`, with whether each is a key frame."""
    pictures = _pictures(count, width, height, flash)
    track = encode_video(pictures, width=width, height=height, fps=FPS, bitrate=200_000, key_every_s=key_every_s)
    return tuple((frame.payloads, frame.is_key) for frame in track.frames)


@functools.cache
def h264_frames(count: int, width: int = 160, height: int = 120) -> tuple[tuple[Payloads, bool], ...]:
    """The same in H264: SPS and PPS in a STAP-A, pictures in single NAL units or FU-A of at most 400 bytes."""
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base, encoder.gop_size = Fraction(1, FPS), 2 * FPS
    encoder.options = {"preset": "ultrafast", "tune": "zerolatency", "profile": "baseline", "x264-params": "keyint=20"}
    frames = []
    for number, picture in enumerate(_pictures(count, width, height, None)):
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
        frame.pts, frame.pict_type = number, av.video.frame.PictureType.NONE
        frames += [(packetise_h264(bytes(packet)), packet.is_keyframe) for packet in encoder.encode(frame)]
    return tuple(frames)


def packetise_h264(annex_b: bytes, limit: int = 400) -> Payloads:
    units = [unit.rstrip(b"\x00") for unit in annex_b.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1") if unit]
    parameters = [unit for unit in units if unit[0] & 0x1F in (7, 8)]
    payloads = []
    if parameters:
        payloads.append(b"\x78" + b"".join(len(unit).to_bytes(2, "big") + unit for unit in parameters))
    for unit in units:
        if unit in parameters:
            continue
        if len(unit) <= limit:
            payloads.append(unit)
            continue
        parts = [unit[1:][start : start + limit] for start in range(0, len(unit) - 1, limit)]
        for number, part in enumerate(parts):
            flags = (0x80 if number == 0 else 0) | (0x40 if number == len(parts) - 1 else 0)
            payloads.append(bytes((unit[0] & 0xE0 | 28, unit[0] & 0x1F | flags)) + part)
    return tuple(payloads)


@dataclass
class TappedSeat:
    """A seat that sends sound and a picture from `starts_s` on (room's clock). What `due` returns is what arrives."""

    starts_s: float
    seed: int = 1
    clock_error_s: float = 0.0
    audio: tuple[bytes, ...] = ()
    video: tuple[tuple[Payloads, bool], ...] = ()
    video_pt: int = VP8_PT
    reports_from_s: float = 0.5
    audio_stream: RtpStream = field(init=False)
    video_stream: RtpStream = field(init=False)

    def __post_init__(self) -> None:
        self.audio_stream = RtpStream(OPUS_PT, 48_000, self.seed * 2, self.clock_error_s)
        self.video_stream = RtpStream(self.video_pt, 90_000, self.seed * 2 + 1, self.clock_error_s)
        self.audio_sent = self.video_sent = self._reports_sent = 0

    def due(self, until_s: float) -> tuple[list[bytes], list[bytes]]:
        """Return the audio and the video datagrams captured or sent before `until_s` and not returned yet. Loops."""
        audio: list[bytes] = []
        video: list[bytes] = []
        while self.audio and (at_s := self.starts_s + self.audio_sent * AUDIO_FRAME_S) < until_s:
            audio += self.audio_stream.packets([self.audio[self.audio_sent % len(self.audio)]], at_s)
            self.audio_sent += 1
        while self.video and (at_s := self.starts_s + self.video_sent / FPS) < until_s:
            payloads, _ = self.video[self.video_sent % len(self.video)]
            video += self.video_stream.packets(payloads, at_s)
            self.video_sent += 1
        while (at_s := self.starts_s + self.reports_from_s + self._reports_sent) < until_s:
            audio.append(self.audio_stream.report(at_s))
            video.append(self.video_stream.report(at_s))
            self._reports_sent += 1
        return audio, video


def decode(content: bytes) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """Decode all of a file: (time in s, mean luma 0-255) of each picture, (time in s, peak 0-1) of each sound frame."""
    pictures: list[tuple[float, float]] = []
    sounds: list[tuple[float, float]] = []
    with av.open(io.BytesIO(content)) as container:
        for frame in container.decode():
            if isinstance(frame, av.VideoFrame):
                pictures.append((frame.time, float(frame.to_ndarray(format="gray").mean())))
            elif isinstance(frame, av.AudioFrame):
                samples = frame.to_ndarray()
                peak = int(np.abs(samples).max(axis=0).argmax())
                sounds.append((frame.time + peak / frame.sample_rate, float(np.abs(samples).max())))
    return pictures, sounds
