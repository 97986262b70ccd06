"""One stream into the relay and its ways out: ring, reports, key frames, and the header patch for each receiver."""

from collections.abc import Callable
from dataclasses import dataclass
from random import SystemRandom
from struct import pack_into, unpack_from

from media.plan import Kind
from media.sfu.codecs import ABS_SEND_TIME_ID, CLOCK_RATE, H264, MEDIA_OF_RTX, MID_ID, RTX_OF
from media.sfu.reception import Gaps, Reception, TokenBucket
from media.sfu.rtcp import (
    ReportBlock,
    SenderReport,
    build_cname,
    build_nack,
    build_pli,
    build_sr,
    ntp_middle,
)
from media.sfu.rtp import (
    Layout,
    abs_send_time,
    layout,
    padding_bytes,
    starts_h264_key_frame,
    starts_vp8_key_frame,
    unwrap_rtx,
    wrap_rtx,
)
from media.sfu.transport import OUT, Transport

RING = 512
KEY_FRAME_INTERVAL_S = 0.5
RELAY_SSRC = 1
_random = SystemRandom()


class Source:
    """One stream of one peer, while its uplink lasts."""

    def __init__(
        self, kind: Kind, ssrc: int, rtx_ssrc: int | None, transport: Transport, clock: Callable[[], float]
    ) -> None:
        self.kind, self.ssrc, self.rtx_ssrc = kind, ssrc, rtx_ssrc
        self.is_published = False  # the plan wants this stream; otherwise nothing of it goes further than here
        self.forwards: list[Forward] = []
        self.taps: list[Callable[[bytes], None]] = []
        self.reception = Reception(CLOCK_RATE[kind])
        self.rtx_reception: Reception | None = None
        self.cap_bps: int | None = None
        self.packets = self.bytes = self.key_frames = 0
        self.last_at_s: float | None = None
        self.sender_report: SenderReport | None = None
        self._gaps = Gaps()
        self._transport = transport
        self._clock = clock
        self._ring: list[bytes | None] = [None] * RING
        self._layouts: list[Layout | None] = [None] * RING
        self._wants_key_frame = False
        self._asked_at_s = float("-inf")

    def take(self, packet: bytes) -> None:
        """Take a decrypted packet of the media SSRC."""
        at_s = self._clock()
        sequence, timestamp = unpack_from("!HL", packet, 2)
        ahead = self.reception.add(sequence, timestamp, at_s)
        if not self._gaps.note(sequence, ahead, at_s):
            self.want_key_frame()
        self._carry(packet, sequence, at_s)
        if self._gaps and ahead > 1:
            self.ask_again(at_s)

    def take_rtx(self, packet: bytes) -> None:
        """Take a decrypted packet of the RTX SSRC; padding probes end here."""
        payload_at = layout(packet, MID_ID, ABS_SEND_TIME_ID).payload_at
        media_type = MEDIA_OF_RTX.get(packet[1] & 0x7F)
        if media_type is None:
            return
        original = unwrap_rtx(packet, payload_at, payload_type=media_type, ssrc=self.ssrc)
        if original is None:
            return
        sequence = unpack_from("!H", original, 2)[0]
        known = self._ring[sequence % RING]
        if known is not None and known[2:4] == original[2:4]:
            return
        self._gaps.note(sequence, 0, self._clock())
        self._carry(original, sequence, self._clock())

    def _carry(self, packet: bytes, sequence: int, at_s: float) -> None:
        self.packets += 1
        self.bytes += len(packet)
        self.last_at_s = at_s
        if not self.is_published:
            return
        found = layout(packet, MID_ID, ABS_SEND_TIME_ID)
        if packet[0] & 0x20 and padding_bytes(packet) >= len(packet) - found.payload_at:
            return
        starts_key_frame = False
        if self.kind is Kind.VIDEO:
            is_h264 = packet[1] & 0x7F == H264
            starts_key_frame = (starts_h264_key_frame if is_h264 else starts_vp8_key_frame)(packet, found.payload_at)
            if starts_key_frame:
                self.key_frames += 1
                self._wants_key_frame = False
        index = sequence % RING
        self._ring[index], self._layouts[index] = packet, found
        for forward in self.forwards:
            forward.send(packet, sequence, found, starts_key_frame, at_s)
        for tap in self.taps:
            tap(packet)

    def packet(self, sequence: int) -> tuple[bytes, Layout] | None:
        packet, found = self._ring[sequence % RING], self._layouts[sequence % RING]
        if packet is None or found is None or unpack_from("!H", packet, 2)[0] != sequence:
            return None
        return packet, found

    def forget(self) -> None:
        """Drop what is in the ring: what was said while nobody was to hear it is not resent later."""
        self._ring = [None] * RING
        self._layouts = [None] * RING

    def take_sender_report(self, report: SenderReport) -> None:
        self.sender_report = report
        self.reception.note_sender_report(report.ntp, self._clock())
        if self.is_published:
            for forward in self.forwards:
                forward.report(report)

    def want_key_frame(self) -> None:
        """Ask for a key frame now, or as soon as the throttle allows; the wish lasts until one comes."""
        if self.kind is Kind.VIDEO:
            self._wants_key_frame = True
            self._ask_for_key_frame()

    def _ask_for_key_frame(self) -> None:
        at_s = self._clock()
        if self._wants_key_frame and at_s - self._asked_at_s >= KEY_FRAME_INTERVAL_S:
            self._asked_at_s = at_s
            self._transport.send_rtcp(build_pli(RELAY_SSRC, self.ssrc))

    def ask_again(self, at_s: float) -> None:
        """Send the NACKs and key frame requests that are due."""
        if self._gaps:
            wanted, has_given_up = self._gaps.due(at_s)
            if wanted:
                self._transport.send_rtcp(build_nack(RELAY_SSRC, self.ssrc, wanted))
            if has_given_up:
                self.want_key_frame()
        self._ask_for_key_frame()

    def report_block(self, at_s: float) -> ReportBlock | None:
        return self.reception.report(self.ssrc, at_s) if self.reception.base >= 0 else None


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
    """One source to one section of one receiver: rewrites sequence number, timestamp, SSRC, MID and send time."""

    def __init__(self, source: Source, out: OutStream, transport: Transport) -> None:
        self.source, self.out, self.transport = source, out, transport
        self.packets = self.bytes = 0
        self.last_at_s: float | None = None
        self.is_paused = False
        self.loss_ratio: float | None = None
        self.rtt_ms: float | None = None
        self.jitter_ms: float | None = None
        self._is_started = False
        self._sequence_offset = 0
        self._timestamp_offset = 0
        self._first_sequence = 0  # of the source; nothing before it is ever resent
        self._reports: dict[int, float] = {}  # middle of the NTP time -> when sent
        self._nack_budget = TokenBucket(rate_per_s=300, burst=200)

    def send(self, packet: bytes, sequence: int, found: Layout, starts_key_frame: bool, at_s: float) -> None:
        if self.is_paused or not self.out.is_accepted or not self.transport.is_connected:
            self._is_started = False
            return
        if not self._is_started:
            if self.source.kind is Kind.VIDEO and not starts_key_frame:
                return
            self._begin(packet, sequence, at_s)
        elif (sequence - self._first_sequence) & 0xFFFF >= 0x8000:
            return  # older than the first one sent: its number belongs to what this section carried before
        size = len(packet)
        OUT[0:size] = packet
        out = self.out
        out_sequence = (sequence + self._sequence_offset) & 0xFFFF
        timestamp = (unpack_from("!L", packet, 4)[0] + self._timestamp_offset) & 0xFFFFFFFF
        pack_into("!HLL", OUT, 2, out_sequence, timestamp, out.ssrc)
        _patch_extensions(found, out.mid, at_s)
        self.transport.send_rtp(size)
        if 0 < (out_sequence - out.sequence) & 0xFFFF < 0x8000 or out.sequence < 0:
            out.sequence, out.timestamp, out.sent_at_s = out_sequence, timestamp, at_s
        out.packets += 1
        out.octets += size - found.payload_at
        self.packets += 1
        self.bytes += size
        self.last_at_s = at_s

    def _begin(self, packet: bytes, sequence: int, at_s: float) -> None:
        """Join on to what this section carried before: numbers go on by one, time by the time that has passed."""
        out, timestamp = self.out, unpack_from("!L", packet, 4)[0]
        if out.sequence < 0:
            # Below 32768, so that a first loss cannot confuse the rollover counter (RFC 3711, section 3.3.1).
            self._sequence_offset = _random.randrange(1, 0x7FFF) - sequence
            self._timestamp_offset = 0
            out.rtx_sequence = _random.randrange(1, 0x7FFF)
        else:
            self._sequence_offset = out.sequence + 1 - sequence
            passed = int((at_s - out.sent_at_s) * CLOCK_RATE[out.kind])
            if self.packets == 0:
                self._timestamp_offset = out.timestamp + max(passed, 1) - timestamp
        self._first_sequence = sequence
        self._is_started = True

    def resend(self, sequences: tuple[int, ...], at_s: float) -> None:
        """Answer a NACK for `sequences` of the receiver's numbering (RFC 4585; RFC 4588 for video)."""
        if not self._is_started or not self.source.is_published:
            return
        for out_sequence in sequences:
            if not self._nack_budget.take(at_s):
                return
            sequence = (out_sequence - self._sequence_offset) & 0xFFFF
            if (sequence - self._first_sequence) & 0xFFFF >= 0x8000:
                continue
            kept = self.source.packet(sequence)
            if kept is not None:
                self._resend_one(*kept, out_sequence, at_s)

    def _resend_one(self, packet: bytes, found: Layout, out_sequence: int, at_s: float) -> None:
        out = self.out
        size = len(packet)
        OUT[0:size] = packet
        timestamp = (unpack_from("!L", packet, 4)[0] + self._timestamp_offset) & 0xFFFFFFFF
        pack_into("!HLL", OUT, 2, out_sequence, timestamp, out.ssrc)
        _patch_extensions(found, out.mid, at_s)
        rtx_type = RTX_OF.get(packet[1] & 0x7F)
        if rtx_type is not None:
            out.rtx_sequence = (out.rtx_sequence + 1) & 0xFFFF
            wrapped = wrap_rtx(
                OUT[0:size], found.payload_at, payload_type=rtx_type, sequence=out.rtx_sequence, ssrc=out.rtx_ssrc
            )
            size = len(wrapped)
            OUT[0:size] = wrapped
        self.transport.send_rtp(size)

    def report(self, report: SenderReport) -> None:
        """Pass the source's clock on: same NTP time, timestamp of this section (RFC 3550, section 6.4.1)."""
        if not self._is_started:
            return
        out = self.out
        timestamp = (report.rtp_timestamp + self._timestamp_offset) & 0xFFFFFFFF
        own = SenderReport(out.ssrc, report.ntp, timestamp, out.packets, out.octets)
        self._reports[ntp_middle(report.ntp)] = self.source._clock()
        while len(self._reports) > 8:
            del self._reports[next(iter(self._reports))]
        self.transport.send_rtcp(build_sr(own) + build_cname(out.ssrc, out.cname))

    def take_report(self, block: ReportBlock, at_s: float) -> None:
        self.loss_ratio = block.fraction_lost / 256
        self.jitter_ms = 1000 * block.jitter / CLOCK_RATE[self.out.kind]
        sent_at_s = self._reports.get(block.lsr)
        if sent_at_s is not None:
            self.rtt_ms = max(0.0, 1000 * (at_s - sent_at_s - block.dlsr / 65536))


def _patch_extensions(found: Layout, mid: bytes, at_s: float) -> None:
    """Browsers sort by MID before SSRC, and by send time they estimate: both must be ours, not the sender's."""
    if found.mid_at and found.mid_bytes == len(mid):  # all our mids have the same length, so this is the rule
        OUT[found.mid_at : found.mid_at + found.mid_bytes] = mid
    if found.abs_send_time_at:
        OUT[found.abs_send_time_at : found.abs_send_time_at + 3] = abs_send_time(at_s)
