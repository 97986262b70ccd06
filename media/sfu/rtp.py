"""RTP packets as bytes: fields, header extensions, key frames, RTX. Pure; no packet objects on the forwarding path."""

from struct import pack, unpack_from
from typing import NamedTuple

from media.sfu.codecs import ABS_SEND_TIME_ID, AUDIO_LEVEL_ID, MID_BYTES, MID_ID

HEADER_BYTES = 12
ONE_BYTE_PROFILE = 0xBEDE  # RFC 8285, section 4.2


class BadRtpError(ValueError):
    """The bytes are not an RTP packet."""

    code = "bad_rtp"


class Layout(NamedTuple):
    """Offsets into one packet, in bytes. 0 means: not there."""

    payload_at: int
    mid_at: int  # first byte of the value, which has MID_BYTES
    abs_send_time_at: int  # first byte of the three-byte value
    is_clean: bool  # every header extension is one the relay offered, once, in the form it can rewrite


def layout(packet: bytes) -> Layout:
    """Find the payload and the two header extensions a relay rewrites (RFC 3550, 5.1; RFC 8285, 4.2).

    Raises BadRtpError: the header is longer than the packet.
    """
    size = len(packet)
    first = packet[0]
    at = HEADER_BYTES + 4 * (first & 0x0F)
    if not first & 0x10:
        if at > size:
            raise BadRtpError("header is longer than the packet")
        return Layout(at, 0, 0, True)
    if at + 4 > size:
        raise BadRtpError("extension header is longer than the packet")
    profile, words = unpack_from("!HH", packet, at)
    at += 4
    end = at + 4 * words
    if end > size:
        raise BadRtpError("extension is longer than the packet")
    if profile != ONE_BYTE_PROFILE:
        return Layout(end, 0, 0, False)
    mid_at = abs_at = 0
    is_clean = True
    while at < end:
        head = packet[at]
        at += 1
        if head == 0:
            continue
        number, length = head >> 4, (head & 0x0F) + 1
        if number == MID_ID and length == MID_BYTES and not mid_at:
            mid_at = at
        elif number == ABS_SEND_TIME_ID and length == 3 and not abs_at:
            abs_at = at
        elif number != AUDIO_LEVEL_ID:
            is_clean = False
        at += length
    return Layout(end, mid_at, abs_at, is_clean and at <= end)


def extension_heads(packet: bytes) -> tuple[tuple[int, int], ...]:
    """Return (offset, byte) of all that `layout` looked at behind the extension header of a clean packet.

    Packets of one sender that agree in these, and in the 16 bytes before but for numbers, have one layout. Empty: the
    packet has no extensions, or contributing sources before them.
    """
    if packet[0] & 0x1F != 0x10:
        return ()
    heads = []
    at = HEADER_BYTES + 4
    end = at + 4 * unpack_from("!H", packet, HEADER_BYTES + 2)[0]
    while at < end:
        heads.append((at, packet[at]))
        at += 2 + (packet[at] & 0x0F) if packet[at] else 1
    return tuple(heads)


def without_extensions(packet: bytes, payload_at: int) -> bytes:
    """Return `packet` with no header extension at all."""
    fixed = HEADER_BYTES + 4 * (packet[0] & 0x0F)
    return bytes((packet[0] & ~0x10 & 0xFF,)) + packet[1:fixed] + packet[payload_at:]


def abs_send_time(at_s: float) -> bytes:
    """Return `at_s` seconds as the 24-bit 6.18 fixed-point value of the abs-send-time extension."""
    return (int(at_s * 262144) & 0xFFFFFF).to_bytes(3, "big")


def padding_bytes(packet: bytes) -> int:
    """How many bytes at the end are padding (RFC 3550, 5.1), 0 when there is none."""
    return packet[-1] if packet[0] & 0x20 else 0


def starts_vp8_key_frame(packet: bytes, payload_at: int) -> bool:
    """Whether this packet is the first of a VP8 key frame (RFC 7741, sections 4.2 and 4.3)."""
    size = len(packet)
    at = payload_at
    if at >= size:
        return False
    first = packet[at]
    if not first & 0x10 or first & 0x07:  # S: start of partition; PID: partition 0
        return False
    at += 1
    if first & 0x80:
        if at >= size:
            return False
        extension = packet[at]
        at += 1
        if extension & 0x80:
            if at >= size:
                return False
            at += 2 if packet[at] & 0x80 else 1
        if extension & 0x40:
            at += 1
        if extension & 0x30:
            at += 1
    return at < size and not packet[at] & 0x01


def starts_h264_key_frame(packet: bytes, payload_at: int) -> bool:
    """Whether this packet brings an SPS or begins an IDR picture (RFC 6184, section 5)."""
    size = len(packet)
    if payload_at >= size:
        return False
    kind = packet[payload_at] & 0x1F
    if kind in (5, 7):
        return True
    if kind == 24:  # STAP-A: NAL units, each after its 16-bit size
        at = payload_at + 1
        while at + 3 <= size:
            if packet[at + 2] & 0x1F in (5, 7):
                return True
            at += 2 + (packet[at] << 8 | packet[at + 1])
        return False
    if kind == 28 and payload_at + 1 < size:  # FU-A
        head = packet[payload_at + 1]
        return bool(head & 0x80) and head & 0x1F in (5, 7)
    return False


def wrap_rtx(packet: bytes, payload_at: int, *, payload_type: int, sequence: int, ssrc: int) -> bytes:
    """Return `packet` as an RTX packet (RFC 4588, section 4): its own sequence number goes before the payload."""
    return (
        packet[:1]
        + pack("!BH", (packet[1] & 0x80) | payload_type, sequence & 0xFFFF)
        + packet[4:8]
        + pack("!L", ssrc)
        + packet[HEADER_BYTES:payload_at]
        + packet[2:4]
        + packet[payload_at:]
    )


def unwrap_rtx(packet: bytes, payload_at: int, *, payload_type: int, ssrc: int) -> bytes | None:
    """Return the original packet, or None when `packet` is only a padding probe (RFC 4588, section 4)."""
    payload_bytes = len(packet) - payload_at - padding_bytes(packet)
    if payload_bytes <= 2:
        return None
    return (
        packet[:1]
        + bytes([(packet[1] & 0x80) | payload_type])
        + packet[payload_at : payload_at + 2]
        + packet[4:8]
        + pack("!L", ssrc)
        + packet[HEADER_BYTES:payload_at]
        + packet[payload_at + 2 :]
    )
