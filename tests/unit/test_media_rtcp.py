"""RTCP: what is built is read back by us and by another implementation, and nothing that comes can break the reader."""

import struct

import pytest
from aiortc import rtp as other
from hypothesis import given
from hypothesis import strategies as st

from media.sfu.rtcp import (
    BadRtcpError,
    Bye,
    KeyFrameRequest,
    Nack,
    ReceiverReport,
    Remb,
    ReportBlock,
    SenderReport,
    build_cname,
    build_nack,
    build_pli,
    build_remb,
    build_rr,
    build_sr,
    ntp_middle,
    ntp_time,
    parse,
)

ssrcs = st.integers(1, 2**32 - 1)
BLOCK = ReportBlock(5, 64, -3, 70_000, 12, 0x11112222, 65_536)


@given(ssrcs, st.integers(0, 2**64 - 1), ssrcs, ssrcs, ssrcs)
def test_a_sender_report_is_understood(ssrc: int, ntp: int, timestamp: int, packets: int, octets: int) -> None:
    report = SenderReport(ssrc, ntp, timestamp, packets, octets)
    data = build_sr(report)
    assert parse(data) == [report]
    (theirs,) = other.RtcpPacket.parse(data)
    assert isinstance(theirs, other.RtcpSrPacket)
    info = theirs.sender_info
    assert (theirs.ssrc, info.ntp_timestamp, info.rtp_timestamp, info.packet_count, info.octet_count) == (
        ssrc, ntp, timestamp, packets, octets,
    )  # fmt: skip


def test_counts_beyond_32_bits_wrap() -> None:
    assert parse(build_sr(SenderReport(1, 2, 2**32 + 3, 2**32 + 4, 2**33 + 5))) == [SenderReport(1, 2, 3, 4, 5)]


def test_a_receiver_report_is_understood() -> None:
    data = build_rr(9, [BLOCK, BLOCK])
    assert parse(data) == [ReceiverReport(9, (BLOCK, BLOCK))]
    (theirs,) = other.RtcpPacket.parse(data)
    assert isinstance(theirs, other.RtcpRrPacket)
    read = theirs.reports[0]
    assert (read.ssrc, read.fraction_lost, read.packets_lost, read.highest_sequence) == (5, 64, -3, 70_000)
    assert (read.jitter, read.lsr, read.dlsr) == (12, 0x11112222, 65_536)


@given(ssrcs, ssrcs, st.sets(st.integers(0, 400), min_size=1, max_size=60), st.integers(0, 0xFFFF))
def test_every_number_asked_for_is_in_the_nack(sender: int, media: int, ahead: set[int], first: int) -> None:
    wanted = [(first + step) & 0xFFFF for step in sorted(ahead)]
    data = build_nack(sender, media, wanted)
    assert parse(data) == [Nack(sender, media, tuple(wanted))]
    (theirs,) = other.RtcpPacket.parse(data)
    assert isinstance(theirs, other.RtcpRtpfbPacket)
    assert theirs.lost == wanted


def test_key_frame_requests_of_both_kinds() -> None:
    assert parse(build_pli(1, 2)) == [KeyFrameRequest(1, 2)]
    fir = struct.pack("!BBHLLLBxxxLBxxx", 0x84, 206, 6, 1, 0, 7, 1, 8, 1)
    assert parse(fir) == [KeyFrameRequest(1, 7), KeyFrameRequest(1, 8)]


@given(st.integers(0, 10_000_000_000), st.lists(ssrcs, max_size=5))
def test_a_ceiling_is_kept_to_18_bits(bits_per_s: int, who: list[int]) -> None:
    data = build_remb(3, bits_per_s, who)
    (read,) = parse(data)
    assert isinstance(read, Remb)
    assert read.ssrcs == tuple(who)
    assert 0 <= bits_per_s - read.bits_per_s <= bits_per_s >> 17
    (theirs,) = other.RtcpPacket.parse(data)
    assert isinstance(theirs, other.RtcpPsfbPacket)
    assert other.unpack_remb_fci(theirs.fci) == (read.bits_per_s, who)


def test_a_compound_is_split_and_what_has_no_use_is_skipped() -> None:
    bye = struct.pack("!BBHLL", 0x82, 203, 2, 7, 8)
    data = build_sr(SenderReport(1, 2, 3, 4, 5)) + build_cname(1, "slot0") + build_pli(1, 2) + bye
    assert parse(data) == [SenderReport(1, 2, 3, 4, 5), KeyFrameRequest(1, 2), Bye((7, 8))]
    assert [type(one) for one in other.RtcpPacket.parse(data)][1] is other.RtcpSdesPacket


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(build_rr(1, [BLOCK])[:-4], id="truncated"),
        pytest.param(b"\x81" + build_rr(1, [])[1:], id="more blocks than bytes"),
        pytest.param(b"\x41" + build_pli(1, 2)[1:], id="version 1"),
        pytest.param(b"\xa1" + build_pli(1, 0xFF)[1:], id="more padding than packet"),
        pytest.param(build_pli(1, 2) * 33, id="too many in one"),
        pytest.param(build_pli(1, 2) + b"\x80", id="a byte left over"),
        pytest.param(build_remb(1, 9, [2])[:12] + b"REMB\xff\x00\x00\x09\x00\x00\x00\x02", id="more SSRCs than bytes"),
    ],
)
def test_what_is_not_rtcp_is_refused(data: bytes) -> None:
    with pytest.raises(BadRtcpError):
        parse(data)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        parse(data)
    except BadRtcpError:
        return


@given(st.lists(st.sampled_from([200, 201, 202, 203, 204, 205, 206, 207]), max_size=6), st.data())
def test_headers_that_look_right_cannot_break_the_reader_either(kinds: list[int], data: st.DataObject) -> None:
    whole = b""
    for kind in kinds:
        body = data.draw(st.binary(max_size=40).map(lambda one: one[: len(one) // 4 * 4]))
        whole += struct.pack("!BBH", 0x80 | data.draw(st.integers(0, 63)), kind, len(body) // 4) + body
    try:
        parse(whole)
    except BadRtcpError:
        return


def test_ntp_time() -> None:
    assert ntp_time(0) >> 32 == 2_208_988_800
    assert ntp_middle(ntp_time(0.5)) == (2_208_988_800 & 0xFFFF) << 16 | 0x8000
