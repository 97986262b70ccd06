"""VP8 in RTP (RFC 7741) and the head of a VP8 frame (RFC 6386, 9.1)."""

from dataclasses import dataclass
from typing import Final

_START_CODE: Final = b"\x9d\x01\x2a"


@dataclass(frozen=True, slots=True)
class Vp8Payload:
    """`begins_frame`: this is the first packet of a frame. `temporal_id` is 0 where there are no layers."""

    begins_frame: bool
    temporal_id: int
    data: bytes


def parse_payload(payload: bytes) -> Vp8Payload | None:
    """Strip the payload descriptor (RFC 7741, 4.2). None: it is cut off or nothing follows it."""
    if not payload:
        return None
    first = payload[0]
    position, temporal_id = 1, 0
    try:
        if first & 0x80:
            extension = payload[1]
            position = 2
            if extension & 0x80:  # picture id, 7 or 15 bits
                position += 2 if payload[position] & 0x80 else 1
            if extension & 0x40:  # TL0PICIDX
                position += 1
            if extension & 0x30:  # TID and KEYIDX share a byte
                temporal_id = payload[position] >> 6 if extension & 0x20 else 0
                position += 1
    except IndexError:
        return None
    if position >= len(payload):
        return None
    return Vp8Payload(bool(first & 0x10) and first & 0x07 == 0, temporal_id, payload[position:])


def is_key_frame(frame: bytes) -> bool:
    return bool(frame) and not frame[0] & 1


def key_frame_size(frame: bytes) -> tuple[int, int] | None:
    """Return (width, height) in pixels of a key frame, None for any other or a damaged frame."""
    if len(frame) < 10 or frame[0] & 1 or frame[3:6] != _START_CODE:
        return None
    width = int.from_bytes(frame[6:8], "little") & 0x3FFF
    height = int.from_bytes(frame[8:10], "little") & 0x3FFF
    return (width, height) if width and height else None
