"""An uplink that makes the offer itself, for engines that only answer (Janus)."""

import asyncio
import secrets
import struct
from typing import Final

from aiortc import RTCRtpCodecParameters, RTCRtpHeaderExtensionParameters
from aiortc.rtcrtpparameters import RTCRtcpFeedback
from aiortc.rtp import RtcpPacket
from aiortc.sdp import GroupDescription, MediaDescription, SessionDescription, SsrcDescription

from media.replay.answer import LEVEL_URI, MID_URI, SEND_TIME_URI, Kind, Section, SentStream, read_offer
from media.replay.clip import Clip
from media.replay.link import Link
from media.replay.outgoing import OutgoingStream, SentCount
from media.replay.playback import CLOCK_HZ, Playback

_AUDIO_TYPE: Final = 111
_VIDEO_TYPE: Final = 97
_RTX_TYPE: Final = 98

_AUDIO_CODECS: Final = [
    RTCRtpCodecParameters(
        mimeType="audio/opus", clockRate=48_000, channels=2, payloadType=_AUDIO_TYPE, parameters={"useinbandfec": "1"}
    )
]
_VIDEO_CODECS: Final = [
    RTCRtpCodecParameters(
        mimeType="video/VP8",
        clockRate=90_000,
        payloadType=_VIDEO_TYPE,
        rtcpFeedback=[
            RTCRtcpFeedback(type="nack"),
            RTCRtcpFeedback(type="nack", parameter="pli"),
            RTCRtcpFeedback(type="goog-remb"),
        ],
    ),
    RTCRtpCodecParameters(
        mimeType="video/rtx", clockRate=90_000, payloadType=_RTX_TYPE, parameters={"apt": _VIDEO_TYPE}
    ),
]
_SECTIONS: Final = (
    Section(
        mid="0",
        kind="audio",
        is_sent_to_us=False,
        is_wanted_from_us=True,
        payload_type=_AUDIO_TYPE,
        rtx_payload_type=None,
        has_nack=False,
        extension_ids={MID_URI: 1, LEVEL_URI: 2},
    ),
    Section(
        mid="1",
        kind="video",
        is_sent_to_us=False,
        is_wanted_from_us=True,
        payload_type=_VIDEO_TYPE,
        rtx_payload_type=_RTX_TYPE,
        has_nack=True,
        extension_ids={MID_URI: 1, SEND_TIME_URI: 3},
    ),
)


class OfferingUplink:
    """Sends a clip with the same pacing, reports and retransmissions as a `ReplayPeer`. Close it."""

    def __init__(self, clip: Clip, *, addresses: list[str], stamps: bool) -> None:
        self._link = Link(
            addresses=addresses, on_rtp=lambda data: None, on_rtcp=self._take_rtcp, on_change=self._state_changed
        )
        self._cname = secrets.token_hex(8)
        self._streams: dict[Kind, OutgoingStream] = {}
        for section in _SECTIONS:
            rtx_ssrc = _new_ssrc() if section.rtx_payload_type is not None else None
            announced = SentStream(ssrc=_new_ssrc(), rtx_ssrc=rtx_ssrc, cname=self._cname)
            self._streams[section.kind] = OutgoingStream(section, announced, CLOCK_HZ[section.kind], self._link)
        self._playback = Playback(clip, self._link, self._streams["audio"], self._streams["video"], stamps=stamps)
        self._playback.audio_is_paused = self._playback.video_is_paused = True
        self._changed = asyncio.Event()

    async def make_offer(self) -> str:
        """Open the sockets and return the offer."""
        ice, candidates, dtls = await self._link.gather()
        offer = SessionDescription()
        offer.origin = "- 1 1 IN IP4 0.0.0.0"
        offer.msid_semantic = [GroupDescription(semantic="WMS", items=["*"])]
        offer.group = [GroupDescription(semantic="BUNDLE", items=[section.mid for section in _SECTIONS])]
        for section in _SECTIONS:
            media = self._section(section)
            media.ice, media.ice_candidates, media.ice_candidates_complete = ice, list(candidates), True
            media.dtls = dtls
            offer.media.append(media)
        return str(offer)

    def _section(self, section: Section) -> MediaDescription:
        codecs = _AUDIO_CODECS if section.kind == "audio" else _VIDEO_CODECS
        media = MediaDescription(
            kind=section.kind, port=9, profile="UDP/TLS/RTP/SAVPF", fmt=[codec.payloadType for codec in codecs]
        )
        media.host, media.rtcp_port, media.rtcp_host, media.rtcp_mux = "0.0.0.0", 9, "0.0.0.0", True  # noqa: S104 (RFC 9429: unused)
        media.direction = "sendonly"
        media.rtp.muxId = section.mid
        media.rtp.codecs = codecs
        media.rtp.headerExtensions = [
            RTCRtpHeaderExtensionParameters(id=number, uri=uri) for uri, number in section.extension_ids.items()
        ]
        sent = self._streams[section.kind].stream
        media.msid = f"{sent.cname} {sent.cname}-{section.kind}"
        media.ssrc = [SsrcDescription(ssrc=sent.ssrc, cname=sent.cname)]
        if sent.rtx_ssrc is not None:
            media.ssrc.append(SsrcDescription(ssrc=sent.rtx_ssrc, cname=sent.cname))
            media.ssrc_group = [GroupDescription(semantic="FID", items=[sent.ssrc, sent.rtx_ssrc])]
        return media

    def take_answer(self, sdp: str) -> None:
        """Begin to connect. Raises OfferError when the answer is not one to our offer."""
        answer = read_offer(sdp)  # the two are read alike
        self._link.connect(answer.ice, answer.candidates, answer.dtls)

    async def connected(self, *, timeout_s: float) -> None:
        """Wait for the connection. Raises TimeoutError, ConnectionError."""
        async with asyncio.timeout(timeout_s):
            while (state := self._link.state) != "connected":
                if state in ("failed", "closed"):
                    raise ConnectionError(f"The uplink is {state}.")
                self._changed.clear()
                await self._changed.wait()

    def pause(self, is_paused: bool) -> None:
        """Send nothing, or send."""
        self._playback.audio_is_paused = self._playback.video_is_paused = is_paused

    @property
    def sent(self) -> dict[Kind, SentCount]:
        return {kind: stream.count for kind, stream in self._streams.items()}

    def _take_rtcp(self, data: bytes) -> None:
        try:
            packets = RtcpPacket.parse(data)
        except (ValueError, IndexError, struct.error):
            return
        for packet in packets:
            for stream in self._streams.values():
                stream.take_feedback(packet)

    def _state_changed(self) -> None:
        if self._link.state == "connected":
            self._playback.start()
        elif self._link.state in ("failed", "closed"):
            self._playback.stop()
        self._changed.set()

    async def aclose(self) -> None:
        """Close the sockets. Safe to call twice."""
        self._playback.stop()
        await self._link.aclose()


def _new_ssrc() -> int:
    return 1 + secrets.randbelow(0xFFFFFFFE)
