"""One tapped stream from datagrams to frames with a time: the part that recorder and taps have in common."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from media.plan import Kind
from media.taps.depacketise import REORDER_WAIT_S, Depacketiser, Frame, Loss
from media.taps.room_clock import StreamClock
from media.taps.wire import CLOCK_HZ, PAYLOAD_CODECS, Codec, RtpPacket, is_rtcp, parse_rtp, parse_sender_reports

_KIND_CODECS: Mapping[Kind, frozenset[Codec]] = {
    Kind.AUDIO: frozenset({Codec.OPUS}),
    Kind.VIDEO: frozenset({Codec.VP8, Codec.H264}),
}

MAX_RETURN_ERROR_S: Final = 1.0
"""A stream that was interrupted and whose first frame then is this far from where its clock has it: a clock that stood
still meanwhile. A transit time is far less."""


@dataclass(frozen=True, slots=True)
class NewStream:
    """The source began a new stream: another SSRC, another codec, or a clock that began anew. Frames follow it."""

    ssrc: int
    codec: Codec


Arrival = Frame | Loss | NewStream


class StreamIntake:
    """Takes what comes to one address. Input that is not ours or not whole is counted in `refused`, never raised.

    `clock` belongs to the present stream; None before the first packet. Times are the room's clock, Unix seconds.
    """

    def __init__(
        self,
        kind: Kind,
        payload_codecs: Mapping[int, Codec] = PAYLOAD_CODECS,
        wait_s: float = REORDER_WAIT_S,
    ) -> None:
        self.kind = kind
        self.clock: StreamClock | None = None
        self.ssrc: int | None = None
        self.refused = 0
        self.accepted = 0  # RTP packets; reports alone do not mean that something is sent
        self._codecs = {pt: codec for pt, codec in payload_codecs.items() if codec in _KIND_CODECS[kind]}
        self._wait_s = wait_s
        self._depacketiser: Depacketiser | None = None
        self._stray: RtpPacket | None = None
        self._was_interrupted = False

    @property
    def codec(self) -> Codec | None:
        return self._depacketiser.codec if self._depacketiser else None

    @property
    def needs_key(self) -> bool:
        """Whether nothing can be used before a key frame comes."""
        return self.kind is Kind.VIDEO and (self._depacketiser is None or self._depacketiser.needs_key)

    def forget(self) -> None:
        """Begin anew with the next packet, as after a pause."""
        self.clock = self.ssrc = self._depacketiser = self._stray = None

    def interrupt(self) -> None:
        """Nothing is wanted for a while, as of a muted microphone; the stream and its clock are the same afterwards."""
        self._was_interrupted = True
        if self._depacketiser is not None:
            self._depacketiser.interrupt()

    def push(self, datagram: bytes, at_s: float) -> list[Arrival]:
        """Take a datagram that arrived at `at_s`."""
        if is_rtcp(datagram):
            self._on_reports(datagram, at_s)
            return []
        packet = parse_rtp(datagram)
        codec = self._codecs.get(packet.payload_type) if packet else None
        if packet is None or codec is None:
            self.refused += 1
            return []
        self.accepted += 1
        out: list[Arrival] = []
        first = packet
        if self._depacketiser is None or packet.ssrc != self.ssrc or codec is not self._depacketiser.codec:
            if self._depacketiser is not None and packet.ssrc != self.ssrc:
                # One stray packet does not end a stream that works; a second one of the same SSRC does.
                stray, self._stray = self._stray, packet
                if stray is None or stray.ssrc != packet.ssrc:
                    return []
                first = stray
            out.append(self._begin(packet.ssrc, codec))
        if self._depacketiser is not None and first is not packet:
            self._timed(out, self._depacketiser.push(first, at_s), at_s)
        return self._timed(out, self._depacketiser.push(packet, at_s) if self._depacketiser else [], at_s)

    def poll(self, at_s: float) -> list[Arrival]:
        """Give up on packets that have been missing for too long."""
        if self._depacketiser is None or not self._depacketiser.is_waiting:
            return []
        return self._timed([], self._depacketiser.poll(at_s), at_s)

    def wall_s(self, ticks: int) -> float:
        if self.clock is None:
            raise ValueError("No stream has begun; push a packet first.")
        return self.clock.wall_s(ticks)

    def _begin(self, ssrc: int, codec: Codec) -> NewStream:
        self.ssrc, self._stray = ssrc, None
        self._depacketiser = Depacketiser(codec, self._wait_s)
        self.clock = StreamClock(CLOCK_HZ[codec])
        return NewStream(ssrc, codec)

    def _timed(self, out: list[Arrival], parts: list[Frame | Loss], at_s: float) -> list[Arrival]:
        for part in parts:
            if isinstance(part, Frame) and self.clock is not None and not self._is_in_time(self.clock, part, at_s):
                self.clock = StreamClock(self.clock.clock_hz)
                self.clock.on_frame(part.ticks, at_s)
                out.append(NewStream(self.ssrc or 0, self.codec or Codec.OPUS))
            out.append(part)
        return out

    def _is_in_time(self, clock: StreamClock, frame: Frame, at_s: float) -> bool:
        was_interrupted, self._was_interrupted = self._was_interrupted, False
        if was_interrupted and clock.last_ticks is not None:
            return abs(clock.wall_s(frame.ticks) - at_s) <= MAX_RETURN_ERROR_S and clock.on_frame(frame.ticks, at_s)
        return clock.on_frame(frame.ticks, at_s)

    def _on_reports(self, datagram: bytes, at_s: float) -> None:
        for report in parse_sender_reports(datagram):
            if report.ssrc == self.ssrc and self.clock is not None:
                self.clock.on_report(report, at_s)
