"""The way of one stream to one section of one receiver: numbering, retransmission, reports."""

from dataclasses import dataclass
from random import SystemRandom
from struct import Struct
from typing import TYPE_CHECKING

from media.plan import Kind
from media.sfu.codecs import CLOCK_RATE, MID_BYTES, RTX_OF, VP8_RTX
from media.sfu.reception import TokenBucket
from media.sfu.rtcp import ReportBlock, SenderReport, build_cname, build_sr, ntp_middle
from media.sfu.rtp import HEADER_BYTES, Layout, wrap_rtx
from media.sfu.srtp import OUT
from media.sfu.transport import Transport

if TYPE_CHECKING:
    from media.sfu.source import Source

_random = SystemRandom()
_numbers = Struct("!HLL")
_MAX_REPORTS = 8
_MAX_REPAIRED = 1024
_PROBE = bytes(49) + b"\x32"  # 50 bytes of padding


@dataclass(slots=True)
class OutStream:
    """One media section of a downlink: its SSRCs and where its numbering has got to. It outlives its sources."""

    kind: Kind
    mid: bytes
    ssrc: int
    rtx_ssrc: int
    cname: str
    sequence: int = -1  # last one sent; -1: nothing yet
    timestamp: int = 0  # of the last packet
    sent_at_s: float = 0.0
    rtx_sequence: int = 0
    packets: int = 0
    octets: int = 0
    is_accepted: bool = False  # the receiver's answer has this section


class Forward:
    """One source to one section of one receiver.

    Packets in order are sent by the source's fan-out, which counts them once for all; `settle` takes the difference.
    """

    def __init__(self, source: "Source", out: OutStream, transport: Transport) -> None:
        self.source, self.out, self.transport = source, out, transport
        self.is_started = False
        self.first = 0  # number of the source's packet this one began with; nothing before it is ever sent
        self.sequence_offset = 0
        self.timestamp_offset = 0
        self.packets = self.bytes = 0
        self.last_at_s: float | None = None
        self.loss_ratio: float | None = None
        self.rtt_ms: float | None = None
        self.jitter_ms: float | None = None
        self._is_paused = False
        self._has_begun = False
        self._settled = (0, 0, 0)
        self._reports: dict[int, float] = {}  # middle of the NTP time -> when sent
        self._reported: dict[int, tuple[int, int]] = {}  # SSRC -> highest number and cumulative loss of the last report
        self._expected = self._lost = 0
        self._repaired: set[int] = set()  # numbers sent again on the media SSRC, which reports count as received
        self._repairs = 0  # of them since the last report
        self._nack_budget = TokenBucket(rate_per_s=300, burst=200)
        self._key_frame_budget = TokenBucket(rate_per_s=0.5, burst=5)

    @property
    def is_ready(self) -> bool:
        """Whether the receiver can and should get the stream."""
        return self.out.is_accepted and not self._is_paused and self.transport.is_connected

    @property
    def is_paused(self) -> bool:
        return self._is_paused

    def pause(self, is_paused: bool) -> None:
        """Send nothing for a while, or again from the next key frame on."""
        if is_paused is not self._is_paused:
            self._is_paused = is_paused
            self.source.reform()
            if not is_paused:
                self.source.want_key_frame()

    # Sending

    def begin(self, number: int, timestamp: int, at_s: float) -> None:
        """Join on to what this section carried before: numbers go on by one, time by the time that has passed."""
        out = self.out
        if out.sequence < 0:
            # Below 32768, so that a first loss cannot confuse the rollover counter (RFC 3711, section 3.3.1).
            self.sequence_offset = _random.randrange(1, 0x7FFF) - number
            self.timestamp_offset = 0
        else:
            self.sequence_offset = out.sequence + 1 - number
            if not self._has_begun:
                passed = int((at_s - out.sent_at_s) * CLOCK_RATE[out.kind])
                self.timestamp_offset = (out.timestamp + max(passed, 1) - timestamp) & 0xFFFFFFFF
        self.first = number
        self.is_started = self._has_begun = True
        self._mark()

    def stop(self) -> None:
        """Send nothing more; what is sent next begins anew."""
        self.settle()
        self.is_started = False

    def _mark(self) -> None:
        flow = self.source.path.flow
        self._settled = (flow.carried_packets, flow.carried_bytes, flow.carried_octets)

    def settle(self) -> None:
        """Count what the fan-out has sent here since the last time."""
        if not self.is_started:
            return
        flow, out = self.source.path.flow, self.out
        packets = flow.carried_packets - self._settled[0]
        if packets == 0:
            return
        size = flow.carried_bytes - self._settled[1]
        out.packets += packets
        out.octets += flow.carried_octets - self._settled[2]
        out.sequence = (flow.last_number + self.sequence_offset) & 0xFFFF
        out.timestamp = (flow.last_timestamp + self.timestamp_offset) & 0xFFFFFFFF
        out.sent_at_s = self.last_at_s = flow.carried_at_s
        self.packets += packets
        self.bytes += size
        self.transport.sent_packets += packets
        self._mark()

    def send_late(self, number: int, packet: bytes, found: Layout, at_s: float) -> None:
        """Send a packet out of turn, under the number that was kept free for it."""
        if number < self.first:
            return
        size = self._write(number, packet, found)
        self.transport.send_rtp(size)
        self.out.packets += 1
        self.out.octets += size - found.payload_at
        self.packets += 1
        self.bytes += size
        self.last_at_s = at_s

    def _write(self, number: int, packet: bytes, found: Layout) -> int:
        """Write the packet into OUT as this receiver gets it."""
        size = len(packet)
        OUT[0:size] = packet
        timestamp = int.from_bytes(packet[4:8], "big") + self.timestamp_offset
        _numbers.pack_into(OUT, 2, (number + self.sequence_offset) & 0xFFFF, timestamp & 0xFFFFFFFF, self.out.ssrc)
        if at := found.mid_at:
            OUT[at : at + MID_BYTES] = self.out.mid
        return size

    def resend(self, sequences: tuple[int, ...], at_s: float) -> None:
        """Answer a NACK for `sequences` of the receiver's numbering (RFC 4585; RFC 4588 for video)."""
        if not self.is_started:
            return
        newest = self.source.path.flow.last_number
        for out_sequence in sequences:
            if not self._nack_budget.take(at_s):
                self.transport.count("nack_flood")
                return
            number = newest - ((newest + self.sequence_offset - out_sequence) & 0xFFFF)
            kept = self.source.kept(number) if number >= self.first else None
            if kept is not None:
                self._resend_one(number, kept.packet, kept.found)

    def _resend_one(self, number: int, packet: bytes, found: Layout) -> None:
        size = self._write(number, packet, found)
        rtx_type = RTX_OF.get(packet[1] & 0x7F)
        if rtx_type is None:
            self._note_repair(number)
        else:
            out = self.out
            out.rtx_sequence = (out.rtx_sequence + 1) & 0xFFFF
            wrapped = wrap_rtx(
                OUT[0:size], found.payload_at, payload_type=rtx_type, sequence=out.rtx_sequence, ssrc=out.rtx_ssrc
            )
            size = len(wrapped)
            OUT[0:size] = wrapped
        self.transport.send_rtp(size)

    def _note_repair(self, number: int) -> None:
        if number not in self._repaired:
            self._repairs += 1
            self._repaired.add(number)
        if len(self._repaired) > _MAX_REPAIRED:
            newest = max(self._repaired)
            self._repaired = {one for one in self._repaired if one > newest - _MAX_REPAIRED // 2}

    def probe(self, count: int) -> None:
        """Send `count` RTX packets of padding alone, as browsers do: a receiver that gets no video reports on those."""
        out = self.out
        if not out.is_accepted or out.kind is not Kind.VIDEO:
            return
        for _ in range(count):
            out.rtx_sequence = (out.rtx_sequence + 1) & 0xFFFF
            OUT[0:2] = bytes((0xA0, VP8_RTX))
            _numbers.pack_into(OUT, 2, out.rtx_sequence, out.timestamp, out.rtx_ssrc)
            OUT[HEADER_BYTES : HEADER_BYTES + len(_PROBE)] = _PROBE
            self.transport.send_rtp(HEADER_BYTES + len(_PROBE))

    # Reports

    def may_ask_key_frame(self, at_s: float) -> bool:
        """Whether this receiver has not asked too often: each key frame costs everybody else bandwidth."""
        return self._key_frame_budget.take(at_s)

    def report(self, report: SenderReport, at_s: float) -> None:
        """Pass the source's clock on: same NTP time, timestamp of this section (RFC 3550, section 6.4.1)."""
        self.settle()
        out = self.out
        timestamp = (report.rtp_timestamp + self.timestamp_offset) & 0xFFFFFFFF
        own = SenderReport(out.ssrc, report.ntp, timestamp, out.packets, out.octets)
        self._reports.pop(ntp_middle(report.ntp), None)
        self._reports[ntp_middle(report.ntp)] = at_s
        if len(self._reports) > _MAX_REPORTS:
            del self._reports[next(iter(self._reports))]
        self.transport.send_rtcp(build_sr(own) + build_cname(out.ssrc, out.cname))

    def take_report(self, block: ReportBlock, at_s: float) -> None:
        """Take a report block about the media or the RTX SSRC."""
        if block.ssrc == self.out.ssrc:
            self.loss_ratio = block.fraction_lost / 256
            self.jitter_ms = 1000 * block.jitter / CLOCK_RATE[self.out.kind]
            sent_at_s = self._reports.get(block.lsr) if block.lsr else None
            if sent_at_s is not None:
                self.rtt_ms = max(0.0, 1000 * (at_s - sent_at_s - block.dlsr / 65536))
        before = self._reported.get(block.ssrc)
        self._reported[block.ssrc] = block.highest_sequence, block.lost
        if before is not None:
            expected = (block.highest_sequence - before[0]) & 0xFFFFFFFF
            if 0 < expected < 0x8000:
                self._expected += expected
                lost = max(0, block.lost - before[1])
                if block.ssrc == self.out.ssrc:  # together with what they are a part of, or they would seem the more
                    lost, self._repairs = lost + self._repairs, 0
                self._lost += min(expected, lost)

    def take_losses(self) -> tuple[int, int]:
        """Return how many packets the receiver has reported as expected and as lost since the last call."""
        counted = self._expected, self._lost
        self._expected = self._lost = 0
        return counted
