"""One person's two connections to the relay: the uplink that the relay receives, the downlink with its sections."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from secrets import randbits

from media.engine import ConnectionName, HealthChanged
from media.plan import Kind
from media.quality import ReceiverQuality, SenderQuality, is_bad_loss
from media.sdp_checks import Answer
from media.sfu.connection import Connection, Surroundings
from media.sfu.forward import Forward, OutStream
from media.sfu.reception import TokenBucket
from media.sfu.rtcp import (
    RELAY_SSRC,
    KeyFrameRequest,
    Nack,
    ReceiverReport,
    ReportBlock,
    SenderReport,
    build_remb,
    build_rr,
    parse,
)
from media.sfu.sdp import OfferedSection
from media.sfu.source import Source

logger = logging.getLogger(__name__)

MAX_SLOTS = 100  # mids have two digits
PROBES = 8  # at each measurement
REPORT_LATE_S = 1.6  # browsers report every 0.5 to 1.5 s
MAX_ASKED = 2048
STALE_S = 2.5
"""A report on a longer time says more of the past: browsers report on sound every 2.5 to 7.5 s."""

_KINDS = (Kind.AUDIO, Kind.VIDEO)


class Uplink(Connection):
    """Receives one person's sound and picture."""

    name: ConnectionName = "uplink"
    _SECTIONS = (OfferedSection(mid="upa", kind=Kind.AUDIO), OfferedSection(mid="upv", kind=Kind.VIDEO))

    def __init__(self, around: Surroundings, room: str, peer: str, epoch: int, on_sources: Callable[[], None]) -> None:
        super().__init__(around, room, peer, epoch)
        self._on_sources = on_sources
        self.sources: dict[Kind, Source] = {}
        self._by_ssrc: dict[int, Callable[[bytes, float], None]] = {}
        self._counted: dict[int, tuple[int, int]] = {}  # SSRC -> expected and lost at the last report
        self.quality = SenderQuality()

    def sections(self) -> Sequence[OfferedSection]:
        return self._SECTIONS

    def on_answer(self, answer: Answer) -> None:
        self._close_sources()
        for section in answer.sections:
            if section.ssrc is None:
                continue
            source = Source(
                section.kind,
                section.ssrc,
                section.rtx_ssrc,
                section.payload_types,
                self.transport,
                self._around.timers,
            )
            self.sources[section.kind] = source
            self._by_ssrc[section.ssrc] = source.take
            if section.rtx_ssrc is not None:
                self._by_ssrc[section.rtx_ssrc] = source.take_rtx
        self.transport.carry([source.path for source in self.sources.values()])
        self._on_sources()

    def _close_sources(self) -> None:
        self.transport.carry(())
        for source in self.sources.values():
            source.close()
        self.sources, self._by_ssrc = {}, {}

    async def aclose(self) -> None:
        self._close_sources()
        await super().aclose()

    def on_connected(self) -> None:
        for source in self.sources.values():
            source.on_connected()

    def on_rtp(self, packet: bytes, at_s: float) -> None:
        take = self._by_ssrc.get(int.from_bytes(packet[8:12], "big"))
        if take is None:
            self._around.dropped["unknown_ssrc"] += 1
            return
        take(packet, at_s)

    def on_rtcp(self, data: bytes, at_s: float) -> None:
        if not self._rtcp_budget.take(at_s):
            self._around.dropped["rtcp_flood"] += 1
            return
        for packet in parse(data):
            if isinstance(packet, SenderReport):
                for source in self.sources.values():
                    if source.ssrc == packet.ssrc:
                        source.take_sender_report(packet, at_s)

    def report(self, at_s: float) -> None:
        """Send what a sender needs every second: losses, round trip, ceiling (RR and REMB)."""
        blocks = [block for source in self.sources.values() if (block := source.report_block(at_s)) is not None]
        if not blocks or not self.transport.is_connected:
            return
        self._measure(at_s)
        video = [source.ssrc for source in self.sources.values() if source.kind is Kind.VIDEO]
        remb = build_remb(RELAY_SSRC, self.quality.cap_bps, video) if video else b""
        self.transport.send_rtcp(build_rr(RELAY_SSRC, blocks) + remb)

    def _measure(self, at_s: float) -> None:
        expected = lost = 0
        jitter_ms = 0.0
        for source in self.sources.values():
            before = self._counted.get(source.ssrc, (0, 0))
            now = source.reception.expected, source.reception.lost
            self._counted[source.ssrc] = now
            if now[0] > before[0]:
                expected += now[0] - before[0]
                lost += max(0, now[1] - before[1])
                jitter_ms = max(jitter_ms, source.reception.jitter_ms)
        self.quality.add(at_s, expected, lost, jitter_ms)


class Downlink(Connection):
    """Sends other people's streams, in pairs of sections (slots) that sources take in turn."""

    name: ConnectionName = "downlink"

    def __init__(self, around: Surroundings, room: str, peer: str, epoch: int, slots: int) -> None:
        super().__init__(around, room, peer, epoch)
        self._slots: list[dict[Kind, OutStream]] = []
        self._users: dict[int, str] = {}  # slot -> source
        self.told_slots: tuple[tuple[str, str, Kind], ...] = ()  # what the peer was told last
        self.forwards: dict[tuple[str, Kind], Forward] = {}
        self._by_ssrc: dict[int, Forward] = {}
        self._feedback_budget = TokenBucket(rate_per_s=100, burst=200)
        self.quality = ReceiverQuality()
        self._asked: set[tuple[int, int]] = set()  # SSRC and number of what NACKs named since the last report
        self._reported_at_s = float("inf")  # until there is a first report, none is late
        self._sent_at_report = 0
        self._expected = self._lost = 0  # as reported since the last measurement
        self._report_times_s: dict[int, float] = {}  # by SSRC
        self._fresh_at_s = float("-inf")
        self._next_probe = 0
        for _ in range(slots):
            self._add_slot()

    def _add_slot(self) -> None:
        number = len(self._slots)
        cname = f"slot{number}"
        self._slots.append(
            {
                kind: OutStream(
                    kind=kind,
                    mid=f"{kind[0]}{number:02d}".encode(),
                    ssrc=randbits(31) | 2,
                    rtx_ssrc=randbits(31) | 1 << 31,
                    cname=cname,
                    rtx_sequence=randbits(14),
                )
                for kind in _KINDS
            }
        )

    def sections(self) -> Sequence[OfferedSection]:
        return [
            OfferedSection(
                mid=out.mid.decode(),
                kind=kind,
                ssrc=out.ssrc,
                rtx_ssrc=out.rtx_ssrc if kind is Kind.VIDEO else None,
                stream=out.cname,
                cname=out.cname,
            )
            for slot in self._slots
            for kind, out in slot.items()
        ]

    def on_answer(self, answer: Answer) -> None:
        accepted = {
            section.mid.encode()
            for section in answer.sections
            if not section.is_rejected and section.direction in ("recvonly", "sendrecv")
        }
        for slot in self._slots:
            for out in slot.values():
                out.is_accepted = out.mid in accepted
        self.on_connected()

    def on_connected(self) -> None:
        for forward in self.forwards.values():
            forward.source.reform()
            forward.source.want_key_frame()

    def on_route(self) -> None:
        for forward in self.forwards.values():
            forward.source.reform()

    def seat(self, wanted: set[str]) -> bool:
        """Give every source in `wanted` a slot, keeping those that have one. True: the use of slots has changed."""
        before = dict(self._users)
        self._users = {slot: source for slot, source in self._users.items() if source in wanted}
        for source in sorted(wanted - set(self._users.values())):
            free = next((slot for slot in range(len(self._slots)) if slot not in self._users), None)
            if free is None:
                free = len(self._slots)
                if free == MAX_SLOTS:
                    logger.error("a peer is to receive more than %d people; the rest is left out", MAX_SLOTS)
                    break
                self._add_slot()
                self._wants_offer = True
            self._users[free] = source
        if self._wants_offer:
            self.offer()
        return self._users != before

    def out_stream(self, source: str, kind: Kind) -> OutStream | None:
        slot = next((slot for slot, user in self._users.items() if user == source), None)
        return None if slot is None else self._slots[slot][kind]

    def slots(self, kinds: Callable[[str], Sequence[Kind]]) -> tuple[tuple[str, str, Kind], ...]:
        """(mid, source, kind) of every section in use."""
        return tuple(
            (self._slots[slot][kind].mid.decode(), source, kind)
            for slot, source in sorted(self._users.items())
            for kind in kinds(source)
        )

    def connect(self, name: str, source: Source) -> None:
        """Begin to carry `source`. Nothing flows until the section is accepted and the transport connected."""
        out = self.out_stream(name, source.kind)
        if out is None:
            return
        forward = Forward(source, out, self.transport)
        if source.kind is Kind.VIDEO:
            forward.pause(self.quality.is_video_paused)
        self.forwards[name, source.kind] = forward
        self._by_ssrc[out.ssrc] = self._by_ssrc[out.rtx_ssrc] = forward
        source.attach(forward)

    def disconnect(self, name: str, kind: Kind) -> None:
        """Carry the stream no more, from this instant on."""
        forward = self.forwards.pop((name, kind), None)
        if forward is not None:
            for ssrc in (forward.out.ssrc, forward.out.rtx_ssrc):
                self._by_ssrc.pop(ssrc, None)
                self._report_times_s.pop(ssrc, None)
            forward.stop()
            forward.source.detach(forward)

    def measure(self, at_s: float) -> None:
        """Judge what the receiver has reported since the last time, and stop or resume its pictures."""
        expected, lost = self._expected, self._lost
        self._expected = self._lost = 0
        rtt_ms: float | None = None
        jitter_ms = 0.0
        for forward in self.forwards.values():
            if forward.is_paused:
                continue
            jitter_ms = max(jitter_ms, forward.jitter_ms or 0.0)
            if forward.rtt_ms is not None:
                rtt_ms = max(rtt_ms or 0.0, forward.rtt_ms)
        if at_s - self._reported_at_s >= REPORT_LATE_S:
            estimated = self._estimate()
            if is_bad_loss(*estimated):  # that nothing is asked for proves nothing
                expected, lost = estimated
                self._begin_interval(at_s)
        self.quality.add(at_s, expected, lost, rtt_ms, jitter_ms)
        video = [forward for forward in self.forwards.values() if forward.out.kind is Kind.VIDEO]
        for forward in video:
            forward.pause(self.quality.is_video_paused)
        if video and self.quality.is_video_paused:  # all in turn: each section is reported on at a time of its own
            self._next_probe = (self._next_probe + 1) % len(video)
            video[self._next_probe].probe(PROBES)

    def _take_block(self, forward: Forward, block: ReportBlock, at_s: float) -> None:
        """Count what a report says, unless it is about times long gone and there are newer ones."""
        forward.take_report(block, at_s)
        expected, lost = forward.take_losses()
        before_s = self._report_times_s.get(block.ssrc, at_s)
        self._report_times_s[block.ssrc] = at_s
        if at_s - before_s < STALE_S:
            self._fresh_at_s = at_s
        elif at_s - self._fresh_at_s < STALE_S:
            return
        self._expected += expected
        self._lost += lost

    def _sent(self) -> int:
        for forward in self.forwards.values():
            forward.settle()
        return sum(forward.packets for forward in self.forwards.values())

    def _begin_interval(self, at_s: float) -> None:
        self._reported_at_s, self._sent_at_report = at_s, self._sent()
        self._asked.clear()

    def _estimate(self) -> tuple[int, int]:
        """What the receiver must have expected and lost since the last report: on bad lines reports are lost too."""
        sent = max(0, self._sent() - self._sent_at_report)
        return sent, min(sent, len(self._asked))

    def on_rtcp(self, data: bytes, at_s: float) -> None:
        if not self._rtcp_budget.take(at_s):
            self._around.dropped["rtcp_flood"] += 1
            return
        for packet in parse(data):
            if isinstance(packet, (ReceiverReport, SenderReport)):
                if packet.blocks:
                    self._begin_interval(at_s)
                for block in packet.blocks:
                    if (forward := self._by_ssrc.get(block.ssrc)) is not None:
                        self._take_block(forward, block, at_s)
            elif isinstance(packet, (KeyFrameRequest, Nack)):
                self._on_feedback(packet, at_s)

    def _on_feedback(self, packet: KeyFrameRequest | Nack, at_s: float) -> None:
        forward = self._by_ssrc.get(packet.media)
        if forward is None or packet.media != forward.out.ssrc:
            return
        if not self._feedback_budget.take(at_s):
            self._around.dropped["feedback_flood"] += 1
        elif isinstance(packet, Nack):
            if len(self._asked) < MAX_ASKED:
                self._asked.update((packet.media, sequence) for sequence in packet.sequences)
            forward.resend(packet.sequences, at_s)
        elif forward.is_paused:  # it shall get none now, and will get one when the pictures come back
            self._around.dropped["key_frame_unwanted"] += 1
        elif forward.may_ask_key_frame(at_s):
            forward.source.want_key_frame()
        else:
            self._around.dropped["key_frame_flood"] += 1


@dataclass(slots=True)
class Peer:
    epoch: int
    uplink: Uplink | None
    downlink: Downlink
    told_health: HealthChanged | None = None

    def connections(self) -> list[Connection]:
        return [self.downlink] if self.uplink is None else [self.uplink, self.downlink]

    async def aclose(self) -> None:
        await asyncio.gather(*(connection.aclose() for connection in self.connections()))
