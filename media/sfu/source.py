"""One stream into the relay: its ring, what is missing of it, its key frames, and who gets it."""

import asyncio
from collections.abc import Callable, Collection
from struct import unpack_from
from typing import Protocol

from media.plan import Kind
from media.sfu.codecs import CLOCK_RATE, H264, MEDIA_OF_RTX
from media.sfu.fast_path import new_path
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
from media.sfu.stream_path import RING, Kept, Mode, Tap

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
        self.taps: list[Tap] = []
        self._payload_types = frozenset(payload_types) - MEDIA_OF_RTX.keys()  # RTX has an SSRC of its own
        self.path = new_path(ssrc, self._payload_types, CLOCK_RATE[kind], transport.count)
        self.reception = Reception(CLOCK_RATE[kind], self.path.flow)
        self._transport = transport
        self._timers = timers
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at_s = 0.0
        self._is_closed = False
        self._gaps = Gaps()
        self._floor = _BEFORE_ALL
        self._live: list[Forward] = []
        self._waiting: list[Forward] = []
        self._wants_key_frame = False
        self._mode = Mode.ASK
        self._are_taps_new = False
        self._asked_at_s = float("-inf")
        self._sender_report: SenderReport | None = None
        self._sender_report_at_s = 0.0

    @property
    def last_at_s(self) -> float | None:
        """When the last packet came, None before the first."""
        at_s = self.path.flow.last_at_s
        return None if at_s < 0 else at_s

    # Packets

    def take(self, packet: bytes, at_s: float) -> None:
        """Take a decrypted packet of the media SSRC."""
        if not self.path.take(packet, at_s):
            self._take(packet, at_s)
            self._decide()

    def _decide(self) -> None:
        """Let the path take what comes in order, while there is nothing else to see to for each packet."""
        if self._is_closed or not self.reception.has_begun:
            mode = Mode.ASK
        elif not self.is_published:
            mode = Mode.COUNT
        else:
            mode = Mode.ASK if self._waiting or self._wants_key_frame else Mode.CARRY
        if mode is not self._mode or self._are_taps_new:
            self._mode, self._are_taps_new = mode, False
            self.path.decide(mode, self.taps)

    def _take(self, packet: bytes, at_s: float) -> None:
        if packet[1] & 0x7F not in self._payload_types:
            self._transport.count("payload_type")
            return
        sequence, timestamp = unpack_from("!HL", packet, 2)
        ahead = self.reception.add(sequence, timestamp, at_s)
        flow = self.path.flow
        flow.packets += 1
        flow.bytes += len(packet)
        flow.last_at_s = at_s
        if not self.is_published:
            return
        number = flow.highest
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
        flow = self.path.flow
        flow.last_at_s = at_s
        sequence = unpack_from("!H", original, 2)[0]
        if not self.is_published or not self._gaps.take(sequence):
            return
        flow.packets += 1
        flow.bytes += len(original)
        highest = flow.highest
        self._carry_late(original, highest - ((highest - sequence) & 0xFFFF), at_s)

    def _carry(self, packet: bytes, number: int, timestamp: int, at_s: float) -> None:
        packet, found = self._keep(packet, number, at_s)
        is_awaited = self._waiting or self._wants_key_frame
        if self.kind is Kind.VIDEO and is_awaited and self._starts_key_frame(packet, found):
            self._wants_key_frame = False
            self._begin_waiting(number, timestamp, at_s)
        elif self._waiting and self.kind is Kind.AUDIO and len(packet) - found.payload_at > padding_bytes(packet):
            self._begin_waiting(number, timestamp, at_s)
        flow, size = self.path.flow, len(packet)
        flow.carried_packets += 1
        flow.carried_bytes += size
        flow.carried_octets += size - found.payload_at
        flow.last_number, flow.last_timestamp, flow.carried_at_s = number, timestamp, at_s
        if self._live:
            self.path.send(packet, number, timestamp, found.mid_at)
        for tap in self.taps:
            tap(packet)

    def _carry_late(self, packet: bytes, number: int, at_s: float) -> None:
        """Carry a packet out of turn, once: a number that went out twice with other bytes would break the cipher."""
        kept = self.path.kept(number)
        if number < self._floor or number <= self.path.flow.highest - RING or (kept and kept.number >= number):
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
        self.path.keep(number, packet, found)
        return packet, found

    def _starts_key_frame(self, packet: bytes, found: Layout) -> bool:
        is_h264 = packet[1] & 0x7F == H264
        return (starts_h264_key_frame if is_h264 else starts_vp8_key_frame)(packet, found.payload_at)

    def kept(self, number: int) -> Kept | None:
        kept = self.path.kept(number)
        return kept if kept is not None and kept.number == number else None

    # Who gets it

    def publish(self, is_wanted: bool) -> None:
        """Let the stream out, or keep it in. What was said meanwhile is neither carried later nor resent."""
        if is_wanted is self.is_published:
            return
        self.is_published = is_wanted
        self._gaps.clear()
        self.path.forget()
        self._floor = self.path.flow.highest + 1 if self.reception.has_begun else _BEFORE_ALL
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
        self.path.prepare(live)
        self._decide()

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

    def add_tap(self, tap: Tap) -> None:
        """Give every packet and sender report of the stream to `tap`, while it is published."""
        self.taps.append(tap)
        self._are_taps_new = True
        self._decide()
        report = self._sender_report
        if self.is_published and report and self._timers.time() - self._sender_report_at_s < SENDER_REPORT_VALID_S:
            tap(_plain_report(report))
        self.want_key_frame()

    def remove_tap(self, tap: Tap) -> None:
        """Give nothing more to `tap`, from this instant on."""
        if tap in self.taps:
            self.taps.remove(tap)
            self._are_taps_new = True
            self._decide()

    def want_key_frame(self) -> None:
        """Ask for a key frame now, or as soon as the throttle allows; the wish lasts until one comes."""
        if self.kind is Kind.VIDEO and self.is_published and not self._is_closed:
            self._wants_key_frame = True
            self._ask_for_key_frame(self._timers.time())
            self._arm()
            self._decide()

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
        if has_given_up and self.kind is Kind.VIDEO:
            self._wants_key_frame = True
            self._decide()
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
        """Return what the sender is told of its stream since the last call; None before the first packet."""
        self.path.collect()
        return self.reception.report(self.ssrc, at_s) if self.reception.has_begun else None

    def close(self) -> None:
        """The uplink is gone. Safe to call twice."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.taps, self._are_taps_new = [], True
        for forward in self.forwards:
            forward.stop()
        self.forwards = []
        self.reform()


def _plain_report(report: SenderReport) -> bytes:
    return build_sr(report)
