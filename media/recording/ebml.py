"""Matroska's elements as bytes (RFC 8794, RFC 9559): what a live file of one seat needs. Pure."""

import struct
from typing import Final

from media.recording.entries import VideoTrack
from media.taps import h264
from media.taps.wire import Codec

VIDEO_TRACK: Final = 1
AUDIO_TRACK: Final = 2
_UNKNOWN_SIZE: Final = b"\x01" + b"\xff" * 7
_SEEK_PRE_ROLL_NS: Final = 80_000_000
"""RFC 7845, 4.6: so much Opus is decoded before the wanted sound for the decoder to converge."""

_OPUS_HEAD: Final = b"OpusHead" + struct.pack("<BBHIhB", 1, 2, 0, 48_000, 0, 0)
"""RFC 7845, 5.1: stereo. Nothing is skipped at the start, because the stream began long before the file."""


def element(identifier: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return _identifier(identifier) + _size(len(content)) + content


def number(identifier: int, value: int) -> bytes:
    return element(identifier, value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big"))


def header(video: VideoTrack | None, key_frame: bytes) -> bytes:
    """Return a file up to its first cluster. `key_frame`: Annex B, for the parameter sets of H264.

    Raises ValueError when they are not there.
    """
    document = element(
        0x1A45DFA3,
        number(0x4286, 1),
        number(0x42F7, 1),
        number(0x42F2, 4),
        number(0x42F3, 8),
        element(0x4282, b"matroska"),
        number(0x4287, 4),
        number(0x4285, 2),
    )
    segment = _identifier(0x18538067) + _UNKNOWN_SIZE  # it ends where the recording ends
    name = b"court-hearing recorder"
    information = element(0x1549A966, number(0x2AD7B1, 1_000_000), element(0x4D80, name), element(0x5741, name))
    entries = [_video_entry(video, key_frame)] if video is not None else []
    return document + segment + information + element(0x1654AE6B, *entries, _AUDIO_ENTRY)


def simple_block(track: int, offset_ms: int, data: bytes, *, is_key: bool) -> bytes:
    """Return a frame. `offset_ms`: from the cluster's time, -32768 to 32767."""
    return element(0xA3, struct.pack("!BhB", 0x80 | track, offset_ms, 0x80 if is_key else 0), data)


def cluster(at_ms: int, blocks: list[bytes]) -> bytes:
    return element(0x1F43B675, number(0xE7, at_ms), *blocks)


def h264_block(annex_b: bytes) -> bytes:
    """Return an access unit as Matroska has it: each NAL unit after its length in four bytes."""
    return b"".join(len(unit).to_bytes(4, "big") + unit for unit in _units(annex_b))


def _units(annex_b: bytes) -> list[bytes]:
    """Inside a unit three bytes 0, 0, 1 cannot stand (ITU-T H.264, 7.4.1); zeros before them belong to no unit."""
    return [unit for part in annex_b.split(b"\0\0\1") if (unit := part.rstrip(b"\0"))]


def _video_entry(video: VideoTrack, key_frame: bytes) -> bytes:
    picture = element(0xE0, number(0xB0, video.width), number(0xBA, video.height))
    if video.codec is Codec.VP8:
        return _entry(VIDEO_TRACK, 1, element(0x86, b"V_VP8"), picture)
    private = element(0x63A2, _avc_configuration(key_frame))
    return _entry(VIDEO_TRACK, 1, element(0x86, b"V_MPEG4/ISO/AVC"), private, picture)


def _avc_configuration(key_frame: bytes) -> bytes:
    """ISO/IEC 14496-15, 5.3.3.1: the parameter sets that a decoder begins with."""
    sets = {unit[0] & 0x1F: unit for unit in _units(key_frame)}
    sps, pps = sets.get(h264.NAL_SPS), sets.get(h264.NAL_PPS)
    if sps is None or pps is None or len(sps) < 4:
        raise ValueError("A file of H264 begins with a key frame that holds SPS and PPS; wait for one.")
    sizes = struct.pack("!BH", 0xE1, len(sps)), struct.pack("!BH", 1, len(pps))
    return b"\x01" + sps[1:4] + b"\xff" + sizes[0] + sps + sizes[1] + pps


def _entry(track: int, kind: int, *parts: bytes) -> bytes:
    return element(0xAE, number(0xD7, track), number(0x73C5, track), number(0x83, kind), number(0x9C, 0), *parts)


def _identifier(identifier: int) -> bytes:
    return identifier.to_bytes((identifier.bit_length() + 7) // 8, "big")


def _size(size: int) -> bytes:
    """Seven bits a byte; all bits set would mean that the size is unknown."""
    length = next(length for length in range(1, 9) if size < (1 << 7 * length) - 1)
    return (1 << 7 * length | size).to_bytes(length, "big")


_AUDIO_ENTRY: Final = _entry(
    AUDIO_TRACK,
    2,
    element(0x86, b"A_OPUS"),
    element(0x63A2, _OPUS_HEAD),
    number(0x56BB, _SEEK_PRE_ROLL_NS),
    element(0xE1, element(0xB5, struct.pack("!d", 48_000.0)), number(0x9F, 2)),
)
