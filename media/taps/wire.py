"""What travels over a tap: one datagram is one plain RTP packet or one plain RTCP packet, as the source sent it.

A tap has one address per stream, so the address says whose stream it is: a source cannot pass for another by choosing
its SSRC. The relay adds no header of its own. SSRC, sequence number, timestamp and payload type are the source's;
retransmitted packets come unwrapped; sender reports (RFC 3550, 6.4.1) come on the same address as they arrive.
RTP and RTCP are told apart by the second byte (RFC 5761, 4).
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

MAX_DATAGRAM_BYTES: Final = 1500

SEQUENCE_BITS: Final = 16
TIMESTAMP_BITS: Final = 32


class Codec(StrEnum):
    OPUS = "opus"
    VP8 = "vp8"
    H264 = "h264"


CLOCK_HZ: Final[Mapping[Codec, int]] = {Codec.OPUS: 48_000, Codec.VP8: 90_000, Codec.H264: 90_000}

PAYLOAD_CODECS: Final[Mapping[int, Codec]] = {
    111: Codec.OPUS,
    96: Codec.VP8,
    98: Codec.H264,
}
"""Payload types the relay offers. It makes every offer, so they are the same for every source."""

_RTP_HEADER: Final = struct.Struct("!BBHII")
_SENDER_REPORT: Final = 200
_RTCP_TYPES: Final = range(192, 224)
_NTP_TO_UNIX_S: Final = 2_208_988_800


@dataclass(frozen=True, slots=True)
class RtpPacket:
    """The parts of an RTP packet that a tap needs. `payload` is without padding; it may be empty."""

    ssrc: int
    payload_type: int
    sequence: int  # 16 bits, wraps
    timestamp: int  # 32 bits, wraps
    marker: bool
    payload: bytes


@dataclass(frozen=True, slots=True)
class SenderReport:
    """At `ntp_s` (Unix seconds by the sender's own clock) the sender's RTP clock stood at `timestamp` (32 bits)."""

    ssrc: int
    ntp_s: float
    timestamp: int


def is_rtcp(datagram: bytes) -> bool:
    return len(datagram) >= 2 and datagram[1] in _RTCP_TYPES


def parse_rtp(datagram: bytes) -> RtpPacket | None:
    """Return the packet in `datagram`, or None where it is not a whole RTP packet (RFC 3550, 5.1)."""
    size = len(datagram)
    if not 12 <= size <= MAX_DATAGRAM_BYTES:
        return None
    first, second, sequence, timestamp, ssrc = _RTP_HEADER.unpack_from(datagram)
    if first >> 6 != 2:
        return None
    start = 12 + 4 * (first & 0x0F)
    if first & 0x10:  # header extension
        if start + 4 > size:
            return None
        start += 4 + 4 * int.from_bytes(datagram[start + 2 : start + 4], "big")
    end = size
    if first & 0x20:  # padding: the last byte counts itself
        padding = datagram[-1]
        if padding == 0:
            return None
        end -= padding
    if start > end:
        return None
    return RtpPacket(ssrc, second & 0x7F, sequence, timestamp, bool(second & 0x80), datagram[start:end])


def parse_sender_reports(datagram: bytes) -> list[SenderReport]:
    """Return the sender reports of a compound RTCP packet; what follows a malformed part is ignored."""
    reports: list[SenderReport] = []
    position = 0
    while position + 4 <= len(datagram):
        first, kind, words = struct.unpack_from("!BBH", datagram, position)
        end = position + 4 * (words + 1)
        if first >> 6 != 2 or end > len(datagram):
            break
        if kind == _SENDER_REPORT and end - position >= 28:
            ssrc, seconds, fraction, timestamp = struct.unpack_from("!IIII", datagram, position + 4)
            if seconds:  # 0.0 means that the sender has no clock
                reports.append(SenderReport(ssrc, seconds - _NTP_TO_UNIX_S + fraction / 2**32, timestamp))
        position = end
    return reports
