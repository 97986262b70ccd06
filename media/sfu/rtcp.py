"""RTCP (RFC 3550, 4585, 5104 and the REMB draft): parse what peers send, build what a relay must send. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from struct import pack, unpack_from

SR, RR, SDES, BYE, RTPFB, PSFB = 200, 201, 202, 203, 205, 206
NACK = 1
PLI, FIR, APPLICATION = 1, 4, 15
MAX_PACKETS = 32  # in one compound packet; more is nobody's honest report
RELAY_SSRC = 1  # what the relay calls itself in its own reports
NTP_EPOCH_S = 2_208_988_800  # 1900-01-01 to 1970-01-01


class BadRtcpError(ValueError):
    """The bytes are not a compound RTCP packet."""

    code = "bad_rtcp"


@dataclass(frozen=True, slots=True)
class ReportBlock:
    """RFC 3550, section 6.4.1. `jitter` in timestamp units, `dlsr` in 1/65536 s."""

    ssrc: int
    fraction_lost: int  # 0-255
    lost: int  # signed, 24 bits
    highest_sequence: int
    jitter: int
    lsr: int
    dlsr: int


@dataclass(frozen=True, slots=True)
class SenderReport:
    ssrc: int
    ntp: int  # 64-bit NTP timestamp
    rtp_timestamp: int
    packets: int
    octets: int
    blocks: tuple[ReportBlock, ...] = ()


@dataclass(frozen=True, slots=True)
class ReceiverReport:
    ssrc: int
    blocks: tuple[ReportBlock, ...]


@dataclass(frozen=True, slots=True)
class Nack:
    sender: int
    media: int
    sequences: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class KeyFrameRequest:
    """A PLI, or one entry of a FIR."""

    sender: int
    media: int


@dataclass(frozen=True, slots=True)
class Remb:
    sender: int
    bits_per_s: int
    ssrcs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Bye:
    ssrcs: tuple[int, ...]


Packet = SenderReport | ReceiverReport | Nack | KeyFrameRequest | Remb | Bye


def parse(data: bytes) -> list[Packet]:
    """Split a compound packet. What a relay has no use for (SDES, XR, APP) is skipped. Raises BadRtcpError."""
    packets: list[Packet] = []
    at, size, count = 0, len(data), 0
    while at < size:
        count += 1
        if at + 4 > size or count > MAX_PACKETS:
            raise BadRtcpError("truncated, or too many packets in one compound")
        first, kind, words = unpack_from("!BBH", data, at)
        end = at + 4 + 4 * words
        if first >> 6 != 2 or end > size:
            raise BadRtcpError("bad version or length")
        body = data[at + 4 : end]
        if first & 0x20:
            if not body or not 0 < body[-1] <= len(body):
                raise BadRtcpError("bad padding")
            body = body[: -body[-1]]
        packets.extend(_parse_one(first & 0x1F, kind, body))
        at = end
    return packets


def _parse_one(count: int, kind: int, body: bytes) -> Iterable[Packet]:
    if kind == SR:
        _need(body, 24 + 24 * count)
        ssrc, ntp, timestamp, packets, octets = unpack_from("!LQLLL", body, 0)
        return (SenderReport(ssrc, ntp, timestamp, packets, octets, _blocks(body, 24, count)),)
    if kind == RR:
        _need(body, 4 + 24 * count)
        return (ReceiverReport(unpack_from("!L", body, 0)[0], _blocks(body, 4, count)),)
    if kind == BYE:
        _need(body, 4 * count)
        return (Bye(tuple(unpack_from(f"!{count}L", body, 0))),)
    if kind == RTPFB and count == NACK:
        _need(body, 12)
        sender, media = unpack_from("!LL", body, 0)
        return (Nack(sender, media, _sequences(body)),)
    if kind == PSFB:
        return _parse_psfb(count, body)
    return ()


def _parse_psfb(fmt: int, body: bytes) -> Iterable[Packet]:
    _need(body, 8)
    sender, media = unpack_from("!LL", body, 0)
    if fmt == PLI:
        return (KeyFrameRequest(sender, media),)
    if fmt == FIR:
        return tuple(KeyFrameRequest(sender, unpack_from("!L", body, at)[0]) for at in range(8, len(body) - 7, 8))
    if fmt == APPLICATION and body[8:12] == b"REMB":
        _need(body, 16)
        count = body[12]
        _need(body, 16 + 4 * count)
        exponent = body[13] >> 2
        mantissa = (body[13] & 0x03) << 16 | body[14] << 8 | body[15]
        return (Remb(sender, mantissa << exponent, tuple(unpack_from(f"!{count}L", body, 16))),)
    return ()


def _need(body: bytes, size: int) -> None:
    if len(body) < size:
        raise BadRtcpError("packet is shorter than its count says")


def _blocks(body: bytes, at: int, count: int) -> tuple[ReportBlock, ...]:
    blocks = []
    for _ in range(count):
        ssrc, loss, highest, jitter, lsr, dlsr = unpack_from("!LLLLLL", body, at)
        lost = loss & 0xFFFFFF
        blocks.append(ReportBlock(ssrc, loss >> 24, lost - (lost >> 23 << 24), highest, jitter, lsr, dlsr))
        at += 24
    return tuple(blocks)


def _sequences(body: bytes) -> tuple[int, ...]:
    found: list[int] = []
    for at in range(8, len(body) - 3, 4):
        pid, mask = unpack_from("!HH", body, at)
        found.append(pid)
        found.extend((pid + 1 + bit) & 0xFFFF for bit in range(16) if mask >> bit & 1)
    return tuple(found)


def ntp_time(unix_s: float) -> int:
    """Return Unix seconds as a 64-bit NTP timestamp."""
    return int((unix_s + NTP_EPOCH_S) * 2**32) & 0xFFFF_FFFF_FFFF_FFFF


def ntp_middle(ntp: int) -> int:
    """The middle 32 of the 64 bits, as LSR carries them (RFC 3550, section 6.4.1)."""
    return ntp >> 16 & 0xFFFF_FFFF


def build_sr(report: SenderReport) -> bytes:
    """A sender report without report blocks; counts are taken modulo 2^32."""
    return _head(0, SR, 24) + pack(
        "!LQLLL",
        report.ssrc,
        report.ntp,
        report.rtp_timestamp & 0xFFFF_FFFF,
        report.packets & 0xFFFF_FFFF,
        report.octets & 0xFFFF_FFFF,
    )


def build_rr(ssrc: int, blocks: Sequence[ReportBlock]) -> bytes:
    """A receiver report with at most 31 blocks."""
    body = pack("!L", ssrc)
    for block in blocks:
        loss = (block.fraction_lost & 0xFF) << 24 | (block.lost & 0xFFFFFF)
        body += pack("!LLLLLL", block.ssrc, loss, block.highest_sequence, block.jitter, block.lsr, block.dlsr)
    return _head(len(blocks), RR, len(body)) + body


def build_cname(ssrc: int, cname: str) -> bytes:
    """A source description with the CNAME only (RFC 3550, section 6.5.1)."""
    text = cname.encode("ascii")
    body = pack("!LBB", ssrc, 1, len(text)) + text + b"\0"
    body += bytes(-len(body) % 4)
    return _head(1, SDES, len(body)) + body


def build_pli(sender: int, media: int) -> bytes:
    return _head(PLI, PSFB, 8) + pack("!LL", sender, media)


def build_nack(sender: int, media: int, sequences: Sequence[int]) -> bytes:
    """A generic NACK for `sequences`, which are given in ascending order of the stream (RFC 4585, section 6.2.1)."""
    body = pack("!LL", sender, media)
    index = 0
    while index < len(sequences):
        pid, mask = sequences[index], 0
        index += 1
        while index < len(sequences) and 0 < (ahead := (sequences[index] - pid) & 0xFFFF) <= 16:
            mask |= 1 << (ahead - 1)
            index += 1
        body += pack("!HH", pid, mask)
    return _head(NACK, RTPFB, len(body)) + body


def build_remb(sender: int, bits_per_s: int, ssrcs: Sequence[int]) -> bytes:
    """Receiver estimated maximum bitrate (draft-alvestrand-rmcat-remb-03, section 2.2)."""
    exponent = max(0, bits_per_s.bit_length() - 18)
    mantissa = bits_per_s >> exponent
    body = pack("!LL", sender, 0) + b"REMB"
    body += pack("!BBH", len(ssrcs), exponent << 2 | mantissa >> 16, mantissa & 0xFFFF)
    body += pack(f"!{len(ssrcs)}L", *ssrcs)
    return _head(APPLICATION, PSFB, len(body)) + body


def _head(count: int, kind: int, body_bytes: int) -> bytes:
    return pack("!BBH", 0x80 | count, kind, body_bytes // 4)
