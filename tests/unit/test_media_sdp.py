"""Offers that other implementations understand, and answers that are taken or refused for a reason that is told."""

from collections.abc import Callable

import pytest
from aiortc.sdp import SessionDescription
from hypothesis import given
from hypothesis import strategies as st

from media.engine import BadSdpError
from media.ice import MAX_CANDIDATES, AddressSettings, BadAddressSettingError, parse_candidate
from media.plan import Kind
from media.sdp_checks import Answer, ExpectedSection, parse_answer
from media.sfu.codecs import CODECS
from media.sfu.sdp import LocalCandidate, LocalTransport, OfferedSection, write_offer

FINGERPRINT = ":".join(["AB"] * 32)
CANDIDATE = "candidate:1 1 udp 2122260223 192.0.2.7 50000 typ host generation 0 ufrag abcd network-cost 999"
TRANSPORT = LocalTransport(
    session_id=7,
    username_fragment="uuuu",
    password="p" * 22,
    fingerprint=FINGERPRINT,
    candidates=(LocalCandidate(foundation="f", priority=2_130_706_431, host="192.0.2.1", port=40_000),),
)
EXPECTED = tuple(
    ExpectedSection(mid=mid, kind=kind, rtpmap={codec.payload_type: codec.encoding for codec in CODECS[kind]})
    for mid, kind in (("upa", Kind.AUDIO), ("upv", Kind.VIDEO))
)
# What Chromium writes, without what is of no interest to us.
HEAD = ["v=0", "o=- 46 2 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=group:BUNDLE upa upv", "a=msid-semantic: WMS x"]
CARRIER = [
    "c=IN IP4 0.0.0.0", "a=rtcp:9 IN IP4 0.0.0.0", "a=ice-ufrag:abcd", "a=ice-pwd:" + "q" * 24,
    "a=ice-options:trickle", f"a=fingerprint:sha-256 {FINGERPRINT}", "a=setup:active", "a=rtcp-mux",
]  # fmt: skip
AUDIO = ["m=audio 9 UDP/TLS/RTP/SAVPF 111", *CARRIER, "a=mid:upa", "a=sendonly", "a=rtpmap:111 opus/48000/2",
         "a=fmtp:111 minptime=10;useinbandfec=1", "a=ssrc:1111 cname:x", "a=ssrc:1111 msid:x y"]  # fmt: skip
VIDEO = ["m=video 9 UDP/TLS/RTP/SAVPF 96 97", *CARRIER, "a=mid:upv", "a=sendonly", "a=rtpmap:96 VP8/90000",
         "a=rtcp-fb:96 nack", "a=rtcp-fb:96 nack pli", "a=rtpmap:97 rtx/90000", "a=fmtp:97 apt=96",
         "a=ssrc-group:FID 2222 3333", "a=ssrc:2222 cname:x", "a=ssrc:3333 cname:x"]  # fmt: skip


def read(*lines: str) -> Answer:
    return parse_answer("\r\n".join(lines) + "\r\n", EXPECTED)


def without(lines: list[str], start: str) -> list[str]:
    kept = [line for line in lines if not line.startswith(start)]
    assert len(kept) < len(lines), "the test takes something out"
    return kept


def changed(lines: list[str], old: str, new: str) -> list[str]:
    result = [line.replace(old, new) for line in lines]
    assert result != lines, "the test changes something"
    return result


def test_an_offer_is_understood_by_another_implementation() -> None:
    sections = [
        OfferedSection(mid="a00", kind=Kind.AUDIO, ssrc=1, stream="slot0", cname="slot0"),
        OfferedSection(mid="v00", kind=Kind.VIDEO, ssrc=2, rtx_ssrc=3, stream="slot0", cname="slot0"),
    ]
    read_back = SessionDescription.parse(write_offer(TRANSPORT, 4, sections))
    assert [group.items for group in read_back.group] == [["a00", "v00"]]
    audio, video = read_back.media
    assert (audio.kind, audio.direction, video.kind, video.direction) == ("audio", "sendonly", "video", "sendonly")
    assert [(one.ip, one.port) for one in audio.ice_candidates] == [("192.0.2.1", 40_000)]
    assert [one.ssrc for one in video.ssrc] == [2, 3]
    assert [group.items for group in video.ssrc_group] == [[2, 3]]
    assert audio.msid is not None
    assert video.msid is not None
    assert audio.msid.split()[0] == video.msid.split()[0], "one stream: lips and voice are kept together"
    assert [codec.payloadType for codec in video.rtp.codecs] == [96, 97, 98, 99]
    assert {extension.id for extension in video.rtp.headerExtensions} == {1, 3}
    assert video.dtls is not None
    assert video.dtls.role == "auto"


def test_an_answer_says_what_will_be_sent() -> None:
    answer = read(*HEAD, *AUDIO, *VIDEO, f"a={CANDIDATE}")
    audio, video = answer.sections
    assert (audio.ssrc, audio.rtx_ssrc, audio.payload_types) == (1111, None, (111,))
    assert (video.ssrc, video.rtx_ssrc, video.payload_types) == (2222, 3333, (96, 97))
    assert (video.has_nack, audio.has_nack) == (True, False)
    assert (answer.username_fragment, answer.is_active, answer.is_ice_lite) == ("abcd", True, False)
    assert answer.fingerprints == (("sha-256", FINGERPRINT),)
    assert [(one.host, one.port) for one in answer.candidates] == [("192.0.2.7", 50_000)]


def test_a_person_without_a_camera_may_reject_pictures() -> None:
    rejected = ["m=video 0 UDP/TLS/RTP/SAVPF 96", "c=IN IP4 0.0.0.0", "a=inactive", "a=mid:upv"]
    answer = read(*changed(HEAD, " upv", ""), *AUDIO, *rejected)
    assert [section.is_rejected for section in answer.sections] == [False, True]
    assert answer.sections[1].ssrc is None


def test_who_sends_nothing_has_no_stream_whatever_numbers_stand_there() -> None:
    answer = read(*HEAD, *changed(AUDIO, "a=sendonly", "a=inactive"), *VIDEO)
    assert answer.sections[0].ssrc is None
    assert answer.sections[1].ssrc == 2222


REFUSED: dict[str, Callable[[], list[str]]] = {
    "no section": lambda: HEAD,
    "a section too few": lambda: [*HEAD, *AUDIO],
    "a section too many": lambda: [*HEAD, *AUDIO, *VIDEO, *VIDEO],
    "another order": lambda: [*HEAD, *VIDEO, *AUDIO],
    "a mid that is not ours": lambda: [*HEAD, *changed(AUDIO, "mid:upa", "mid:xyz"), *VIDEO],
    "a kind that is not ours": lambda: [*HEAD, *changed(AUDIO, "m=audio", "m=application"), *VIDEO],
    "a payload type nobody offered": lambda: [
        *HEAD, *changed(AUDIO, "SAVPF 111", "SAVPF 111 0"), "a=rtpmap:0 PCMU/8000", *VIDEO],
    "our payload type with another codec": lambda: [*HEAD, *AUDIO, *changed(VIDEO, "VP8/90000", "VP9/90000")],
    "a payload type without its codec": lambda: [*HEAD, *AUDIO, *without(VIDEO, "a=rtpmap:96")],
    "a payload type in other digits": lambda: [*HEAD, *changed(AUDIO, "SAVPF 111", "SAVPF ١١١"), *VIDEO],
    "plain RTP": lambda: [*HEAD, *changed(AUDIO, "UDP/TLS/RTP/SAVPF", "RTP/AVP"), *VIDEO],
    "no rtcp-mux": lambda: [*HEAD, *without(AUDIO, "a=rtcp-mux"), *VIDEO],
    "no fingerprint": lambda: [*HEAD, *without(AUDIO, "a=fingerprint"), *VIDEO],
    "a weak fingerprint": lambda: [*HEAD, *changed(AUDIO, "sha-256", "sha-1"), *VIDEO],
    "no setup": lambda: [*HEAD, *without(AUDIO, "a=setup"), *VIDEO],
    "nobody opens the handshake": lambda: [*HEAD, *changed(AUDIO, "setup:active", "setup:actpass"), *VIDEO],
    "no password": lambda: [*HEAD, *without(AUDIO, "a=ice-pwd"), *VIDEO],
    "a short password": lambda: [*HEAD, *changed(AUDIO, "q" * 24, "q" * 21), *VIDEO],
    "no bundle": lambda: [*without(HEAD, "a=group"), *AUDIO, *VIDEO],
    "half a bundle": lambda: [*changed(HEAD, " upv", ""), *AUDIO, *VIDEO],
    "two directions": lambda: [*HEAD, *AUDIO, "a=recvonly", *VIDEO],
    "simulcast": lambda: [*HEAD, *AUDIO, *VIDEO, "a=ssrc-group:FID 5 6"],
    "streams without a group": lambda: [*HEAD, *AUDIO, "a=ssrc:5 cname:x", *VIDEO],
    "one SSRC twice": lambda: [*HEAD, *changed(AUDIO, "1111", "2222"), *VIDEO],
    "SSRC 0": lambda: [*HEAD, *changed(AUDIO, "1111", "0"), *VIDEO],
    "an SSRC of 33 bits": lambda: [*HEAD, *changed(AUDIO, "1111", "4294967296"), *VIDEO],
    "everything rejected": lambda: [
        *HEAD, *changed(AUDIO, "audio 9", "audio 0"), *changed(VIDEO, "video 9", "video 0")],
    "no SDP at all": lambda: ["hello"],
    "a line that is none": lambda: [*HEAD, *AUDIO, "hello", *VIDEO],
    "a control character": lambda: [*HEAD, *AUDIO, "a=x:\x00", *VIDEO],
    "an endless line": lambda: [*HEAD, *AUDIO, "a=x:" + "y" * 5000, *VIDEO],
    "endless attributes": lambda: [*HEAD, *AUDIO, *["a=x:y"] * 500, *VIDEO],
    "endless text": lambda: [*HEAD, *AUDIO, *VIDEO, *["b=AS:1" * 100] * 400],
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_answer_to_our_offer_is_refused_with_advice(name: str) -> None:
    with pytest.raises(BadSdpError) as refusal:
        read(*REFUSED[name]())
    assert refusal.value.code == "bad_sdp"
    assert str(refusal.value)


LINES = [*HEAD, *AUDIO, *VIDEO, "a=", "m=", "m=audio", "a=ssrc:", "a=ssrc-group:FID", "", "a=mid"]


@given(st.lists(st.sampled_from(LINES), max_size=60), st.text(max_size=40))
def test_any_text_is_read_or_refused(lines: list[str], end: str) -> None:
    for text in ("\r\n".join(["v=0", *lines]) + end, end):
        try:
            parse_answer(text, EXPECTED)
        except BadSdpError:
            continue


def test_so_many_candidates_and_no_more_are_taken() -> None:
    many = [f"a=candidate:{n} 1 udp 1 192.0.2.7 {n} typ host" for n in range(1, 100)]
    assert len(read(*HEAD, *AUDIO, *many, *VIDEO).candidates) == MAX_CANDIDATES


def test_a_candidate_is_read_in_all_its_spellings() -> None:
    for prefix in ("", "a=", " "):
        found = parse_candidate(prefix + CANDIDATE)
        assert found is not None
        assert (found.host, found.port, found.priority, found.type) == ("192.0.2.7", 50_000, 2_122_260_223, "host")
    found = parse_candidate("candidate:1 1 UDP 1 2001:db8::1 9000 typ srflx raddr 10.0.0.1 rport 9")
    assert found is not None
    assert (found.host, found.type) == ("2001:db8::1", "srflx")


@pytest.mark.parametrize(
    "line",
    [
        "",
        "candidate:1 1 tcp 1 192.0.2.7 9 typ host tcptype active",
        "candidate:1 1 udp 1 4c1e.local 50000 typ host",
        "candidate:1 1 udp 1 224.0.0.1 50000 typ host",
        "candidate:1 1 udp 1 0.0.0.0 50000 typ host",
        "candidate:1 1 udp 1 255.255.255.255 50000 typ host",
        "candidate:1 1 udp 1 fe80::1%eth0 50000 typ host",
        "candidate:1 1 udp 1 192.0.2.7 0 typ host",
        "candidate:1 1 udp 1 192.0.2.7 65536 typ host",
        "candidate:1 2 udp 1 192.0.2.7 50000 typ host",
        "candidate:1 1 udp 1 192.0.2.7 50000 typ prflx",
        "candidate:1 1 udp ١ 192.0.2.7 50000 typ host",
        "candidate:1 1 udp 4294967296 192.0.2.7 50000 typ host",
        "candidate:1 1 udp 1 192.0.2.7 50000 typ host " + "x" * 600,
    ],
)
def test_a_candidate_of_no_use_is_none_and_no_error(line: str) -> None:
    assert parse_candidate(line) is None


@given(st.text(max_size=120))
def test_any_text_is_a_candidate_or_none(text: str) -> None:
    parse_candidate(text)
    parse_candidate("candidate:" + text)


@pytest.mark.parametrize(
    ("addresses", "advertise", "port_range"),
    [(("court.example",), None, None), ((), "nowhere", None), ((), None, (50_000, 40_000)), ((), None, (80, 90))],
)
def test_settings_that_cannot_work_are_refused_at_once(
    addresses: tuple[str, ...], advertise: str | None, port_range: tuple[int, int] | None
) -> None:
    with pytest.raises(BadAddressSettingError):
        AddressSettings(addresses=addresses, advertise=advertise, port_range=port_range)
    AddressSettings(addresses=("127.0.0.1", "::1"), advertise="203.0.113.7", port_range=(40_000, 50_000))
