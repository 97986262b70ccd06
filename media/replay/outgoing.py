"""What a replay peer sends: its clip, paced by the clock, with sender reports, retransmissions and key frames."""

import secrets
import struct
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from aiortc import clock
from aiortc.rtp import (
    RTCP_PSFB_APP,
    RTCP_PSFB_FIR,
    RTCP_PSFB_PLI,
    RTCP_RTPFB_NACK,
    AnyRtcpPacket,
    RtcpPsfbPacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtcpRtpfbPacket,
    RtcpSdesPacket,
    RtcpSenderInfo,
    RtcpSourceInfo,
    RtcpSrPacket,
    unpack_remb_fci,
)

from media.replay.answer import LEVEL_URI, MID_URI, SEND_TIME_URI, Section, SentStream
from media.replay.link import Link

STAMP_MAGIC: Final = 0x5F5E1A57
STAMP: Final = struct.Struct("!IQ")
"""Latency stamp at the end of a frame's last packet: magic, time.monotonic_ns() at sending. It spoils the picture."""

_RING: Final = 512
_HEADER: Final = struct.Struct("!BBHLL")
_HEADER_WITH_EXTENSIONS: Final = struct.Struct("!BBHLLHH")


@dataclass(slots=True)
class SentCount:
    """Counted since the stream began; the last three are what the other side reported last."""

    packets: int = 0
    bytes: int = 0  # RTP headers included, retransmissions not
    frames: int = 0
    key_frames: int = 0
    plis: int = 0  # PLI and FIR received
    nacked: int = 0  # sequence numbers asked for again
    resent: int = 0
    reports: int = 0  # receiver reports about this stream
    reported_loss: float | None = None  # 0.0 to 1.0
    rtt_s: float | None = None
    remb_bps: int | None = None


class OutgoingStream:
    """One RTP stream with its ring for retransmission."""

    def __init__(self, section: Section, stream: SentStream, clock_hz: int, link: Link) -> None:
        self.section, self.stream = section, stream
        self.count = SentCount()
        self.key_wanted = False
        self._link, self._clock_hz = link, clock_hz
        self._sequence = secrets.randbelow(1 << 15)  # below 32768: RFC 3711, 3.3.1, no rollover before the first packet
        self._rtx_sequence = secrets.randbelow(1 << 15)
        self._first_timestamp = secrets.randbits(32)
        self._began_s = time.monotonic()
        self._ring: list[bytes | None] = [None] * _RING
        ids = section.extension_ids
        self._level_id, self._send_time_id = ids.get(LEVEL_URI), ids.get(SEND_TIME_URI)
        mid = section.mid.encode()
        # As browsers do: name the section until the first receiver report.
        self._mid_element = bytes((ids[MID_URI] << 4 | len(mid) - 1,)) + mid if MID_URI in ids else b""

    def timestamp_at(self, at_s: float) -> int:
        """Return the RTP timestamp of the monotonic time `at_s`."""
        return (self._first_timestamp + round((at_s - self._began_s) * self._clock_hz)) & 0xFFFFFFFF

    def send(self, parts: Iterable[bytes], *, marker: bool, timestamp: int, level: int | None = None) -> None:
        """Send one packet whose payload is `parts` joined; `level` is the audio level, 0 to 127."""
        header = self._header(marker, timestamp, level)
        packet = b"".join((header, *parts))
        self._ring[self._sequence % _RING] = packet
        self._sequence = (self._sequence + 1) & 0xFFFF
        if self._link.send(packet):
            self.count.packets += 1
            self.count.bytes += len(packet)

    def _header(self, marker: bool, timestamp: int, level: int | None) -> bytes:
        extensions = self._mid_element
        if level is None:
            if self._send_time_id is not None:
                send_time = int(time.time() * (1 << 18)) & 0xFFFFFF  # 6.18 fixed-point seconds
                extensions += (self._send_time_id << 28 | 2 << 24 | send_time).to_bytes(4, "big")
        elif self._level_id is not None:
            extensions += bytes((self._level_id << 4, (level < 60) << 7 | level))
        second = marker << 7 | self.section.payload_type
        if not extensions:
            return _HEADER.pack(0x80, second, self._sequence, timestamp, self.stream.ssrc)
        words = (len(extensions) + 3) // 4
        header = _HEADER_WITH_EXTENSIONS.pack(0x90, second, self._sequence, timestamp, self.stream.ssrc, 0xBEDE, words)
        return header + extensions.ljust(words * 4, b"\0")

    def resend(self, sequence: int) -> None:
        """Send packet `sequence` again when the ring still has it: as RTX (RFC 4588) where that was negotiated."""
        packet = self._ring[sequence % _RING]
        if packet is None or int.from_bytes(packet[2:4], "big") != sequence:
            return
        rtx_type, rtx_ssrc = self.section.rtx_payload_type, self.stream.rtx_ssrc
        if rtx_type is not None and rtx_ssrc is not None:
            size = 12 if not packet[0] & 0x10 else 16 + 4 * int.from_bytes(packet[14:16], "big")
            head = struct.pack("!BBH", packet[0], packet[1] & 0x80 | rtx_type, self._next_rtx()) + packet[4:8]
            packet = head + rtx_ssrc.to_bytes(4, "big") + packet[12:size] + packet[2:4] + packet[size:]
        if self._link.send(packet):
            self.count.resent += 1

    def send_padding(self, count: int) -> None:
        """Send `count` RTX packets of padding alone, as Chromium does first to probe the bandwidth."""
        rtx_type, rtx_ssrc = self.section.rtx_payload_type, self.stream.rtx_ssrc
        if rtx_type is None or rtx_ssrc is None:
            return
        timestamp = self.timestamp_at(time.monotonic())
        for _ in range(count):
            self._link.send(_HEADER.pack(0xA0, rtx_type, self._next_rtx(), timestamp, rtx_ssrc) + bytes(223) + b"\xe0")

    def _next_rtx(self) -> int:
        self._rtx_sequence = (self._rtx_sequence + 1) & 0xFFFF
        return self._rtx_sequence

    def report(self) -> bytes:
        """Return a sender report with its CNAME (RFC 3550, 6.4.1)."""
        info = RtcpSenderInfo(
            ntp_timestamp=clock.current_ntp_time(),
            rtp_timestamp=self.timestamp_at(time.monotonic()),
            packet_count=self.count.packets & 0xFFFFFFFF,
            octet_count=self.count.bytes & 0xFFFFFFFF,
        )
        name = RtcpSourceInfo(ssrc=self.stream.ssrc, items=[(1, self.stream.cname.encode())])
        report = RtcpSrPacket(ssrc=self.stream.ssrc, sender_info=info)
        return bytes(report) + bytes(RtcpSdesPacket(chunks=[name]))

    def take_feedback(self, packet: AnyRtcpPacket) -> None:
        """React to what a receiver says about this stream; anything else is ignored."""
        ssrc = self.stream.ssrc
        if isinstance(packet, RtcpRrPacket | RtcpSrPacket):
            for report in packet.reports:
                if report.ssrc == ssrc:
                    self._take_report(report)
        elif isinstance(packet, RtcpRtpfbPacket) and packet.fmt == RTCP_RTPFB_NACK and packet.media_ssrc == ssrc:
            self.count.nacked += len(packet.lost)
            for sequence in packet.lost:
                self.resend(sequence & 0xFFFF)
        elif isinstance(packet, RtcpPsfbPacket):
            self._take_payload_feedback(packet)

    def _take_report(self, report: RtcpReceiverInfo) -> None:
        self._mid_element = b""
        self.count.reports += 1
        self.count.reported_loss = report.fraction_lost / 256
        if report.lsr:
            middle = clock.current_ntp_time() >> 16 & 0xFFFFFFFF
            trip = middle - report.lsr - report.dlsr & 0xFFFFFFFF
            self.count.rtt_s = trip / 65536 if trip < 1 << 31 else 0.0

    def _take_payload_feedback(self, packet: RtcpPsfbPacket) -> None:
        ssrc = self.stream.ssrc
        is_pli = packet.fmt == RTCP_PSFB_PLI and packet.media_ssrc == ssrc
        is_fir = packet.fmt == RTCP_PSFB_FIR and packet.fci[:4] == ssrc.to_bytes(4, "big")
        if is_pli or is_fir:
            self.count.plis += 1
            self.key_wanted = True
        elif packet.fmt == RTCP_PSFB_APP:
            try:
                bitrate, ssrcs = unpack_remb_fci(packet.fci)
            except (ValueError, struct.error):
                return
            if ssrc in ssrcs:
                self.count.remb_bps = bitrate
