"""RTP bytes, checked against packets written out by hand from the RFCs."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.sfu.rtp import (
    BadRtpError,
    abs_send_time,
    layout,
    starts_h264_key_frame,
    starts_vp8_key_frame,
    unwrap_rtx,
    without_extensions,
    wrap_rtx,
)

PAYLOAD = b"payload"


def packet(
    extension: bytes | None = None, *, profile: int = 0xBEDE, csrcs: int = 0, payload: bytes = PAYLOAD, padding: int = 0
) -> bytes:
    first = 0x80 | csrcs | (0x10 if extension is not None else 0) | (0x20 if padding else 0)
    head = struct.pack("!BBHLL", first, 96, 1000, 90_000, 0x1234) + bytes(4 * csrcs)
    if extension is not None:
        extension += bytes(-len(extension) % 4)
        head += struct.pack("!HH", profile, len(extension) // 4) + extension
    return head + payload + (bytes(padding - 1) + bytes([padding]) if padding else b"")


def test_the_extensions_a_relay_rewrites_are_found_where_they_stand() -> None:
    whole = packet(b"\x12a00" + b"\x20\x7f" + b"\x32\x01\x02\x03")
    found = layout(whole)
    assert whole[found.mid_at : found.mid_at + 3] == b"a00"
    assert whole[found.abs_send_time_at : found.abs_send_time_at + 3] == b"\x01\x02\x03"
    assert whole[found.payload_at :] == PAYLOAD
    assert found.is_clean


@pytest.mark.parametrize(
    "whole",
    [
        pytest.param(packet(b"\x10a"), id="a MID of another length cannot be rewritten in place"),
        pytest.param(packet(b"\x12a00\x12a01"), id="a second MID would survive the rewriting"),
        pytest.param(packet(b"\x51\x00\x00"), id="an extension nobody offered"),
        pytest.param(packet(b"\x1fa00"), id="an extension that ends behind its block"),
        pytest.param(packet(b"\x01\x03a00", profile=0x1000), id="the two-byte form"),
    ],
)
def test_what_cannot_be_rewritten_is_not_clean_and_can_be_taken_off(whole: bytes) -> None:
    found = layout(whole)
    assert not found.is_clean
    bare = without_extensions(whole, found.payload_at)
    assert bare == packet()
    assert layout(bare).is_clean


def test_contributing_sources_are_part_of_the_header() -> None:
    assert layout(packet(csrcs=2)).payload_at == 20
    whole = packet(b"\x12a00", csrcs=2)
    assert without_extensions(whole, layout(whole).payload_at) == packet(csrcs=2)


@pytest.mark.parametrize("size", [12, 15, 16, 19])
def test_a_header_longer_than_its_packet_is_refused(size: int) -> None:
    with pytest.raises(BadRtpError):
        layout(packet(b"\x12a00")[:size])
    with pytest.raises(BadRtpError):
        layout(packet(csrcs=3)[:size])


@given(st.binary(min_size=12, max_size=80))
def test_any_bytes_are_laid_out_inside_the_packet_or_refused(data: bytes) -> None:
    try:
        found = layout(data)
    except BadRtpError:
        return
    assert 12 <= found.payload_at <= len(data)
    assert found.mid_at == 0 or found.mid_at + 3 <= found.payload_at
    assert found.abs_send_time_at == 0 or found.abs_send_time_at + 3 <= found.payload_at
    starts_vp8_key_frame(data, found.payload_at)
    starts_h264_key_frame(data, found.payload_at)


def test_send_time_is_in_units_of_a_262144th_of_a_second_and_wraps_after_64() -> None:
    assert abs_send_time(1.5) == (3 << 17).to_bytes(3, "big")
    assert abs_send_time(64 + 1.5) == abs_send_time(1.5)


@pytest.mark.parametrize(
    ("payload", "is_key"),
    [
        (b"\x10\x00", True),  # S, partition 0, P bit clear
        (b"\x10\x01", False),  # an inter frame
        (b"\x00\x00", False),  # the middle of a frame
        (b"\x11\x00", False),  # partition 1
        (b"\x90\x80\x05\x00", True),  # 7-bit picture id
        (b"\x90\x80\x85\x05\x00", True),  # 15-bit picture id
        (b"\x90\xe0\x85\x05\x01\x40\x00", True),  # with TL0PICIDX and TID
        (b"\x90\xe0\x85\x05\x01\x40\x01", False),
        (b"\x90", False),
        (b"", False),
    ],
)
def test_vp8_key_frames(payload: bytes, is_key: bool) -> None:
    assert starts_vp8_key_frame(packet(payload=payload), 12) is is_key


@pytest.mark.parametrize(
    ("payload", "is_key"),
    [
        (b"\x67\x42", True),  # SPS
        (b"\x65\x88", True),  # IDR slice
        (b"\x61\x88", False),  # another slice
        (b"\x78\x00\x02\x67\x42\x00\x01\x68", True),  # STAP-A: SPS, PPS
        (b"\x78\x00\x01\x68\x00\x01\x61", False),
        (b"\x7c\x85\x00", True),  # FU-A, start of an IDR slice
        (b"\x7c\x05\x00", False),  # its middle
        (b"\x78\xff\xff\x67", True),
        (b"\x78\x00", False),
        (b"", False),
    ],
)
def test_h264_key_frames(payload: bytes, is_key: bool) -> None:
    assert starts_h264_key_frame(packet(payload=payload), 12) is is_key


@given(st.binary(min_size=1, max_size=50), st.booleans())
def test_what_is_wrapped_for_retransmission_is_unwrapped_again(payload: bytes, has_extension: bool) -> None:
    whole = packet(b"\x12a00" if has_extension else None, payload=payload)
    payload_at = layout(whole).payload_at
    wrapped = wrap_rtx(whole, payload_at, payload_type=97, sequence=7, ssrc=99)
    assert struct.unpack_from("!BH", wrapped, 1) == (97, 7)
    assert struct.unpack_from("!L", wrapped, 8) == (99,)
    assert wrapped[payload_at : payload_at + 2] == whole[2:4], "the original number stands before the payload"
    assert unwrap_rtx(wrapped, payload_at, payload_type=96, ssrc=0x1234) == whole


@pytest.mark.parametrize(
    "probe", [packet(payload=b"", padding=50), packet(payload=b"\x00\x01", padding=9), packet(payload=b"")]
)
def test_a_padding_probe_is_not_a_retransmission(probe: bytes) -> None:
    assert unwrap_rtx(probe, 12, payload_type=96, ssrc=1) is None
    assert unwrap_rtx(packet(payload=b"\x00\x01media"), 12, payload_type=96, ssrc=1) is not None  # the control
