"""Reads a browser's answer to one of the relay's offers, and refuses everything else. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from media.engine import BadSdpError
from media.ice import RemoteCandidate
from media.plan import Kind
from media.sdp_lines import (
    SdpSection,
    check_bundle,
    check_ssrcs,
    read_candidates,
    read_credentials,
    read_direction,
    read_fingerprints,
    read_payload_types,
    read_rtpmap,
    read_ssrcs,
    split_sections,
)

SETUP_ROLES = ("active", "passive")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedSection:
    """What the offer said: one media section, in order. `rtpmap`: payload type -> encoding, as offered."""

    mid: str
    kind: Kind
    rtpmap: Mapping[int, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweredSection:
    mid: str
    kind: Kind
    is_rejected: bool
    direction: str
    payload_types: tuple[int, ...]
    has_nack: bool
    ssrc: int | None  # what the peer sends with; None when it sends nothing
    rtx_ssrc: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    username_fragment: str
    password: str
    is_ice_lite: bool
    is_active: bool  # the peer opens the DTLS handshake
    fingerprints: tuple[tuple[str, str], ...]  # (algorithm, value)
    candidates: tuple[RemoteCandidate, ...]
    sections: tuple[AnsweredSection, ...]


def parse_answer(sdp: str, expected: Sequence[ExpectedSection]) -> Answer:
    """Return what the answer says. Raises BadSdpError, whose text says what is wrong with which section."""
    head, sections = split_sections(sdp)
    if len(sections) != len(expected):
        raise BadSdpError(f"the answer has {len(sections)} media sections, the offer has {len(expected)}")
    answered = tuple(_read_section(section, want) for section, want in zip(sections, expected, strict=True))
    carrier = next((s for s, a in zip(sections, answered, strict=True) if not a.is_rejected), None)
    if carrier is None:
        raise BadSdpError("the answer rejects every media section; accept at least one")
    check_bundle(head, {section.mid for section in answered if not section.is_rejected})
    check_ssrcs([number for section in answered for number in (section.ssrc, section.rtx_ssrc)])
    setup = carrier.first("setup") or head.first("setup")
    if setup not in SETUP_ROLES:
        raise BadSdpError("the answer needs a=setup:active or a=setup:passive")
    username_fragment, password = read_credentials(carrier, head)
    return Answer(
        username_fragment=username_fragment,
        password=password,
        is_ice_lite=head.first("ice-lite") is not None,
        is_active=setup == "active",
        fingerprints=read_fingerprints(carrier.all("fingerprint") or head.all("fingerprint")),
        candidates=read_candidates(sections),
        sections=answered,
    )


def _read_section(section: SdpSection, want: ExpectedSection) -> AnsweredSection:
    fields = section.media.split()
    if len(fields) < 4 or fields[0] != want.kind or not fields[1].isdigit():
        raise BadSdpError(f"section {want.mid}: expected m={want.kind}")
    is_rejected = fields[1] == "0" and section.first("bundle-only") is None
    if section.first("mid") != want.mid and not (is_rejected and section.first("mid") is None):
        raise BadSdpError(f"section {want.mid}: the answer must keep the offer's mid and order")
    if is_rejected:
        return AnsweredSection(
            mid=want.mid, kind=want.kind, is_rejected=True, direction="inactive", payload_types=(), has_nack=False,
            ssrc=None, rtx_ssrc=None,
        )  # fmt: skip
    if fields[2] != "UDP/TLS/RTP/SAVPF" or section.first("rtcp-mux") is None:
        raise BadSdpError(f"section {want.mid}: only UDP/TLS/RTP/SAVPF with a=rtcp-mux is carried")
    payload_types = _payload_types(section, fields[3:], want)
    direction = read_direction(section, want.mid)
    ssrc, rtx_ssrc = read_ssrcs(section, want.mid) if direction in ("sendonly", "sendrecv") else (None, None)
    has_nack = any(value.partition(" ")[2] == "nack" for value in section.all("rtcp-fb"))
    return AnsweredSection(
        mid=want.mid, kind=want.kind, is_rejected=False, direction=direction, payload_types=payload_types,
        has_nack=has_nack, ssrc=ssrc, rtx_ssrc=rtx_ssrc,
    )  # fmt: skip


def _payload_types(section: SdpSection, listed: Sequence[str], want: ExpectedSection) -> tuple[int, ...]:
    payload_types = read_payload_types(listed, want.mid)
    maps = read_rtpmap(section)
    for payload_type in payload_types:
        offered = want.rtpmap.get(payload_type)
        if offered is None or maps.get(payload_type, "").lower() != offered.lower():
            raise BadSdpError(f"section {want.mid}: payload type {payload_type} was not offered like that")
    return payload_types
