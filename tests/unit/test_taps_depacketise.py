"""RTP to frames: order, loss, size, and whatever a hostile source may send."""

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.plan import Kind
from media.sfu import codecs as relay
from media.taps import h264, vp8, wire
from media.taps.depacketise import Depacketiser, Frame, Loss
from media.taps.ordering import Missing, ReorderBuffer, nearest
from media.taps.stream_intake import NewStream, StreamIntake
from media.taps.wire import Codec, RtpPacket
from tests.fakes.tapped_seat import FPS, H264_PT, OPUS_PT, VP8_PT, RtpStream, audio_payloads, h264_frames, vp8_frames

START_S = 1_800_000_000.0


def _packets(stream: RtpStream, frames: tuple[tuple[tuple[bytes, ...], bool], ...]) -> list[RtpPacket]:
    datagrams = [d for n, (payloads, _) in enumerate(frames) for d in stream.packets(payloads, START_S + n / FPS)]
    packets = [wire.parse_rtp(datagram) for datagram in datagrams]
    assert None not in packets
    return [packet for packet in packets if packet is not None]


def _vp8(count: int = 30, seed: int = 1, **options: int) -> list[RtpPacket]:
    return _packets(RtpStream(VP8_PT, 90_000, seed), vp8_frames(count, **options))


def _feed(depacketiser: Depacketiser, packets: list[RtpPacket], step_s: float = 0.001) -> list[Frame | Loss]:
    out: list[Frame | Loss] = []
    for number, packet in enumerate(packets):
        out += depacketiser.push(packet, number * step_s)
    return out + depacketiser.poll(len(packets) * step_s + 1.0)


def test_payload_types_are_those_the_relay_offers() -> None:
    assert wire.PAYLOAD_CODECS == {relay.OPUS: Codec.OPUS, relay.VP8: Codec.VP8, relay.H264: Codec.H264}


def test_vp8_frames_come_out_as_they_went_in() -> None:
    frames = _feed(Depacketiser(Codec.VP8), _vp8())
    assert all(isinstance(frame, Frame) for frame in frames)
    assert [f.is_key for f in frames if isinstance(f, Frame)] == [is_key for _, is_key in vp8_frames(30)]
    assert [f.data for f in frames if isinstance(f, Frame)] == [
        b"".join(payload[4:] for payload in payloads) for payloads, _ in vp8_frames(30)
    ]
    keys = [f for f in frames if isinstance(f, Frame) and f.is_key]
    assert {key.size for key in keys} == {(160, 120)}


def test_ticks_and_sequence_numbers_go_on_when_they_wrap() -> None:
    stream = RtpStream(VP8_PT, 90_000, 3, sequence=65_530)
    stream.first_timestamp = (-stream.timestamp(START_S) + stream.first_timestamp - 90_000) % 2**32
    frames = [f for f in _feed(Depacketiser(Codec.VP8), _packets(stream, vp8_frames(30))) if isinstance(f, Frame)]
    assert len(frames) == 30
    assert {later.ticks - earlier.ticks for earlier, later in itertools.pairwise(frames)} == {9000}
    assert frames[-1].ticks > 2**32


def test_reordered_packets_within_the_wait_lose_nothing() -> None:
    packets = _vp8(40, width=320, height=240)
    chance = random.Random(1)
    shuffled = [p for _, p in sorted((n + chance.uniform(0, 5), p) for n, p in enumerate(packets))]
    assert shuffled != packets
    assert _feed(Depacketiser(Codec.VP8), shuffled) == _feed(Depacketiser(Codec.VP8), packets)


def test_duplicates_and_late_packets_are_dropped_and_counted() -> None:
    packets = _vp8()
    depacketiser = Depacketiser(Codec.VP8)
    doubled = [packet for packet in packets for _ in range(2)]
    assert _feed(depacketiser, doubled) == _feed(Depacketiser(Codec.VP8), packets)
    assert depacketiser.dropped == len(packets)


def test_a_missing_packet_is_given_up_after_100_ms_and_not_before() -> None:
    packets = _vp8(6)
    depacketiser = Depacketiser(Codec.VP8)
    assert depacketiser.push(packets[0], 0.0)
    assert not depacketiser.push(packets[2], 1.0)
    assert depacketiser.is_waiting
    assert not depacketiser.poll(1.09)
    assert depacketiser.poll(1.1) == [Loss(1)]
    assert not depacketiser.is_waiting


def test_video_is_held_back_from_a_loss_to_the_next_key_frame() -> None:
    packets = _vp8(45)  # key frames at 0, 20 and 40
    out = _feed(Depacketiser(Codec.VP8), packets[:7] + packets[8:], step_s=0.1)
    at = out.index(Loss(1))
    after = [part for part in out[at + 1 :] if isinstance(part, Frame)]
    assert after[0].is_key
    lost = 45 - sum(isinstance(part, Frame) for part in out)
    assert 10 <= lost <= 14
    assert not any(isinstance(part, Loss) for part in out[at + 1 :])


@pytest.mark.parametrize("seed", range(5))
def test_two_percent_loss_never_lets_a_damaged_frame_through(seed: int) -> None:
    packets = _vp8(200, width=320, height=240)
    whole = {f.data for f in _feed(Depacketiser(Codec.VP8), packets) if isinstance(f, Frame)}
    chance = random.Random(seed)
    kept = [packet for packet in packets if chance.random() > 0.02]
    out = _feed(Depacketiser(Codec.VP8), kept, step_s=0.02)
    needs_key = True
    for part in out:
        if isinstance(part, Loss):
            needs_key = True
        else:
            assert part.data in whole
            assert part.is_key or not needs_key
            needs_key = False
    assert any(isinstance(part, Loss) for part in out)


def test_every_opus_packet_is_a_frame_and_loss_holds_nothing_back() -> None:
    stream = RtpStream(OPUS_PT, 48_000, 4)
    datagrams = [stream.packets([p], START_S + n * 0.02)[0] for n, p in enumerate(audio_payloads(1.0))]
    packets = [packet for packet in map(wire.parse_rtp, datagrams) if packet]
    out = _feed(Depacketiser(Codec.OPUS), packets[:10] + packets[12:], step_s=0.02)
    assert out.count(Loss(2)) == 1
    assert sum(isinstance(part, Frame) for part in out) == len(packets) - 2


def test_h264_access_units_are_rebuilt_from_stap_a_and_fu_a() -> None:
    frames = h264_frames(30, width=320, height=240)
    assert any(len(payloads) > 2 for payloads, _ in frames)
    out = _feed(Depacketiser(Codec.H264), _packets(RtpStream(H264_PT, 90_000, 5), frames))
    assert [part.is_key for part in out if isinstance(part, Frame)] == [is_key for _, is_key in frames]
    keys = [part for part in out if isinstance(part, Frame) and part.is_key]
    assert {key.size for key in keys} == {(320, 240)}
    assert all(h264.START_CODE + b"\x67" in key.data[:8] for key in keys)


def test_h264_size_is_cropped_to_what_is_shown() -> None:
    out = _feed(Depacketiser(Codec.H264), _packets(RtpStream(H264_PT, 90_000, 5), h264_frames(3, 322, 182)))
    assert isinstance(out[0], Frame)
    assert out[0].size == (322, 182)


def test_h264_without_its_parameter_sets_does_not_begin() -> None:
    frames = tuple((tuple(p for p in payloads if p[0] & 0x1F != 24), key) for payloads, key in h264_frames(10))
    out = _feed(Depacketiser(Codec.H264), _packets(RtpStream(H264_PT, 90_000, 6), frames))
    assert not any(isinstance(part, Frame) for part in out)


def test_a_source_that_begins_again_is_followed_after_two_packets() -> None:
    order = ReorderBuffer(0.1)
    first = RtpPacket(1, 111, 100, 0, False, b"a")
    again = [RtpPacket(1, 111, 40_000 + n, 0, False, b"b") for n in range(3)]
    assert order.push(first, 0.0) == [first]
    assert order.push(again[0], 0.1) == []
    assert order.push(again[1], 0.2) == [Missing(None), again[1]]
    assert order.push(again[2], 0.3) == [again[2]]


def test_one_stray_sequence_number_changes_nothing() -> None:
    order = ReorderBuffer(0.1)
    packets = [RtpPacket(1, 111, n, 0, False, b"a") for n in range(5)]
    stray = RtpPacket(1, 111, 40_000, 0, False, b"x")
    out = [item for p in [*packets[:2], stray, *packets[2:]] for item in order.push(p, 0.0)]
    assert out == packets


@given(st.integers(0, 2**16 - 1), st.integers(-(2**40), 2**40))
def test_nearest_is_congruent_and_close(value: int, reference: int) -> None:
    found = nearest(value, 16, reference)
    assert found % 2**16 == value
    assert -(2**15) <= found - reference < 2**15


@given(st.binary(max_size=1600))
def test_random_datagrams_never_raise(datagram: bytes) -> None:
    wire.parse_sender_reports(datagram)
    for kind in Kind:
        intake = StreamIntake(kind)
        for _ in range(2):
            for part in intake.push(datagram, 1.0):
                assert isinstance(part, Frame | Loss | NewStream)
        intake.poll(2.0)


@given(
    st.sampled_from([Codec.VP8, Codec.H264]), st.lists(st.tuples(st.binary(max_size=60), st.booleans()), max_size=12)
)
def test_random_payloads_in_good_packets_never_raise(codec: Codec, payloads: list[tuple[bytes, bool]]) -> None:
    depacketiser = Depacketiser(codec)
    for number, (payload, marker) in enumerate(payloads):
        depacketiser.push(RtpPacket(1, 96, number, number // 3, marker, payload), number * 0.01)
    depacketiser.poll(10.0)


@pytest.mark.parametrize("cut", [0, 1, 11])
def test_truncated_headers_are_refused(cut: int) -> None:
    assert wire.parse_rtp(RtpStream(OPUS_PT, 48_000, 1).packets([b"abc"], START_S)[0][:cut]) is None


def test_padding_extension_and_csrc_are_left_out_of_the_payload() -> None:
    plain = RtpStream(OPUS_PT, 48_000, 1).packets([b"payload"], START_S)[0]
    dressed = bytes((0x80 | 0x20 | 0x10 | 1,)) + plain[1:12] + b"CSRC" + b"\xbe\xde\x00\x01\x10\xaa\x00\x00"
    packet = wire.parse_rtp(dressed + b"payload" + b"\x00\x00\x03")
    assert packet is not None
    assert packet.payload == b"payload"
    assert wire.parse_rtp(dressed + b"\x00\xff") is None  # more padding than there is packet
    assert wire.parse_rtp(dressed[:14]) is None


@pytest.mark.parametrize(
    ("payload", "temporal_id", "begins"),
    [
        (b"\x10DATA", 0, True),
        (b"\x00DATA", 0, False),
        (b"\x11DATA", 0, False),  # begins a partition, but not the frame's first
        (b"\x90\x80\x05DATA", 0, True),
        (b"\x90\x80\x85\x05DATA", 0, True),
        (b"\x90\xe0\x85\x05\x01\x80DATA", 2, True),
    ],
)
def test_vp8_descriptors_are_stripped(payload: bytes, temporal_id: int, begins: bool) -> None:
    parsed = vp8.parse_payload(payload)
    assert parsed == vp8.Vp8Payload(begins, temporal_id, b"DATA")


def test_another_ssrc_takes_over_only_with_two_packets() -> None:
    intake = StreamIntake(Kind.AUDIO)
    mine, other = RtpStream(OPUS_PT, 48_000, 1), RtpStream(OPUS_PT, 48_000, 2)
    payload = audio_payloads(0.1)[0]
    assert isinstance(intake.push(mine.packets([payload], START_S)[0], START_S)[0], NewStream)
    assert intake.push(other.packets([payload], START_S)[0], START_S) == []
    assert len(intake.push(mine.packets([payload], START_S + 0.02)[0], START_S)) == 1
    assert intake.ssrc == mine.ssrc
    taken = intake.push(other.packets([payload], START_S + 0.04)[0], START_S)
    assert intake.ssrc == other.ssrc
    assert [type(part) for part in taken] == [NewStream, Frame, Frame]  # neither of the two is lost


def test_a_payload_type_of_the_other_kind_is_refused() -> None:
    intake = StreamIntake(Kind.VIDEO)
    assert intake.push(RtpStream(OPUS_PT, 48_000, 1).packets([b"x"], START_S)[0], START_S) == []
    assert intake.refused == 1
