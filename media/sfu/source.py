"""One stream into the relay: its ring, what is missing of it, its key frames, and who gets it."""

import asyncio
from collections.abc import Callable, Collection
from struct import unpack_from
from typing import NamedTuple, Protocol

from media.plan import Kind
from media.sfu.codecs import CLOCK_RATE, H264, MEDIA_OF_RTX
from media.sfu.fanout import new_fan_out
from media.sfu.forward import Forward
from media.sfu.reception import Gaps, Reception
from media.sfu.rtcp import RELAY_SSRC, ReportBlock, SenderReport, build_nack, build_pli, build_sr
from media.sfu.rtp import (
    Layout,
    abs_send_time,
    layout,
    padding_bytes,
    starts_h264_key_frame,
    starts_vp8_key_frame,
    unwrap_rtx,
    without_extensions,
)

RING = 512
RETRY_INTERVAL_S = 0.03
KEY_FRAME_INTERVAL_S = 0.5
QUIET_INTERVAL_S = 5.0
"""How often a source that sends nothing is reminded: a camera that was switched off cannot send a key frame."""

SENDER_REPORT_VALID_S = 10.0
_BEFORE_ALL = -(1 << 62)


class Timers(Protocol):
    """What a source needs of an event loop."""

    def time(self) -> float: ...

    def call_later(self, delay: float, callback: Callable[[], None]) -> asyncio.TimerHandle: ...


class UplinkTransport(Protocol):
    """What a source needs of the connection it comes from."""

    @property
    def is_connected(self) -> bool: ...

    def send_rtcp(self, packet: bytes) -> None: ...

    def count(self, reason: str, times: int = 1) -> None: ...


class Kept(NamedTuple):
    """A packet in the ring. `number`: its sequence number with the rollovers, which never repeats."""

    number: int
    packet: bytes
    found: Layout


class Source:
    """One stream of one peer, while its uplink lasts. `payload_types`: what the peer agreed to send."""

    def __init__(
        self,
        kind: Kind,
        ssrc: int,
        rtx_ssrc: int | None,
        payload_types: Collection[int],
        transport: UplinkTransport,
        timers: Timers,
    ) -> None:
        self.kind, self.ssrc, self.rtx_ssrc = kind, ssrc, rtx_ssrc
        self.is_published = False  # the plan wants this stream; otherwise nothing of it goes further than here
        self.forwards: list[Forward] = []
        self.taps: list[Callable[[bytes], None]] = []
        self.reception = Reception(CLOCK_RATE[kind])
        self.packets = self.bytes = self.key_frames = 0
        self.last_at_s: float | None = None
        # What every started forward has sent in order; a forward takes the difference (Forward.settle).
        self.carried_packets = self.carried_bytes = self.carried_octets = 0
        self.last_number = self.last_timestamp = 0
        self.carried_at_s = 0.0
        self._payload_types = frozenset(payload_types)
        self._transport = transport
        self._timers = timers
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at_s = 0.0
        self._is_closed = False
        self._gaps = Gaps()
        self._ring: list[Kept | None] = [None] * RING
        self._floor = _BEFORE_ALL
        self._live: list[Forward] = []
        self._waiting: list[Forward] = []
        self._fan_out = new_fan_out(transport.count)
        self._wants_key_frame = False
        self._asked_at_s = float("-inf")
        self._sender_report: SenderReport | None = None
        self._sender_report_at_s = 0.0

    # Packets

    def take(self, packet: bytes, at_s: float) -> None:
        """Take a decrypted packet of the media SSRC."""
        if packet[1] & 0x7F not in self._payload_types:
            self._transport.count("payload_type")
            return
        sequence, timestamp = unpack_from("!HL", packet, 2)
        ahead = self.reception.add(sequence, timestamp, at_s)
        self.packets += 1
        self.bytes += len(packet)
        self.last_at_s = at_s
        if not self.is_published:
            return
        number = self.reception.highest
        if ahead > 0:
            self._carry(packet, number, timestamp, at_s)
            if ahead > 1:
                self._on_gap(sequence, ahead, at_s)
        else:
            if self._gaps.take(sequence) and self.rtx_ssrc is None:  # with RTX, repairs come on another SSRC
                self.reception.note_repair()
            self._carry_late(packet, number + ahead, at_s)

    def take_rtx(self, packet: bytes, at_s: float) -> None:
        """Take a decrypted packet of the RTX SSRC. Padding probes end here, and what was not missing."""
        media_type = MEDIA_OF_RTX.get(packet[1] & 0x7F)
        if media_type is None or media_type not in self._payload_types:
            self._transport.count("payload_type")
            return
        original = unwrap_rtx(packet, layout(packet).payload_at, payload_type=media_type, ssrc=self.ssrc)
        if original is None:
            return
        self.last_at_s = at_s
        sequence = unpack_from("!H", original, 2)[0]
        if not self.is_published or not self._gaps.take(sequence):
            return
        self.packets += 1
        self.bytes += len(original)
        highest = self.reception.highest
        self._carry_late(original, highest - ((highest - sequence) & 0xFFFF), at_s)

    def _carry(self, packet: bytes, number: int, timestamp: int, at_s: float) -> None:
        packet, found = self._keep(packet, number, at_s)
        if self.kind is Kind.VIDEO and self._starts_key_frame(packet, found):
            self.key_frames += 1
            self._wants_key_frame = False
            self._begin_waiting(number, timestamp, at_s)
        elif self._waiting and self.kind is Kind.AUDIO and len(packet) - found.payload_at > padding_bytes(packet):
            self._begin_waiting(number, timestamp, at_s)
        size = len(packet)
        self.carried_packets += 1
        self.carried_bytes += size
        self.carried_octets += size - found.payload_at
        self.last_number, self.last_timestamp, self.carried_at_s = number, timestamp, at_s
        if self._live:
            self._fan_out.send(packet, number, timestamp, found.mid_at)
        for tap in self.taps:
            tap(packet)

    def _carry_late(self, packet: bytes, number: int, at_s: float) -> None:
        """Carry a packet out of turn, once: a number that went out twice with other bytes would break the cipher."""
        kept = self._ring[number % RING]
        if number < self._floor or number <= self.reception.highest - RING or (kept and kept.number >= number):
            return
        packet, found = self._keep(packet, number, at_s)
        for forward in self._live:
            forward.send_late(number, packet, found, at_s)
        for tap in self.taps:
            tap(packet)

    def _keep(self, packet: bytes, number: int, at_s: float) -> tuple[bytes, Layout]:
        """Put a packet into the ring, as all receivers get it but for numbers, SSRC and MID."""
        found = layout(packet)
        if not found.is_clean:  # an extension that cannot be rewritten could name another person's section
            packet = without_extensions(packet, found.payload_at)
            found = layout(packet)
        if at := found.abs_send_time_at:
            packet = packet[:at] + abs_send_time(at_s) + packet[at + 3 :]
        self._ring[number % RING] = Kept(number, packet, found)
        return packet, found

    def _starts_key_frame(self, packet: bytes, found: Layout) -> bool:
        is_h264 = packet[1] & 0x7F == H264
        return (starts_h264_key_frame if is_h264 else starts_vp8_key_frame)(packet, found.payload_at)

    def kept(self, number: int) -> Kept | None:
        kept = self._ring[number % RING]
        return kept if kept is not None and kept.number == number else None

    # Who gets it

    def publish(self, is_wanted: bool) -> None:
        """Let the stream out, or keep it in. What was said meanwhile is neither carried later nor resent."""
        if is_wanted is self.is_published:
            return
        self.is_published = is_wanted
        self._gaps.clear()
        self._ring = [None] * RING
        self._floor = self.reception.highest + 1 if self.reception.base >= 0 else _BEFORE_ALL
        self._wants_key_frame = False
        self.reform()
        if is_wanted and (self.forwards or self.taps):
            self.want_key_frame()

    def attach(self, forward: Forward) -> None:
        self.forwards.append(forward)
        self.reform()
        self.want_key_frame()

    def detach(self, forward: Forward) -> None:
        """From this instant on nothing goes to `forward`."""
        if forward in self.forwards:
            self.forwards.remove(forward)
            forward.stop()
            self.reform()

    def reform(self) -> None:
        """Look again which forwards are started, can start, or have to stop."""
        live, waiting = [], []
        for forward in self.forwards:
            if not (self.is_published and forward.is_ready):
                forward.stop()
            elif forward.is_started:
                live.append(forward)
            else:
                waiting.append(forward)
        self._live, self._waiting = live, waiting
        self._fan_out.prepare(live)

    def _begin_waiting(self, number: int, timestamp: int, at_s: float) -> None:
        if not self._waiting:
            return
        for forward in self._waiting:
            forward.begin(number, timestamp, at_s)
        self.reform()
        report = self._sender_report
        if report is not None and at_s - self._sender_report_at_s < SENDER_REPORT_VALID_S:
            for forward in self._live:
                if forward.first == number:
                    forward.report(report, at_s)

    # Feedback

    def take_sender_report(self, report: SenderReport, at_s: float) -> None:
        self._sender_report, self._sender_report_at_s = report, at_s
        self.reception.note_sender_report(report.ntp, at_s)
        if not self.is_published:
            return
        for forward in self._live:
            forward.report(report, at_s)
        for tap in self.taps:
            tap(_plain_report(report))

    def add_tap(self, tap: Callable[[bytes], None]) -> None:
        """Give every packet and sender report of the stream to `tap`, while it is published."""
        self.taps.append(tap)
        report = self._sender_report
        if self.is_published and report and self._timers.time() - self._sender_report_at_s < SENDER_REPORT_VALID_S:
            tap(_plain_report(report))
        self.want_key_frame()

    def want_key_frame(self) -> None:
        """Ask for a key frame now, or as soon as the throttle allows; the wish lasts until one comes."""
        if self.kind is Kind.VIDEO and self.is_published and not self._is_closed:
            self._wants_key_frame = True
            self._ask_for_key_frame(self._timers.time())
            self._arm()

    def _key_frame_due_s(self) -> float:
        is_silent = self.last_at_s is None or self.last_at_s < self._asked_at_s
        return self._asked_at_s + (QUIET_INTERVAL_S if is_silent else KEY_FRAME_INTERVAL_S)

    def _ask_for_key_frame(self, at_s: float) -> None:
        if self._wants_key_frame and self._transport.is_connected and at_s >= self._key_frame_due_s():
            self._asked_at_s = at_s
            self._transport.send_rtcp(build_pli(RELAY_SSRC, self.ssrc))

    def on_connected(self) -> None:
        """The uplink is there: a wish that was waiting for it can be sent."""
        self._ask_for_key_frame(self._timers.time())

    def _on_gap(self, sequence: int, ahead: int, at_s: float) -> None:
        if self._gaps.note(sequence, ahead, at_s):
            self._ask_again(at_s)
            self._arm()
        else:
            self.want_key_frame()

    def _ask_again(self, at_s: float) -> None:
        """Send the NACKs and key frame requests that are due."""
        wanted, has_given_up = self._gaps.due(at_s)
        if wanted:
            self._transport.send_rtcp(build_nack(RELAY_SSRC, self.ssrc, wanted))
        if has_given_up:
            self._wants_key_frame = self.kind is Kind.VIDEO
        self._ask_for_key_frame(at_s)

    def _arm(self) -> None:
        if self._is_closed or not (self._gaps or self._wants_key_frame):
            return
        at_s, wait_s = self._timers.time(), RETRY_INTERVAL_S
        if not self._gaps:
            wait_s = min(KEY_FRAME_INTERVAL_S, max(wait_s, self._key_frame_due_s() - at_s))
        if self._timer is not None:
            if self._timer_at_s <= at_s + wait_s:
                return
            self._timer.cancel()
        self._timer_at_s = at_s + wait_s
        self._timer = self._timers.call_later(wait_s, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._ask_again(self._timers.time())
        self._arm()

    def report_block(self, at_s: float) -> ReportBlock | None:
        return self.reception.report(self.ssrc, at_s) if self.reception.base >= 0 else None

    def close(self) -> None:
        """The uplink is gone. Safe to call twice."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.taps = []
        for forward in self.forwards:
            forward.stop()
        self.forwards = []
        self.reform()


def _plain_report(report: SenderReport) -> bytes:
    return build_sr(report)
