"""Offers of publishers: what is taken, what is refused and why, and how packets are renamed as they come in."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.engine import BadSdpError
from media.plan import Kind
from media.sdp_lines import MAX_SDP_BYTES
from media.sfu.ingest import Renaming
from media.sfu.ingest_sdp import read_ingest_offer, write_ingest_answer
from media.sfu.rtp import layout
from media.sfu.sdp import LocalCandidate, LocalTransport

FINGERPRINT = ":".join(["AB"] * 32)
# As FFmpeg 9 writes it, but for the numbers.
OFFER = f"""v=0
o=FFmpeg 4489045141692799359 2 IN IP4 127.0.0.1
s=FFmpegPublishSession
t=0 0
a=group:BUNDLE 0 1
a=extmap-allow-mixed
a=msid-semantic: WMS
m=audio 9 UDP/TLS/RTP/SAVPF 109
c=IN IP4 0.0.0.0
a=ice-ufrag:111fe474
a=ice-pwd:779414832d4550be439ff66882fcce21
a=fingerprint:sha-256 {FINGERPRINT}
a=setup:actpass
a=mid:0
a=extmap:5 urn:ietf:params:rtp-hdrext:ssrc-audio-level
a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid
a=sendonly
a=rtcp-mux
a=rtpmap:109 opus/48000/2
a=ssrc:101 cname:x
m=video 9 UDP/TLS/RTP/SAVPF 106 105
c=IN IP4 0.0.0.0
a=mid:1
a=sendonly
a=rtcp-mux
a=rtcp-rsize
a=rtpmap:106 H264/90000
a=fmtp:106 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42000c
a=rtcp-fb:106 nack
a=rtpmap:105 rtx/90000
a=fmtp:105 apt=106
a=ssrc-group:FID 102 103
a=ssrc:102 cname:x
a=candidate:1 1 udp 2130706431 192.0.2.7 40000 typ host
"""
LOCAL = LocalTransport(
    session_id=7,
    username_fragment="abcd",
    password="p" * 22,
    fingerprint=FINGERPRINT,
    candidates=(LocalCandidate(foundation="1", priority=9, host="192.0.2.1", port=5000),),
)


def test_an_offer_is_read_and_answered_in_its_own_numbers() -> None:
    offer = read_ingest_offer(OFFER)
    audio, video = offer.sections
    assert (audio.kind, audio.ssrc, audio.rtx_ssrc, dict(audio.payload_types)) == (Kind.AUDIO, 101, None, {109: 111})
    assert dict(audio.extensions) == {5: 2}
    assert (video.kind, video.ssrc, video.rtx_ssrc) == (Kind.VIDEO, 102, 103)
    assert dict(video.payload_types) == {106: 98, 105: 99}
    assert [one.payload_types for one in offer.transport.sections] == [(111,), (98, 99)]
    assert [one.host for one in offer.transport.candidates] == ["192.0.2.7"]
    lines = write_ingest_answer(LOCAL, offer).split("\r\n")
    assert [line for line in lines if line.startswith("m=")] == [
        "m=audio 5000 UDP/TLS/RTP/SAVPF 109",
        "m=video 9 UDP/TLS/RTP/SAVPF 106 105",
    ]
    for line in ("a=group:BUNDLE 0 1", "a=mid:0", "a=mid:1", "a=extmap:5 urn:ietf:params:rtp-hdrext:ssrc-audio-level",
                 "a=rtpmap:106 H264/90000", "a=fmtp:105 apt=106", "a=rtcp-fb:106 nack"):  # fmt: skip
        assert line in lines
    assert lines.count("a=recvonly") == 2
    assert lines.count("a=setup:passive") == 2
    assert "a=rtcp-fb:106 nack pli" not in lines, "an answer names no feedback that was not offered (RFC 4585, 4.2)"


@pytest.mark.parametrize(
    ("offered", "answered"), [("actpass", "passive"), ("active", "passive"), ("passive", "active")]
)
def test_the_dtls_role_left_over_is_ours(offered: str, answered: str) -> None:
    offer = read_ingest_offer(OFFER.replace("setup:actpass", f"setup:{offered}"))
    assert f"a=setup:{answered}" in write_ingest_answer(LOCAL, offer)
    assert offer.transport.is_active is (answered == "passive")


def test_vp8_is_taken_and_the_first_codec_that_can_be_carried() -> None:
    text = OFFER.replace("SAVPF 106 105", "SAVPF 106 100 105").replace("packetization-mode=1", "packetization-mode=0")
    offer = read_ingest_offer(text + "a=rtpmap:100 VP8/90000\n")
    assert dict(offer.sections[1].payload_types) == {100: 96}
    assert offer.sections[1].rtx_ssrc is None, "the RTX belongs to a codec that was not chosen"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("v=0\n", ""),
        ("v=0\n", "v=0\n" + "a=x:" + "y" * 3000 + "\n"),
        ("v=0\n", "v=0\n" + "a=x:y\n" * 300),
        ("v=0\n", "v=0\n" + "b=AS:1\n" * (MAX_SDP_BYTES // 7)),
        ("s=FFmpeg", "nonsense\ns=FFmpeg"),
        ("m=audio 9", "m=application 9"),
        ("m=audio 9", "m=audio 0"),
        ("m=audio 9", "m=video 9"),
        ("m=video 9", "m=audio 9"),
        ("UDP/TLS/RTP/SAVPF 109", "RTP/AVP 109"),
        ("a=rtcp-mux\n", ""),
        ("BUNDLE 0 1", "BUNDLE 0"),
        ("a=group:BUNDLE 0 1\n", ""),
        ("a=mid:1", "a=mid:0"),
        ("a=mid:0\n", ""),
        ("a=mid:0", "a=mid:a b"),
        ("a=setup:actpass\n", ""),
        ("a=setup:actpass", "a=setup:holdconn"),
        ("a=ice-ufrag:111fe474\n", ""),
        ("a=ice-pwd:779414832d4550be439ff66882fcce21", "a=ice-pwd:short"),
        ("sha-256 AB", "md5 AB"),
        ("a=sendonly", "a=recvonly"),
        ("a=sendonly", "a=sendonly\na=inactive"),
        ("a=sendonly", "a=sendonly\na=simulcast:send h;l"),
        ("opus/48000/2", "PCMU/8000"),
        ("H264/90000", "H265/90000"),
        ("packetization-mode=1", "packetization-mode=0"),
        ("profile-level-id=42000c", "profile-level-id=640028"),
        (";profile-level-id=42000c", ""),
        ("SAVPF 109", "SAVPF 72"),
        ("SAVPF 109", "SAVPF x"),
        ("SAVPF 109", "SAVPF " + " ".join(["109"] * 101)),
        ("a=ssrc:101 cname:x\n", ""),
        ("a=ssrc:101", "a=ssrc:102"),
        ("a=ssrc:101", "a=ssrc:4294967296"),
        ("FID 102 103", "FID 102 103 104"),
    ],
)
def test_hostile_offers_are_refused(old: str, new: str) -> None:
    assert old in OFFER
    with pytest.raises(BadSdpError):
        read_ingest_offer(OFFER.replace(old, new))
    read_ingest_offer(OFFER)  # control


@given(st.text(), st.integers(0, len(OFFER)), st.integers(0, 80))
def test_any_text_is_an_offer_or_is_refused(text: str, at: int, cut: int) -> None:
    for candidate in (text, OFFER[:at] + text + OFFER[at + cut :]):
        with contextlib.suppress(BadSdpError):
            read_ingest_offer(candidate)


def packet(payload_type: int, extension: bytes = b"", profile: int = 0xBEDE, marker: int = 0) -> bytes:
    first = 0x90 if extension else 0x80
    head = bytes((first, marker << 7 | payload_type)) + bytes(10)
    words = profile.to_bytes(2, "big") + (len(extension) // 4).to_bytes(2, "big")
    return head + (words + extension if extension else b"") + b"payload"


RENAMING = Renaming({109: 111}, {5: 2})


def test_payload_types_are_renamed_and_others_refused() -> None:
    assert RENAMING.apply(packet(109, marker=1)) == packet(111, marker=1)
    assert RENAMING.apply(packet(111)) is None


def test_extensions_are_renamed_or_blanked() -> None:
    # mid "0" as number 4, loudness as number 5, padding; ours are 1 and 2.
    theirs = bytes((0x40, ord("0"), 0x50, 0x7F, 0x20, 0x01, 0, 0))
    renamed = RENAMING.apply(packet(109, theirs))
    assert renamed == packet(111, bytes((0, 0, 0x20, 0x7F, 0, 0, 0, 0)))
    assert layout(renamed).is_clean
    assert layout(renamed).mid_at == 0


def test_two_byte_extensions_are_taken_out() -> None:
    assert RENAMING.apply(packet(109, bytes((5, 1, 0x7F, 0)), profile=0x1000)) == packet(111)


@given(st.binary(min_size=0, max_size=10).map(lambda some: some * 4), st.sampled_from([0xBEDE, 0x1000]))
def test_no_extension_of_a_publisher_says_more_than_loudness(extension: bytes, profile: int) -> None:
    renamed = RENAMING.apply(packet(109, extension, profile))
    assert renamed is not None
    found = layout(renamed)
    assert (found.mid_at, found.abs_send_time_at, found.is_clean) == (0, 0, True)
    assert renamed[found.payload_at :] == b"payload"
