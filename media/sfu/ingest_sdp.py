"""Reads the offer of a WHIP publisher (RFC 9725) and writes the relay's answer, or refuses. Pure.

A publisher chooses payload types, mids and extension ids itself. The relay renames them as packets come in, so that
everybody else sees one set of numbers (`media.sfu.codecs`).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from media.engine import BadSdpError
from media.plan import Kind
from media.sdp_checks import Answer, AnsweredSection
from media.sdp_lines import (
    SdpSection,
    check_bundle,
    check_ssrcs,
    read_candidates,
    read_credentials,
    read_direction,
    read_fingerprints,
    read_fmtp,
    read_payload_types,
    read_rtpmap,
    read_ssrcs,
    split_sections,
)
from media.sfu.codecs import AUDIO_LEVEL_ID, CODECS, H264, OPUS, RTX_OF, VP8
from media.sfu.sdp import LocalTransport, write_transport

MAX_PAYLOAD_TYPES = 100
_MID = re.compile(r"[!#-'*+\-./0-9A-Z^-~]{1,32}")  # a token, RFC 8866
_LEVEL_URI = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
_EXTMAP = re.compile(r"(1[0-4]|[1-9])(?:/sendonly|/sendrecv)? (\S{1,200})(?: .*)?")
_BASELINE = re.compile(r"42[0-9a-f]{4}", re.IGNORECASE)
_APT = re.compile(r"apt=([0-9]{1,3})(?:;.*)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestSection:
    """One section that the relay will receive in. The publisher's numbers -> ours."""

    mid: str
    kind: Kind
    ssrc: int
    rtx_ssrc: int | None
    payload_types: Mapping[int, int]  # the first is the codec, a second one its RTX
    extensions: Mapping[int, int]
    feedback: tuple[str, ...]  # of ours, what the publisher has offered to take


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestOffer:
    transport: Answer  # how to connect to the publisher; the relay treats it as it treats an answer
    sections: tuple[IngestSection, ...]


def read_ingest_offer(sdp: str) -> IngestOffer:
    """Return what a publisher offers to send: at most one sound (Opus) and one picture (VP8, or H264 baseline).

    Raises BadSdpError, whose text says what is wrong with which section.
    """
    head, found = split_sections(sdp)
    if not 1 <= len(found) <= 2:
        raise BadSdpError(f"the offer has {len(found)} media sections; offer one audio, one video, or both")
    sections = tuple(_read_section(section) for section in found)
    if len({section.kind for section in sections}) != len(sections):
        raise BadSdpError("the offer has two sections of one kind; offer one audio and one video section at most")
    if len({section.mid for section in sections}) != len(sections):
        raise BadSdpError("two sections of the offer have the same a=mid")
    check_bundle(head, {section.mid for section in sections})
    check_ssrcs([number for section in sections for number in (section.ssrc, section.rtx_ssrc)])
    return IngestOffer(transport=_read_transport(head, found, sections), sections=sections)


def _read_transport(head: SdpSection, found: Sequence[SdpSection], sections: Sequence[IngestSection]) -> Answer:
    carrier = found[0]
    setup = carrier.first("setup") or head.first("setup")
    if setup not in ("actpass", "active", "passive"):
        raise BadSdpError("the offer needs a=setup:actpass")
    username_fragment, password = read_credentials(carrier, head)
    return Answer(
        username_fragment=username_fragment,
        password=password,
        is_ice_lite=head.first("ice-lite") is not None,
        is_active=setup != "passive",
        fingerprints=read_fingerprints(carrier.all("fingerprint") or head.all("fingerprint")),
        candidates=read_candidates(found),
        sections=tuple(
            AnsweredSection(
                mid=section.mid,
                kind=section.kind,
                is_rejected=False,
                direction="sendonly",
                payload_types=tuple(section.payload_types.values()),
                has_nack="nack" in section.feedback,
                ssrc=section.ssrc,
                rtx_ssrc=section.rtx_ssrc,
            )
            for section in sections
        ),
    )


def _read_section(section: SdpSection) -> IngestSection:
    fields = section.media.split()
    if len(fields) < 4 or fields[0] not in (Kind.AUDIO, Kind.VIDEO) or not fields[1].isdigit() or fields[1] == "0":
        raise BadSdpError("a section of the offer is neither audio nor video that can be sent")
    kind, mid = Kind(fields[0]), section.first("mid")
    if mid is None or not _MID.fullmatch(mid):
        raise BadSdpError(f"the {kind} section needs a valid a=mid")
    if fields[2] != "UDP/TLS/RTP/SAVPF" or section.first("rtcp-mux") is None:
        raise BadSdpError(f"section {mid}: only UDP/TLS/RTP/SAVPF with a=rtcp-mux is carried")
    if read_direction(section, mid) not in ("sendonly", "sendrecv"):
        raise BadSdpError(f"section {mid}: a publisher has to send; offer a=sendonly")
    if section.first("simulcast") is not None:
        raise BadSdpError(f"section {mid}: simulcast is not carried")
    ssrc, rtx_ssrc = read_ssrcs(section, mid)
    if ssrc is None:
        raise BadSdpError(f"section {mid}: say with a=ssrc what will be sent")
    payload_types = _payload_types(section, kind, mid, fields[3:])
    if len(payload_types) < 2:
        rtx_ssrc = None
    media_type, ours = next(iter(payload_types.items()))
    return IngestSection(
        mid=mid,
        kind=kind,
        ssrc=ssrc,
        rtx_ssrc=rtx_ssrc,
        payload_types=payload_types,
        extensions=_extensions(section, kind),
        feedback=_feedback(section, media_type, ours),
    )


def _payload_types(section: SdpSection, kind: Kind, mid: str, listed: Sequence[str]) -> dict[int, int]:
    """Choose the first codec that can be carried, and its RTX."""
    if len(listed) > MAX_PAYLOAD_TYPES:
        raise BadSdpError(f"section {mid}: more than {MAX_PAYLOAD_TYPES} payload types")
    offered = read_payload_types(listed, mid)
    encodings, parameters = read_rtpmap(section), read_fmtp(section)
    for media_type in offered:
        if media_type > 127 or 64 <= media_type <= 95:  # RFC 5761, section 4
            raise BadSdpError(f"section {mid}: payload type {media_type} cannot be used with a=rtcp-mux")
    for media_type in offered:
        ours = _codec(kind, encodings.get(media_type, ""), parameters.get(media_type, ""))
        if ours is None:
            continue
        chosen = {media_type: ours}
        for rtx_type in offered:
            apt = _APT.fullmatch(parameters.get(rtx_type, ""))
            is_rtx = encodings.get(rtx_type, "").lower() == "rtx/90000" and apt and int(apt[1]) == media_type
            if kind is Kind.VIDEO and is_rtx and len(chosen) == 1:
                chosen[rtx_type] = RTX_OF[ours]
        return chosen
    wanted = "Opus" if kind is Kind.AUDIO else "VP8, or H264 baseline with packetization-mode=1"
    raise BadSdpError(f"section {mid}: no codec can be carried; offer {wanted}")


def _codec(kind: Kind, encoding: str, parameters: str) -> int | None:
    name = encoding.lower()
    if kind is Kind.AUDIO:
        return OPUS if name == "opus/48000/2" else None
    if name == "vp8/90000":
        return VP8
    said = dict(part.strip().partition("=")[::2] for part in parameters.split(";"))
    is_baseline = _BASELINE.fullmatch(said.get("profile-level-id", "")) is not None
    return H264 if name == "h264/90000" and said.get("packetization-mode") == "1" and is_baseline else None


def _extensions(section: SdpSection, kind: Kind) -> dict[int, int]:
    """Only loudness is worth keeping. All others are blanked as packets come in."""
    if kind is not Kind.AUDIO:
        return {}
    found = [match for value in section.all("extmap") if (match := _EXTMAP.fullmatch(value))]
    level = next((match for match in found if match[2] == _LEVEL_URI), None)
    return {} if level is None else {int(level[1]): AUDIO_LEVEL_ID}


def _feedback(section: SdpSection, media_type: int, ours: int) -> tuple[str, ...]:
    said = [value.partition(" ") for value in section.all("rtcp-fb")]
    taken = {what for who, _, what in said if who in (str(media_type), "*")}
    known = next(codec for codecs in CODECS.values() for codec in codecs if codec.payload_type == ours)
    return tuple(one for one in known.feedback if one in taken)


def write_ingest_answer(transport: LocalTransport, offer: IngestOffer) -> str:
    """Return the answer, in the publisher's own numbers."""
    lines = [
        "v=0",
        f"o=- {transport.session_id} 1 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE " + " ".join(section.mid for section in offer.sections),
    ]
    setup = "passive" if offer.transport.is_active else "active"
    for index, section in enumerate(offer.sections):
        lines.extend(write_transport(transport, section.kind, list(section.payload_types), with_candidates=index == 0))
        lines.extend(_answer_section(section, setup))
    return "\r\n".join(lines) + "\r\n"


def _answer_section(section: IngestSection, setup: str) -> Iterable[str]:
    yield f"a=setup:{setup}"
    yield f"a=mid:{section.mid}"
    for number in section.extensions:
        yield f"a=extmap:{number} {_LEVEL_URI}"
    yield "a=recvonly"
    yield "a=rtcp-mux"
    yield "a=rtcp-rsize"
    media_type = next(iter(section.payload_types))
    for theirs, ours in section.payload_types.items():
        codec = next(one for one in CODECS[section.kind] if one.payload_type == ours)
        yield f"a=rtpmap:{theirs} {codec.encoding}"
        parameters = codec.parameters if theirs == media_type else f"apt={media_type}"
        if parameters:
            yield f"a=fmtp:{theirs} {parameters}"
    for one in section.feedback:
        yield f"a=rtcp-fb:{media_type} {one}"
