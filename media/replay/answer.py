"""The answer of a replay peer: taken from the offer, with payload types, extension ids and mids of the offer."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from aiortc import RTCDtlsParameters, RTCIceCandidate, RTCIceParameters
from aiortc.sdp import GroupDescription, MediaDescription, SessionDescription, SsrcDescription

MID_URI: Final = "urn:ietf:params:rtp-hdrext:sdes:mid"
LEVEL_URI: Final = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
SEND_TIME_URI: Final = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
_EXTENSIONS: Final = (MID_URI, LEVEL_URI, SEND_TIME_URI)
_CODEC: Final = {"audio": "audio/opus", "video": "video/vp8"}

Kind = Literal["audio", "video"]


class OfferError(ValueError):
    """The offer cannot be answered with Opus and VP8 over one bundled transport."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One media section of an offer, as this peer uses it."""

    mid: str
    kind: Kind
    is_sent_to_us: bool
    is_wanted_from_us: bool
    payload_type: int
    rtx_payload_type: int | None
    has_nack: bool
    extension_ids: dict[str, int] = field(default_factory=dict)  # uri -> id
    ssrcs: dict[int, int | None] = field(default_factory=dict)  # the offerer's media SSRC -> its RTX SSRC


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A parsed offer."""

    description: SessionDescription
    sections: tuple[Section, ...]
    ice: RTCIceParameters
    candidates: Sequence[RTCIceCandidate]
    dtls: RTCDtlsParameters


@dataclass(frozen=True, slots=True, kw_only=True)
class SentStream:
    """What the answer announces for one section that we send."""

    ssrc: int
    rtx_ssrc: int | None
    cname: str


def read_offer(sdp: str) -> Offer:
    """Parse `sdp`. Raises OfferError when a section has neither Opus nor VP8, or there is no usable transport."""
    try:
        description = SessionDescription.parse(sdp)
    except (AssertionError, ValueError, KeyError, StopIteration) as error:
        raise OfferError(f"This is not an SDP offer: {type(error).__name__}.") from None
    first = description.media[0] if description.media else None
    if first is None or first.dtls is None or first.ice is None or first.ice.usernameFragment is None:
        raise OfferError("The offer has no media section with ICE and DTLS parameters.")
    sections = tuple(_section(media) for media in description.media if media.kind in _CODEC)
    return Offer(
        description=description,
        sections=sections,
        ice=first.ice,
        candidates=first.ice_candidates,
        dtls=first.dtls,
    )


def _section(media: MediaDescription) -> Section:
    wanted = _CODEC[media.kind]
    codec = next((c for c in media.rtp.codecs if c.mimeType.lower() == wanted), None)
    if codec is None or codec.payloadType is None:
        raise OfferError(f"Section {media.rtp.muxId!r} does not offer {wanted}.")
    rtx = (c for c in media.rtp.codecs if c.name.lower() == "rtx" and c.parameters.get("apt") == codec.payloadType)
    repaired = {int(g.items[0]): int(g.items[1]) for g in media.ssrc_group if g.semantic == "FID"}
    resent = set(repaired.values())
    direction = media.direction or "sendrecv"
    return Section(
        mid=media.rtp.muxId,
        kind="audio" if media.kind == "audio" else "video",
        is_sent_to_us=media.port != 0 and direction in ("sendonly", "sendrecv"),
        is_wanted_from_us=media.port != 0 and direction in ("recvonly", "sendrecv"),
        payload_type=codec.payloadType,
        rtx_payload_type=next((c.payloadType for c in rtx), None),
        has_nack=any(f.type == "nack" and not f.parameter for f in codec.rtcpFeedback),
        extension_ids={e.uri: e.id for e in media.rtp.headerExtensions if e.uri in _EXTENSIONS},
        ssrcs={s.ssrc: repaired.get(s.ssrc) for s in media.ssrc if s.ssrc not in resent},
    )


def write_answer(
    offer: Offer,
    *,
    receives: bool,
    sent: dict[str, SentStream],
    ice: RTCIceParameters,
    candidates: Sequence[RTCIceCandidate],
    dtls: RTCDtlsParameters,
) -> str:
    """Return the SDP answer: `sent` by mid is what we send; `receives` says whether we take what is offered."""
    answer = SessionDescription()
    answer.origin, answer.group = "- 1 1 IN IP4 0.0.0.0", []
    answer.msid_semantic = [GroupDescription(semantic="WMS", items=["*"])]
    sections = {section.mid: section for section in offer.sections}
    role = "server" if offer.dtls.role == "client" else "client"
    for media in offer.description.media:
        section = sections.get(media.rtp.muxId)
        line = MediaDescription(kind=media.kind, port=9 if section else 0, profile=media.profile, fmt=media.fmt)
        line.host, line.rtcp_port, line.rtcp_host, line.rtcp_mux = "0.0.0.0", 9, "0.0.0.0", True  # noqa: S104 (RFC 9429: unused)
        line.rtp.muxId = media.rtp.muxId
        line.ice, line.ice_candidates, line.ice_candidates_complete = ice, list(candidates), True
        line.dtls = RTCDtlsParameters(fingerprints=dtls.fingerprints, role=role)
        line.direction = "inactive"
        if section is not None:
            _fill(line, media, section, receives, sent.get(section.mid))
        answer.media.append(line)
    mids: list[int | str] = [media.rtp.muxId for media in answer.media if media.port]
    answer.group = [GroupDescription(semantic="BUNDLE", items=mids)]
    return str(answer)


def _fill(
    line: MediaDescription, offered: MediaDescription, section: Section, receives: bool, stream: SentStream | None
) -> None:
    types = {section.payload_type, section.rtx_payload_type}
    line.rtp.codecs = [codec for codec in offered.rtp.codecs if codec.payloadType in types]
    line.fmt = [codec.payloadType for codec in line.rtp.codecs]
    line.rtp.headerExtensions = [e for e in offered.rtp.headerExtensions if e.uri in _EXTENSIONS]
    takes = receives and section.is_sent_to_us
    line.direction = "sendrecv" if stream and takes else "sendonly" if stream else "recvonly" if takes else "inactive"
    if stream is None:
        return
    line.msid = f"{stream.cname} {stream.cname}-{section.kind}"
    line.ssrc = [SsrcDescription(ssrc=stream.ssrc, cname=stream.cname)]
    if stream.rtx_ssrc is not None:
        line.ssrc.append(SsrcDescription(ssrc=stream.rtx_ssrc, cname=stream.cname))
        line.ssrc_group = [GroupDescription(semantic="FID", items=[stream.ssrc, stream.rtx_ssrc])]
