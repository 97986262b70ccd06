"""RTP packets of one stream to frames a decoder or a file can take. Damaged input is counted, never raised."""

from dataclasses import dataclass
from typing import Final

from media.taps import h264, vp8
from media.taps.ordering import Missing, ReorderBuffer, Unwrapper
from media.taps.wire import TIMESTAMP_BITS, Codec, RtpPacket

REORDER_WAIT_S: Final = 0.1
MAX_FRAME_BYTES: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Frame:
    """One encoded picture (H264: Annex B) or one Opus packet.

    `ticks`: unwrapped RTP timestamp. `size`: (width, height) of a key frame. Every Opus packet is a key frame.
    """

    data: bytes
    ticks: int
    is_key: bool = True
    size: tuple[int, int] | None = None
    temporal_id: int = 0


@dataclass(frozen=True, slots=True)
class Loss:
    """Something never came, or came damaged. Video frames are held back from here to the next key frame.

    `packets` None: not known.
    """

    packets: int | None


class Depacketiser:
    """One stream (one SSRC, one codec) from packets to frames. Video begins with a key frame. Time is given."""

    def __init__(self, codec: Codec, wait_s: float = REORDER_WAIT_S) -> None:
        self.codec = codec
        self._wait_s = wait_s
        self._order = ReorderBuffer(wait_s)
        self._ticks = Unwrapper(TIMESTAMP_BITS)
        self._assembler: _Vp8Assembler | _H264Assembler | None = None
        if codec is Codec.VP8:
            self._assembler = _Vp8Assembler()
        elif codec is Codec.H264:
            self._assembler = _H264Assembler()
        self.needs_key = self._assembler is not None
        self.malformed = 0

    @property
    def dropped(self) -> int:
        """Packets that were duplicates or too late."""
        return self._order.dropped

    @property
    def is_waiting(self) -> bool:
        """Whether packets are held because an earlier one is missing: `poll` is needed."""
        return self._order.is_waiting

    def interrupt(self) -> None:
        """Leave out what comes until the next packet that is pushed. Timestamps go on, and a decoder has to begin."""
        self._order = ReorderBuffer(self._wait_s)
        if self._assembler is not None:
            self._assembler.reset()
            self.needs_key = True

    def push(self, packet: RtpPacket, at_s: float) -> list[Frame | Loss]:
        """Take a packet that arrived at `at_s` (any clock in seconds that does not go back)."""
        return self._use(self._order.push(packet, at_s))

    def poll(self, at_s: float) -> list[Frame | Loss]:
        """Give up on packets that have been missing for too long."""
        return self._use(self._order.poll(at_s)) if self._order.is_waiting else []

    def _use(self, ordered: list[RtpPacket | Missing]) -> list[Frame | Loss]:
        out: list[Frame | Loss] = []
        for item in ordered:
            if isinstance(item, Missing):
                self._damage(out, item.packets)
            elif item.payload:  # empty: padding only
                self._use_packet(item, out)
        return out

    def _use_packet(self, packet: RtpPacket, out: list[Frame | Loss]) -> None:
        ticks = self._ticks.unwrap(packet.timestamp)
        if self._assembler is None:
            out.append(Frame(packet.payload, ticks))
            return
        if self._assembler.ticks not in (None, ticks):  # the marker never came: the timestamp ends the frame
            self._finish(out)
        if not self._assembler.add(packet.payload, ticks):
            self.malformed += 1
            self._damage(out, 0)
        elif packet.marker:
            self._finish(out)

    def _finish(self, out: list[Frame | Loss]) -> None:
        if self._assembler is None or self._assembler.ticks is None:
            return
        was_broken = self._assembler.is_broken
        frame = None if was_broken else self._assembler.finish()
        if frame is None:
            self._assembler.reset()
            if not (was_broken and self.needs_key):  # the rest of a frame that is known to be lost is not news
                self.malformed += 1
                self._damage(out, 0)
        elif frame.data and (frame.is_key or not self.needs_key):
            self.needs_key = False
            out.append(frame)

    def _damage(self, out: list[Frame | Loss], packets: int | None) -> None:
        if self._assembler is not None:
            self._assembler.spoil()
            self.needs_key = True
        out.append(Loss(packets))


class _Vp8Assembler:
    def __init__(self) -> None:
        self.ticks: int | None = None
        self.is_broken = False
        self._parts: list[bytes] = []
        self._size = 0
        self._temporal_id = 0

    def reset(self) -> None:
        self.ticks, self.is_broken, self._size = None, False, 0
        self._parts = []

    def spoil(self) -> None:
        """Give up the frame in hand and what is left of it to come."""
        ticks = self.ticks
        self.reset()
        self.ticks, self.is_broken = ticks, ticks is not None

    def add(self, payload: bytes, ticks: int) -> bool:
        part = vp8.parse_payload(payload)
        if self.ticks is None:
            self.ticks = ticks
            self.is_broken = part is not None and not part.begins_frame
        if self.is_broken:
            return True
        if part is None or self._size > MAX_FRAME_BYTES:
            return False
        if not self._parts:
            self._temporal_id = part.temporal_id
        self._parts.append(part.data)
        self._size += len(part.data)
        return True

    def finish(self) -> Frame | None:
        """Return the frame and begin the next; None where it is damaged."""
        data, ticks, temporal_id = b"".join(self._parts), self.ticks, self._temporal_id
        self.reset()
        if ticks is None or not data:
            return None
        if not vp8.is_key_frame(data):
            return Frame(data, ticks, False, None, temporal_id)
        size = vp8.key_frame_size(data)
        return None if size is None else Frame(data, ticks, True, size, temporal_id)


class _H264Assembler:
    def __init__(self) -> None:
        self.ticks: int | None = None
        self.is_broken = False
        self._nal = h264.NalAssembler()
        self._size = 0
        self._parameters: dict[int, bytes] = {}

    def reset(self) -> None:
        self.ticks, self.is_broken, self._size = None, False, 0
        self._nal = h264.NalAssembler()

    def spoil(self) -> None:
        ticks = self.ticks
        self.reset()
        self.ticks, self.is_broken = ticks, ticks is not None

    def add(self, payload: bytes, ticks: int) -> bool:
        self.ticks = ticks
        if self.is_broken:
            return True
        self._size += len(payload)
        return self._size <= MAX_FRAME_BYTES and self._nal.add(payload)

    def finish(self) -> Frame | None:
        """Return the access unit and begin the next; None where it is damaged, empty data where it shows nothing."""
        units, ticks = self._nal.finish(), self.ticks
        self.reset()
        if units is None or ticks is None:
            return None
        for unit in units:
            kind = unit[0] & 0x1F
            if kind in (h264.NAL_SPS, h264.NAL_PPS):
                self._parameters[kind] = unit
        if not h264.has_picture(units):
            return Frame(b"", ticks, False)
        if not h264.is_key_frame(units):
            return Frame(h264.to_annex_b(units), ticks, False)
        return self._key_frame(units, ticks)

    def _key_frame(self, units: list[bytes], ticks: int) -> Frame | None:
        present = {unit[0] & 0x1F for unit in units}
        for kind in (h264.NAL_PPS, h264.NAL_SPS):
            if kind not in present:
                if kind not in self._parameters:
                    return None
                units = [self._parameters[kind], *units]
        size = h264.sps_size(self._parameters[h264.NAL_SPS])
        return None if size is None else Frame(h264.to_annex_b(units), ticks, True, size)
