"""H.264 in RTP (RFC 6184, modes 0 and 1) and the picture size in its parameter sets (ITU-T H.264, 7.3.2.1)."""

from typing import Final

START_CODE: Final = b"\x00\x00\x00\x01"

NAL_IDR: Final = 5
NAL_SPS: Final = 7
NAL_PPS: Final = 8
_STAP_A: Final = 24
_FU_A: Final = 28
_HIGH_PROFILES: Final = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})


class NalAssembler:
    """Collects the NAL units of one access unit from payloads that come in order."""

    def __init__(self) -> None:
        self.units: list[bytes] = []
        self._fragments: list[bytes] = []

    def add(self, payload: bytes) -> bool:
        """Take one payload. False: it is malformed and the access unit is unusable."""
        kind = payload[0] & 0x1F if payload else 0
        if kind == _FU_A:
            return self._add_fragment(payload)
        if self._fragments:
            return False
        if kind == _STAP_A:
            return self._add_aggregate(payload)
        if 1 <= kind < _STAP_A:
            self.units.append(payload)
            return True
        return False

    def _add_aggregate(self, payload: bytes) -> bool:
        position = 1
        while position + 2 <= len(payload):
            size = int.from_bytes(payload[position : position + 2], "big")
            position += 2
            if size == 0 or position + size > len(payload):
                return False
            self.units.append(payload[position : position + size])
            position += size
        return position == len(payload) and position > 1

    def _add_fragment(self, payload: bytes) -> bool:
        if len(payload) < 3:
            return False
        begins, ends = bool(payload[1] & 0x80), bool(payload[1] & 0x40)
        if begins == bool(self._fragments):
            return False
        if begins:
            self._fragments.append(bytes((payload[0] & 0xE0 | payload[1] & 0x1F,)))
        self._fragments.append(payload[2:])
        if ends:
            self.units.append(b"".join(self._fragments))
            self._fragments.clear()
        return True

    def finish(self) -> list[bytes] | None:
        """Return the NAL units and begin the next access unit. None: it is empty or ends inside a fragment."""
        units, cut = self.units, bool(self._fragments)
        self.units, self._fragments = [], []
        return units if units and not cut else None


def to_annex_b(units: list[bytes]) -> bytes:
    """Join NAL units into a byte stream (ITU-T H.264, Annex B)."""
    return b"".join(START_CODE + unit for unit in units)


def is_key_frame(units: list[bytes]) -> bool:
    return any(unit[0] & 0x1F == NAL_IDR for unit in units)


def has_picture(units: list[bytes]) -> bool:
    """False for parameter sets and supplemental information that come on their own."""
    return any(1 <= unit[0] & 0x1F <= NAL_IDR for unit in units)


def sps_size(sps: bytes) -> tuple[int, int] | None:
    """Return (width, height) in pixels after cropping, or None where the parameter set is damaged."""
    try:
        return _read_size(_Bits(_without_emulation(sps[1:])))
    except IndexError:
        return None


def _without_emulation(data: bytes) -> bytes:
    return data.replace(b"\x00\x00\x03", b"\x00\x00")


class _Bits:
    """Reads bits; raises IndexError past the end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def bit(self) -> int:
        value = self._data[self._position >> 3] >> (7 - self._position & 7) & 1
        self._position += 1
        return value

    def bits(self, count: int) -> int:
        value = 0
        for _ in range(count):
            value = value << 1 | self.bit()
        return value

    def ue(self) -> int:
        """Exp-Golomb code (ITU-T H.264, 9.1)."""
        zeros = 0
        while not self.bit():
            zeros += 1
            if zeros > 32:
                raise IndexError
        return (1 << zeros) - 1 + self.bits(zeros)

    def se(self) -> int:
        code = self.ue()
        return (code + 1) // 2 if code & 1 else -(code // 2)


def _read_size(bits: _Bits) -> tuple[int, int] | None:
    profile = bits.bits(8)
    bits.bits(16)
    bits.ue()
    chroma_format = _read_chroma(bits) if profile in _HIGH_PROFILES else 1
    bits.ue()
    _skip_picture_order(bits)
    bits.ue()
    bits.bit()
    width, height_units = 16 * (bits.ue() + 1), 16 * (bits.ue() + 1)
    frame_only = bits.bit()
    if not frame_only:
        bits.bit()
    bits.bit()
    height = height_units * (2 - frame_only)
    if bits.bit():
        left, right, top, bottom = bits.ue(), bits.ue(), bits.ue(), bits.ue()
        step_x = 2 if chroma_format in (1, 2) else 1
        step_y = (2 if chroma_format == 1 else 1) * (2 - frame_only)
        width -= step_x * (left + right)
        height -= step_y * (top + bottom)
    return (width, height) if 0 < width <= 16384 and 0 < height <= 16384 else None


def _read_chroma(bits: _Bits) -> int:
    chroma_format = bits.ue()
    if chroma_format == 3:
        bits.bit()
    bits.ue()
    bits.ue()
    bits.bit()
    if bits.bit():
        for index in range(8 if chroma_format != 3 else 12):
            if bits.bit():
                _skip_scaling_list(bits, 16 if index < 6 else 64)
    return chroma_format


def _skip_scaling_list(bits: _Bits, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.se()) % 256
        last = following or last


def _skip_picture_order(bits: _Bits) -> None:
    kind = bits.ue()
    if kind == 0:
        bits.ue()
    elif kind == 1:
        bits.bit()
        bits.se()
        bits.se()
        for _ in range(min(bits.ue(), 255)):
            bits.se()
