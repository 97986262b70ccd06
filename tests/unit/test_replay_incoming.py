"""What a replay peer makes of the packets it receives."""

import struct
from typing import cast

import pytest
from aiortc.rtp import RtcpPacket, RtcpPsfbPacket, RtcpRrPacket, RtcpRtpfbPacket, RtcpSenderInfo, RtcpSrPacket

from media.replay.answer import MID_URI, Section, SentStream
from media.replay.incoming import ReceivedPacket, Receiver, Reception, is_vp8_key_frame
from media.replay.link import Link, Loss
from media.replay.outgoing import STAMP, STAMP_MAGIC, OutgoingStream

KEY, INTER = b"\x90\x80\x80\x01\x00", b"\x90\x80\x80\x02\x01"


class WireTap:
    """A link without encryption that keeps what is sent."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.is_up = True

    def send(self, packet: bytes) -> bool:
        if self.is_up:
            self.sent.append(packet)
        return self.is_up

    def decrypt(self, data: bytes) -> bytes | None:
        return None if data.endswith(b"forged") else data


def section(mid: str = "1", kind: str = "video", **changes: object) -> Section:
    values: dict[str, object] = {
        "mid": mid,
        "kind": kind,
        "is_sent_to_us": True,
        "is_wanted_from_us": True,
        "payload_type": 97 if kind == "video" else 96,
        "rtx_payload_type": 98 if kind == "video" else None,
        "has_nack": kind == "video",
        "extension_ids": {MID_URI: 1},
        "ssrcs": {},
    }
    return Section(**{**values, **changes})  # type: ignore[arg-type] # built from a table of mixed values


def rtp(sequence: int, ssrc: int = 11, payload: bytes = INTER, pt: int = 97, marker: bool = True) -> bytes:
    return (
        struct.pack("!BBHLL", 0x80, marker << 7 | pt, sequence & 0xFFFF, sequence * 3000 & 0xFFFFFFFF, ssrc) + payload
    )


def with_mid(packet: bytes, mid: bytes) -> bytes:
    extension = bytes((0x10 | len(mid) - 1,)) + mid
    extension += bytes(-len(extension) % 4)
    return bytes((packet[0] | 0x10,)) + packet[1:12] + b"\xbe\xde\x00\x01" + extension + packet[12:]


def receiver_of(*sections: Section, **options: object) -> tuple[Receiver, WireTap]:
    values: dict[str, object] = {"mode": "all", "stamps": False, "on_packet": None}
    receiver = Receiver(**{**values, **options})  # type: ignore[arg-type] # built from a table of mixed values
    tap = WireTap()
    receiver.use(cast(Link, tap), sections)
    return receiver, tap


def reception() -> Reception:
    return Reception(mid="1", ssrc=11, kind="video")


def test_numbers_in_order_lose_nothing_over_the_rollover() -> None:
    stream = reception()
    for sequence in range(65_500, 65_600):
        assert stream.note(sequence & 0xFFFF, 1.0)
    assert (stream.expected, stream.packets, stream.lost) == (100, 100, 0)
    assert stream.report(2.0).highest_sequence == 65_599


def test_gaps_late_packets_and_duplicates_are_told_apart() -> None:
    stream = reception()
    for sequence in (10, 11, 14, 13, 13, 14, 17):
        stream.note(sequence, 1.0)
    assert (stream.expected, stream.packets, stream.duplicates) == (8, 5, 2)
    assert stream.lost == 3  # 12, 15, 16
    assert stream.to_ask_again(1.1) == [12, 15, 16]
    assert stream.note_resent(12, 1.2)
    assert not stream.note_resent(12, 1.2), "it is there already"
    assert (stream.lost, stream.recovered, stream.lost_in_transit) == (2, 1, 3)


def test_a_loss_is_asked_for_a_few_times_and_then_given_up_for_a_key_frame() -> None:
    stream = reception()
    stream.note(1, 0.0)
    stream.note_key_frame(0.0)
    stream.note(3, 0.0)
    asked = [now for now in (n * 0.05 for n in range(30)) if stream.to_ask_again(now)]
    assert 3 <= len(asked) <= 10
    assert max(asked) <= 1.0
    stream.note(4, 1.5)
    assert stream.wants_key(1.5)
    assert not stream.wants_key(1.6), "one PLI in half a second"
    stream.note_key_frame(1.7)
    assert not stream.wants_key(9.0)


def test_a_source_that_was_away_is_not_asked_for_thousands_of_packets() -> None:
    stream = reception()
    stream.note(1, 0.0)
    stream.note(5000, 0.1)
    assert stream.to_ask_again(0.2) == []


def test_a_report_states_the_loss_since_the_last_one() -> None:
    stream = reception()
    for sequence in (0, 1, 2, 4, 6, 7, 8, 9):
        stream.note(sequence, 1.0)
    stream.note_report(RtcpSrPacket(11, RtcpSenderInfo(0x0001_2345_6789_0000, 0, 0, 0)), 1.0)
    first = stream.report(1.5)
    assert (first.fraction_lost, first.packets_lost) == (2 * 256 // 10, 2)
    assert (first.lsr, first.dlsr) == (0x2345_6789, 32768)
    for sequence in range(10, 20):
        stream.note(sequence, 2.0)
    assert stream.report(2.5).fraction_lost == 0


@pytest.mark.parametrize(
    ("payload", "is_key"),
    [
        (KEY, True),
        (INTER, False),
        (b"\x80\x80\x80\x01\x00", False),  # not the beginning of the frame
        (b"\x10\x00", True),  # no extension at all
        (b"\x90\xf0\x05\x07\x20\x00", True),  # 7-bit picture id, TL0PICIDX, TID
        (b"\x90\xf0\x05\x07\x20\x01", False),
        (b"", False),
        (b"\x90", False),
        (b"\x90\x80", False),
    ],
)
def test_key_frames_are_recognised(payload: bytes, is_key: bool) -> None:
    assert is_vp8_key_frame(payload) is is_key


def test_a_stream_finds_its_section_by_offer_then_mid_then_payload_type() -> None:
    receiver, _ = receiver_of(
        section("a", ssrcs={11: 12}), section("b"), section("c", "audio"), section("off", is_sent_to_us=False)
    )
    receiver.take_rtp(rtp(1, ssrc=11))
    receiver.take_rtp(with_mid(rtp(1, ssrc=21), b"b"))
    receiver.take_rtp(rtp(1, ssrc=31, pt=96))
    assert {ssrc: stream.mid for ssrc, stream in receiver.streams.items()} == {11: "a", 21: "b", 31: "c"}
    receiver.take_rtp(rtp(1, ssrc=41))  # two sections have its payload type
    receiver.take_rtp(with_mid(rtp(1, ssrc=42), b"off"))
    receiver.take_rtp(rtp(1, ssrc=43, pt=111))
    assert receiver.unclaimed == 3
    assert len(receiver.streams) == 3


def test_a_resent_packet_counts_for_the_original_and_padding_counts_for_nothing() -> None:
    seen: list[ReceivedPacket] = []
    receiver, _ = receiver_of(section(ssrcs={11: 12}), on_packet=lambda _, packet: seen.append(packet))
    for sequence in (1, 3):
        receiver.take_rtp(rtp(sequence))
    receiver.take_rtp(rtp(500, ssrc=12, pt=98, payload=struct.pack("!H", 2) + KEY))
    padding = rtp(501, ssrc=12, pt=98, payload=bytes(223) + b"\xe0")
    receiver.take_rtp(bytes((padding[0] | 0x20,)) + padding[1:])
    stream = receiver.streams[11]
    assert (stream.packets, stream.recovered, stream.lost, stream.key_frames) == (2, 1, 0, 1)
    assert [(packet.sequence, packet.is_resent) for packet in seen] == [(1, False), (3, False), (2, True)]
    assert seen[2].payload == KEY


def test_forged_and_truncated_packets_count_for_nothing() -> None:
    receiver, _ = receiver_of(section())
    receiver.take_rtp(rtp(1, payload=b"forged"))
    truncated = rtp(1)
    receiver.take_rtp(bytes((0x9F,)) + truncated[1:])  # fifteen CSRCs that are not there
    receiver.take_rtp(bytes((0xB0,)) + truncated[1:])  # padding longer than the packet
    assert receiver.streams == {}
    receiver.take_rtp(truncated)
    assert receiver.streams[11].packets == 1


def test_what_is_missing_is_asked_for_on_the_wire() -> None:
    receiver, tap = receiver_of(section(), section("9", "audio"))
    for sequence in (1, 2, 5):
        receiver.take_rtp(rtp(sequence))
    for sequence in (1, 3):
        receiver.take_rtp(rtp(sequence, ssrc=91, pt=96))
    now = receiver.streams[11].last_arrival_s
    assert now is not None
    receiver._tick(now + 0.05)
    sent = [packet for data in tap.sent for packet in RtcpPacket.parse(data)]
    nacks = [packet for packet in sent if isinstance(packet, RtcpRtpfbPacket)]
    assert [(nack.media_ssrc, nack.lost) for nack in nacks] == [(11, [3, 4])], "audio was not offered with NACK"
    assert [packet.media_ssrc for packet in sent if isinstance(packet, RtcpPsfbPacket)] == [11]
    tap.sent.clear()
    receiver._tick(now + 1.05)
    reports = [p for data in tap.sent for p in RtcpPacket.parse(data) if isinstance(p, RtcpRrPacket)]
    assert {block.ssrc for report in reports for block in report.reports} == {11, 91}


def test_counting_by_headers_opens_only_stamped_packets() -> None:
    receiver, tap = receiver_of(section(), mode="headers", stamps=True)
    opened: list[bytes] = []
    tap.decrypt = lambda data: opened.append(data) or data  # type: ignore[method-assign,func-returns-value] # records
    receiver.take_rtp(rtp(1, marker=False))
    receiver.take_rtp(rtp(2, payload=INTER + STAMP.pack(STAMP_MAGIC, 1)))
    receiver.take_rtp(rtp(4, payload=INTER + STAMP.pack(STAMP_MAGIC + 1, 1)))
    stream = receiver.streams[11]
    assert (stream.packets, stream.lost, stream.frames) == (3, 1, 2)
    assert len(opened) == 2
    assert len(stream.latencies_s) == 1, "a foreign magic is no stamp"


def outgoing() -> tuple[OutgoingStream, WireTap]:
    tap = WireTap()
    return OutgoingStream(section(), SentStream(ssrc=11, rtx_ssrc=12, cname="me"), 90_000, cast(Link, tap)), tap


def test_a_packet_is_sent_again_as_rtx_with_its_original_number() -> None:
    stream, tap = outgoing()
    stream.send((KEY, b"body"), marker=True, timestamp=7)
    original = tap.sent[0]
    sequence = int.from_bytes(original[2:4], "big")
    stream.take_feedback(RtcpRtpfbPacket(fmt=1, ssrc=1, media_ssrc=11, lost=[sequence, sequence + 9 & 0xFFFF]))
    assert len(tap.sent) == 2, "what was never sent is not sent again"
    again = tap.sent[1]
    assert again[1] == 0x80 | 98
    assert again[4:8] == original[4:8]
    assert int.from_bytes(again[8:12], "big") == 12
    assert again.endswith(original[2:4] + KEY + b"body")
    stream.take_feedback(RtcpRtpfbPacket(fmt=1, ssrc=1, media_ssrc=99, lost=[sequence]))
    assert len(tap.sent) == 2
    assert (stream.count.nacked, stream.count.resent) == (2, 1)


def test_the_mid_is_named_until_the_first_report() -> None:
    stream, tap = outgoing()
    stream.send((KEY,), marker=True, timestamp=7)
    report = reception()
    report.note(0, 0.0)
    stream.take_feedback(RtcpRrPacket(ssrc=1, reports=[report.report(1.0)]))
    stream.send((KEY,), marker=True, timestamp=8)
    receiver, _ = receiver_of(section("0"), section("1"))
    for packet in tap.sent:
        receiver.take_rtp(packet)
    assert [packet[0] & 0x10 for packet in tap.sent] == [0x10, 0]
    assert receiver.streams[11].mid == "1"
    assert stream.count.reports == 1


def test_sequence_numbers_begin_low_enough_for_srtp() -> None:
    for _ in range(50):
        stream, tap = outgoing()
        stream.send((KEY,), marker=True, timestamp=0)
        assert int.from_bytes(tap.sent[0][2:4], "big") < 0x8000


def test_a_stream_that_is_not_connected_counts_nothing() -> None:
    stream, tap = outgoing()
    tap.is_up = False
    stream.send((KEY,), marker=True, timestamp=0)
    assert stream.count.packets == 0


def test_injected_loss_is_repeatable_and_as_large_as_asked() -> None:
    first, second = Loss(0.3, 5), Loss(0.3, 5)
    hits = [first.hits() for _ in range(2000)]
    assert hits == [second.hits() for _ in range(2000)]
    assert 500 < sum(hits) < 700
    assert not any(Loss(0, 1).hits() for _ in range(100))
    assert all(Loss(1, 1).hits() for _ in range(100))
    with pytest.raises(ValueError, match="between 0 and 1"):
        Loss(10, 1)
