"""The answer follows the offer: payload types, extension ids, mids, directions."""

import pytest
from aiortc import RTCDtlsFingerprint, RTCDtlsParameters, RTCIceCandidate, RTCIceParameters
from aiortc.sdp import SessionDescription

from media.replay.answer import LEVEL_URI, MID_URI, SEND_TIME_URI, OfferError, SentStream, read_offer, write_answer

AUDIO = """m=audio 9 UDP/TLS/RTP/SAVPF 111 0
a=mid:x0
a={direction}
a=rtcp-mux
a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid
a=extmap:7 urn:ietf:params:rtp-hdrext:ssrc-audio-level
a=rtpmap:111 opus/48000/2
a=rtcp-fb:111 nack
a=fmtp:111 minptime=10;useinbandfec=1
a=rtpmap:0 PCMU/8000
"""
VIDEO = """m=video 9 UDP/TLS/RTP/SAVPF 99 100 120 121
a=mid:x1
a={direction}
a=rtcp-mux
a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid
a=extmap:9 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time
a=extmap:10 urn:3gpp:video-orientation
a=rtpmap:99 H264/90000
a=rtpmap:100 rtx/90000
a=fmtp:100 apt=99
a=rtpmap:120 VP8/90000
a=rtcp-fb:120 nack
a=rtcp-fb:120 nack pli
a=rtpmap:121 rtx/90000
a=fmtp:121 apt=120
a=ssrc-group:FID 500 501
a=ssrc:500 cname:c
a=ssrc:501 cname:c
"""
HEAD = """v=0
o=- 1 1 IN IP4 0.0.0.0
s=-
t=0 0
a=group:BUNDLE x0 x1
a=ice-ufrag:abcd
a=ice-pwd:aaaaaaaaaaaaaaaaaaaaaaaa
a=fingerprint:sha-256 AA:BB
a=setup:{setup}
"""
ICE = RTCIceParameters(usernameFragment="mine", password="b" * 24)
DTLS = RTCDtlsParameters(fingerprints=[RTCDtlsFingerprint("sha-256", "CC:DD")])
CANDIDATE = RTCIceCandidate(1, "f", "127.0.0.1", 5000, 100, "udp", "host")


def offer(direction: str, setup: str = "actpass") -> str:
    return (HEAD + AUDIO + VIDEO).format(direction=direction, setup=setup).replace("\n", "\r\n")


def answer(sdp: str, *, receives: bool, sent: dict[str, SentStream] | None = None) -> SessionDescription:
    text = write_answer(read_offer(sdp), receives=receives, sent=sent or {}, ice=ICE, candidates=[CANDIDATE], dtls=DTLS)
    return SessionDescription.parse(text)


def test_the_offer_is_read_as_it_stands() -> None:
    audio, video = read_offer(offer("sendonly")).sections
    assert (audio.mid, audio.payload_type, audio.rtx_payload_type, audio.has_nack) == ("x0", 111, None, True)
    assert audio.extension_ids == {MID_URI: 4, LEVEL_URI: 7}
    assert (video.mid, video.payload_type, video.rtx_payload_type, video.has_nack) == ("x1", 120, 121, True)
    assert video.extension_ids == {MID_URI: 4, SEND_TIME_URI: 9}
    assert video.ssrcs == {500: 501}
    assert (video.is_sent_to_us, video.is_wanted_from_us) == (True, False)


def test_an_uplink_answer_announces_what_is_sent() -> None:
    sent = {"x0": SentStream(ssrc=1, rtx_ssrc=None, cname="me"), "x1": SentStream(ssrc=2, rtx_ssrc=3, cname="me")}
    audio, video = answer(offer("recvonly"), receives=False, sent=sent).media
    assert [audio.direction, video.direction] == ["sendonly", "sendonly"]
    assert (audio.fmt, video.fmt) == ([111], [120, 121])
    assert [line.ssrc for line in audio.ssrc] == [1]
    assert [(group.semantic, group.items) for group in video.ssrc_group] == [("FID", [2, 3])]
    assert {extension.id for extension in video.rtp.headerExtensions} == {4, 9}
    assert [feedback.parameter for feedback in video.rtp.codecs[0].rtcpFeedback] == [None, "pli"]
    assert [candidate.port for candidate in video.ice_candidates] == [5000]
    assert video.ice is not None
    assert video.ice.usernameFragment == "mine"


@pytest.mark.parametrize(
    ("offered", "receives", "expected"),
    [
        ("sendonly", True, "recvonly"),
        ("sendrecv", True, "recvonly"),
        ("sendonly", False, "inactive"),
        ("recvonly", False, "inactive"),
        ("inactive", True, "inactive"),
    ],
)
def test_directions_without_own_media(offered: str, receives: bool, expected: str) -> None:
    assert {media.direction for media in answer(offer(offered), receives=receives).media} == {expected}


@pytest.mark.parametrize(("offered", "expected"), [("actpass", "client"), ("passive", "client"), ("active", "server")])
def test_the_dtls_role_is_the_other_one(offered: str, expected: str) -> None:
    media = answer(offer("sendonly", offered), receives=True).media[0]
    assert media.dtls is not None
    assert media.dtls.role == expected


@pytest.mark.parametrize(
    "sdp",
    [
        "",
        "hello",
        "v=0\r\nm=audio x y z\r\n",
        offer("sendonly").replace("VP8", "VP9"),
        offer("sendonly").replace("a=ice-ufrag:abcd\r\n", ""),
        offer("sendonly").replace("a=setup:actpass\r\n", ""),
        offer("sendonly").replace("a=setup:actpass", "a=setup:never"),
        offer("sendonly").replace("UDP/TLS/RTP/SAVPF 111 0", "UDP/TLS/RTP/SAVPF 111 900"),
    ],
)
def test_what_cannot_be_answered_is_an_offer_error(sdp: str) -> None:
    with pytest.raises(OfferError):
        read_offer(sdp)
