"""What a replay peer receives: counted, never decoded; losses are asked for again, and so are key frames."""

import struct
import time
from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, Literal

from aiortc.rtp import (
    RTCP_PSFB_PLI,
    RTCP_RTPFB_NACK,
    AnyRtcpPacket,
    RtcpPsfbPacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtcpRtpfbPacket,
    RtcpSrPacket,
)

from media.replay.answer import MID_URI, Kind, Section
from media.replay.link import Link
from media.replay.outgoing import STAMP, STAMP_MAGIC
from media.replay.pacer import Pacer

_TICK_S: Final = 0.05
_REPORT_S: Final = 1.0
_NACK_AGAIN_S: Final = 0.1
_NACK_TRIES: Final = 8
_GIVE_UP_S: Final = 1.0
_PLI_AGAIN_S: Final = 0.5
_LARGEST_GAP: Final = 512
_MAX_MISSING: Final = 1024
_OWN_SSRC: Final = 1  # what browsers use in reports when they send no media on the connection


@dataclass(frozen=True, slots=True)
class ReceivedPacket:
    """One RTP packet as it arrived, decrypted; a retransmission carries the sequence number of the original."""

    sequence: int
    timestamp: int
    marker: bool
    payload: bytes
    arrival_s: float  # time.monotonic()
    is_resent: bool


@dataclass(slots=True, kw_only=True)
class Reception:
    """What arrived of one RTP stream since it began."""

    mid: str
    ssrc: int
    kind: Kind
    packets: int = 0  # on the media SSRC, duplicates not counted
    bytes: int = 0
    frames: int = 0  # packets with the marker bit
    key_frames: int = 0
    recovered: int = 0  # came again as RTX
    duplicates: int = 0
    first_arrival_s: float | None = None  # time.monotonic()
    last_arrival_s: float | None = None
    first_key_frame_s: float | None = None
    sender_reports: int = 0
    last_report: RtcpSrPacket | None = None
    nacks_sent: int = 0  # sequence numbers asked for
    plis_sent: int = 0
    latencies_s: "array[float]" = field(default_factory=lambda: array("d"))  # only with stamps
    # sequence numbers, extended with their rollovers (RFC 3550, A.1)
    _first: int = -1
    _highest: int = -1
    _missing: dict[int, tuple[float, float, int]] = field(default_factory=dict)  # number -> since, asked at, times
    _needs_key: bool = True
    _pli_at_s: float = float("-inf")
    _report_at_s: float = 0.0
    _at_last_report: tuple[int, int] = (0, 0)  # expected, packets
    _transit: float | None = None
    _jitter: float = 0.0

    @property
    def expected(self) -> int:
        """How many packets were sent, judging by the sequence numbers."""
        return self._highest - self._first + 1 if self._first >= 0 else 0

    @property
    def lost(self) -> int:
        """Packets that never arrived, not even as RTX. Those still on their way count too."""
        return max(0, self.expected - self.packets - self.recovered)

    @property
    def lost_in_transit(self) -> int:
        """Packets whose original did not arrive: what the network lost before RTX repaired it."""
        return max(0, self.expected - self.packets)

    def note(self, sequence: int, now_s: float) -> bool:
        """Count a packet of the media SSRC. False: it was there already."""
        if self._first < 0:
            self._first = self._highest = sequence
            self.first_arrival_s = now_s
        else:
            ahead = (sequence - self._highest) & 0xFFFF
            if ahead == 0:
                self.duplicates += 1
                return False
            if ahead < 0x8000:
                self._note_gap(ahead, now_s)
                self._highest += ahead
            elif self._missing.pop(self._highest - (0x10000 - ahead), None) is None:
                self.duplicates += 1
                return False
        self.last_arrival_s = now_s
        self.packets += 1
        return True

    def _note_gap(self, ahead: int, now_s: float) -> None:
        if ahead > _LARGEST_GAP:  # the source was away: nobody has those packets any more
            self._missing.clear()
            self._needs_key = True
            return
        for number in range(self._highest + 1, self._highest + ahead):
            if len(self._missing) < _MAX_MISSING:
                self._missing[number] = (now_s, 0.0, 0)

    def note_resent(self, sequence: int, now_s: float) -> bool:
        """Count a packet that came as RTX. False: it was not missing."""
        number = self._highest - ((self._highest - sequence) & 0xFFFF)
        if self._missing.pop(number, None) is None:
            self.duplicates += 1
            return False
        self.recovered += 1
        self.last_arrival_s = now_s
        return True

    def note_jitter(self, timestamp: int, now_s: float) -> None:
        """Update the interarrival jitter (RFC 3550, A.8)."""
        clock_hz = 48_000 if self.kind == "audio" else 90_000
        transit = now_s * clock_hz - timestamp
        if self._transit is not None and abs(change := transit - self._transit) < 1 << 31:
            self._jitter += (abs(change) - self._jitter) / 16
        self._transit = transit

    def to_ask_again(self, now_s: float) -> list[int]:
        """Return the sequence numbers to NACK now, giving up those that are too old."""
        asked: list[int] = []
        for number, (since_s, asked_s, times) in list(self._missing.items()):
            if now_s - since_s > _GIVE_UP_S:
                del self._missing[number]
                self._needs_key = True
            elif times < _NACK_TRIES and now_s - asked_s >= _NACK_AGAIN_S:
                self._missing[number] = (since_s, now_s, times + 1)
                asked.append(number & 0xFFFF)
        self.nacks_sent += len(asked)
        return asked

    def wants_key(self, now_s: float) -> bool:
        """Whether to send a PLI now: packets arrive that cannot be decoded without a key frame."""
        arrives = self.last_arrival_s is not None and now_s - self.last_arrival_s < 1
        if self.kind != "video" or not self._needs_key or not arrives or now_s - self._pli_at_s < _PLI_AGAIN_S:
            return False
        self._pli_at_s = now_s
        self.plis_sent += 1
        return True

    def note_key_frame(self, now_s: float) -> None:
        self.key_frames += 1
        self._needs_key = False
        if self.first_key_frame_s is None:
            self.first_key_frame_s = now_s

    def note_report(self, report: RtcpSrPacket, now_s: float) -> None:
        self.sender_reports += 1
        self.last_report, self._report_at_s = report, now_s

    def report(self, now_s: float) -> RtcpReceiverInfo:
        """Return the block of a receiver report about this stream (RFC 3550, A.3)."""
        expected, packets = self.expected, self.packets
        new, got = expected - self._at_last_report[0], packets - self._at_last_report[1]
        self._at_last_report = (expected, packets)
        lsr = (self.last_report.sender_info.ntp_timestamp >> 16) & 0xFFFFFFFF if self.last_report else 0
        return RtcpReceiverInfo(
            ssrc=self.ssrc,
            fraction_lost=min(255, max(0, new - got) * 256 // new) if new > 0 else 0,
            packets_lost=min(self.lost_in_transit, (1 << 23) - 1),
            highest_sequence=self._highest & 0xFFFFFFFF,
            jitter=int(self._jitter) & 0xFFFFFFFF,
            lsr=lsr,
            dlsr=round((now_s - self._report_at_s) * 65536) & 0xFFFFFFFF if lsr else 0,
        )


OnPacket = Callable[[Reception, ReceivedPacket], None]


class Receiver:
    """All streams of one downlink.

    `mode` "headers" counts from the RTP headers and opens only the packets that carry a latency stamp: cheap, for load,
    but no key frames are seen, nothing is asked again and `on_packet` is not called.
    """

    def __init__(self, *, mode: Literal["all", "headers"], stamps: bool, on_packet: OnPacket | None) -> None:
        self.streams: dict[int, Reception] = {}  # by media SSRC
        self.unclaimed = 0  # RTP packets of no known section
        self.byes = 0
        self._mode, self._stamps, self._on_packet = mode, stamps, on_packet
        self._link: Link | None = None
        self._sections: dict[str, Section] = {}
        self._mid_of: dict[int, str] = {}
        self._media_of_rtx: dict[int, int] = {}
        self._next_report_s = 0.0

    def use(self, link: Link, sections: Iterable[Section]) -> None:
        """Take what the current offer says about the sections; earlier counts stay."""
        self._link = link
        self._sections = {section.mid: section for section in sections if section.is_sent_to_us}
        for section in self._sections.values():
            for ssrc, rtx_ssrc in section.ssrcs.items():
                self._mid_of[ssrc] = section.mid
                if rtx_ssrc is not None:
                    self._media_of_rtx[rtx_ssrc] = ssrc

    def start(self) -> None:
        """Begin to report and to ask again. Starting twice changes nothing."""
        self.stop()
        now = time.monotonic()
        self._next_report_s = now + _REPORT_S
        Pacer.shared().add(self._tick, now + _TICK_S)

    def stop(self) -> None:
        Pacer.shared().remove(self._tick)

    def take_rtp(self, data: bytes) -> None:
        """Count one SRTP datagram."""
        now_s = time.monotonic()
        second, sequence, timestamp, ssrc = struct.unpack_from("!BHLL", data, 1)
        if self._link is None:
            return
        if self._mode == "headers":
            stream = self.streams.get(ssrc) or self._adopt(ssrc, second & 0x7F, data)
            if stream is None or not stream.note(sequence, now_s):
                return
            stream.bytes += len(data)
            stream.frames += second >> 7
            if self._stamps and second & 0x80 and stream.kind == "video" and (plain := self._link.decrypt(data)):
                self._take_stamp(stream, plain)
            return
        plain = self._link.decrypt(data)
        if plain is not None and (body := _payload(plain)) is not None:
            self._take_plain(plain, body, now_s, second, sequence, timestamp, ssrc)

    def _take_plain(
        self, plain: bytes, body: bytes, now_s: float, second: int, sequence: int, timestamp: int, ssrc: int
    ) -> None:
        media_ssrc = self._media_of_rtx.get(ssrc)
        is_resent = media_ssrc is not None
        if media_ssrc is not None:
            stream = self.streams.get(media_ssrc)
            if stream is None or len(body) < 3:  # padding probes carry no original sequence number
                return
            sequence, body = int.from_bytes(body[:2], "big"), body[2:]
            if not stream.note_resent(sequence, now_s):
                return
        else:
            stream = self.streams.get(ssrc) or self._adopt(ssrc, second & 0x7F, plain)
            if stream is None or not stream.note(sequence, now_s):
                return
            stream.note_jitter(timestamp, now_s)
        stream.bytes += len(plain)
        stream.frames += second >> 7
        if stream.kind == "video" and is_vp8_key_frame(body):
            stream.note_key_frame(now_s)
        if self._stamps and second & 0x80 and stream.kind == "video":
            self._take_stamp(stream, plain)
        if self._on_packet is not None:
            packet = ReceivedPacket(sequence, timestamp, bool(second & 0x80), body, now_s, is_resent)
            self._on_packet(stream, packet)

    def _adopt(self, ssrc: int, payload_type: int, packet: bytes) -> Reception | None:
        """Find the section of a new SSRC: as the offer says, else by the MID extension, else by its payload type."""
        mid = self._mid_of.get(ssrc)
        if mid is None:
            mid = self._mid_in(packet)
        if mid is None:
            same = [section.mid for section in self._sections.values() if section.payload_type == payload_type]
            mid = same[0] if len(same) == 1 else None
        section = self._sections.get(mid) if mid is not None else None
        if section is None or section.payload_type != payload_type:
            self.unclaimed += 1
            return None
        self.streams[ssrc] = Reception(mid=section.mid, ssrc=ssrc, kind=section.kind)
        return self.streams[ssrc]

    def _mid_in(self, packet: bytes) -> str | None:
        ids = {section.extension_ids.get(MID_URI) for section in self._sections.values()}
        for identifier, value in _extensions(packet):
            if identifier in ids:
                return value.decode("ascii", "replace")
        return None

    @staticmethod
    def _take_stamp(stream: Reception, plain: bytes) -> None:
        if len(plain) > STAMP.size:
            magic, sent_ns = STAMP.unpack_from(plain, len(plain) - STAMP.size)
            if magic == STAMP_MAGIC:
                stream.latencies_s.append((time.monotonic_ns() - sent_ns) / 1e9)

    def take_rtcp(self, packets: Iterable[AnyRtcpPacket]) -> None:
        """Take sender reports."""
        for packet in packets:
            if isinstance(packet, RtcpSrPacket) and (stream := self.streams.get(packet.ssrc)) is not None:
                stream.note_report(packet, time.monotonic())

    def ask_key_frame(self, ssrc: int) -> None:
        """Send a PLI for the media SSRC `ssrc`, whether it is needed or not."""
        if self._link is not None:
            self._link.send(bytes(RtcpPsfbPacket(fmt=RTCP_PSFB_PLI, ssrc=_OWN_SSRC, media_ssrc=ssrc)))

    def _tick(self, now_s: float) -> float | None:
        link = self._link
        if link is None:
            return now_s + _TICK_S
        if self._mode == "all":
            for stream in self.streams.values():
                self._ask_again(link, stream, now_s)
        if now_s >= self._next_report_s and self.streams:
            self._next_report_s = now_s + _REPORT_S
            blocks = [stream.report(now_s) for stream in self.streams.values() if stream.expected]
            for start in range(0, len(blocks), 31):  # the count has five bits (RFC 3550, 6.4.2)
                link.send(bytes(RtcpRrPacket(ssrc=_OWN_SSRC, reports=blocks[start : start + 31])))
        return now_s + _TICK_S

    def _ask_again(self, link: Link, stream: Reception, now_s: float) -> None:
        section = self._sections.get(stream.mid)
        missing = stream.to_ask_again(now_s) if stream._missing else []
        if missing and section is not None and section.has_nack:
            nack = RtcpRtpfbPacket(fmt=RTCP_RTPFB_NACK, ssrc=_OWN_SSRC, media_ssrc=stream.ssrc, lost=missing[:200])
            link.send(bytes(nack))
        if stream.wants_key(now_s):
            self.ask_key_frame(stream.ssrc)


def is_vp8_key_frame(payload: bytes) -> bool:
    """Whether an RTP payload begins a VP8 key frame (RFC 7741, 4.2 and 4.3)."""
    if not payload or payload[0] & 0x17 != 0x10:  # S set, partition 0
        return False
    position = 1
    if payload[0] & 0x80 and len(payload) > 1:
        bits = payload[1]
        position = 2
        if bits & 0x80 and len(payload) > position:
            position += 2 if payload[position] & 0x80 else 1
        position += bool(bits & 0x40) + bool(bits & 0x30)
    return len(payload) > position and not payload[position] & 1


def _header_size(packet: bytes) -> tuple[int, int]:
    """Return where the extensions begin and where the payload begins."""
    fixed = 12 + 4 * (packet[0] & 0x0F)
    if not packet[0] & 0x10 or len(packet) < fixed + 4:
        return fixed, fixed
    return fixed, fixed + 4 + 4 * int.from_bytes(packet[fixed + 2 : fixed + 4], "big")


def _payload(packet: bytes) -> bytes | None:
    """Return the payload without padding; None when the header is longer than the packet."""
    _, start = _header_size(packet)
    padding = packet[-1] if packet[0] & 0x20 else 0
    return packet[start : len(packet) - padding] if start + padding <= len(packet) else None


def _extensions(packet: bytes) -> Iterable[tuple[int, bytes]]:
    """Yield the one-byte header extensions (RFC 8285, 4.2): (id, value)."""
    fixed, end = _header_size(packet)
    if end == fixed or packet[fixed : fixed + 2] != b"\xbe\xde":
        return
    position = fixed + 4
    while position < min(end, len(packet)):
        identifier, size = packet[position] >> 4, (packet[position] & 0x0F) + 1
        if identifier in (0, 15):
            if identifier == 15:
                return
            position += 1
            continue
        yield identifier, packet[position + 1 : position + 1 + size]
        position += 1 + size
