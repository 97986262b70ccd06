"""Writes the relay's offers (RFC 8829, RFC 8839, RFC 8843). Pure: everything in an offer is an argument."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from media.plan import Kind
from media.sfu.codecs import CODECS, EXTENSIONS


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalCandidate:
    foundation: str
    priority: int
    host: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalTransport:
    """What a peer needs to reach one connection of the relay."""

    session_id: int
    username_fragment: str
    password: str
    fingerprint: str  # sha-256, colon-separated
    candidates: tuple[LocalCandidate, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedSection:
    """One media section. Without `ssrc` the relay only receives in it."""

    mid: str
    kind: Kind
    ssrc: int | None = None
    rtx_ssrc: int | None = None
    stream: str = ""  # msid stream id; both kinds of one person share it, for lip sync
    cname: str = ""


def write_offer(transport: LocalTransport, negotiation: int, sections: Sequence[OfferedSection]) -> str:
    """Return the offer. Candidates stand in the first section only: the sections are one bundle."""
    lines = [
        "v=0",
        f"o=- {transport.session_id} {negotiation} IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE " + " ".join(section.mid for section in sections),
        "a=msid-semantic:WMS *",
        "a=ice-options:trickle",
    ]
    for index, section in enumerate(sections):
        lines.extend(_section(transport, section, with_candidates=index == 0))
    return "\r\n".join(lines) + "\r\n"


def _section(transport: LocalTransport, section: OfferedSection, *, with_candidates: bool) -> Iterable[str]:
    codecs = CODECS[section.kind]
    payload_types = [codec.payload_type for codec in codecs]
    yield from write_transport(transport, section.kind, payload_types, with_candidates=with_candidates)
    yield "a=setup:actpass"
    yield f"a=mid:{section.mid}"
    for number, uri in EXTENSIONS[section.kind]:
        yield f"a=extmap:{number} {uri}"
    yield "a=recvonly" if section.ssrc is None else "a=sendonly"
    if section.ssrc is not None:
        yield f"a=msid:{section.stream} {section.stream}-{section.kind}"
    yield "a=rtcp-mux"
    yield "a=rtcp-rsize"
    for codec in codecs:
        yield f"a=rtpmap:{codec.payload_type} {codec.encoding}"
        for feedback in codec.feedback:
            yield f"a=rtcp-fb:{codec.payload_type} {feedback}"
        if codec.parameters:
            yield f"a=fmtp:{codec.payload_type} {codec.parameters}"
    yield from _sources(section)


def write_transport(
    transport: LocalTransport, kind: Kind, payload_types: Iterable[int], *, with_candidates: bool
) -> Iterable[str]:
    """The first lines of a section: how the relay is reached."""
    candidates = transport.candidates if with_candidates else ()
    default = candidates[0] if candidates else None
    yield f"m={kind} {default.port if default else 9} UDP/TLS/RTP/SAVPF {' '.join(map(str, payload_types))}"
    yield "c=IN " + (_address(default.host) if default else "IP4 0.0.0.0")
    yield "a=rtcp:9 IN IP4 0.0.0.0"
    for candidate in candidates:
        yield (
            f"a=candidate:{candidate.foundation} 1 udp {candidate.priority} {candidate.host} {candidate.port} typ host"
        )
    if candidates:
        yield "a=end-of-candidates"
    yield f"a=ice-ufrag:{transport.username_fragment}"
    yield f"a=ice-pwd:{transport.password}"
    yield f"a=fingerprint:sha-256 {transport.fingerprint}"


def _sources(section: OfferedSection) -> Iterable[str]:
    if section.ssrc is None:
        return
    if section.rtx_ssrc is not None:
        yield f"a=ssrc-group:FID {section.ssrc} {section.rtx_ssrc}"
    for ssrc in (section.ssrc, section.rtx_ssrc):
        if ssrc is not None:
            yield f"a=ssrc:{ssrc} cname:{section.cname}"
            yield f"a=ssrc:{ssrc} msid:{section.stream} {section.stream}-{section.kind}"


def _address(host: str) -> str:
    return f"IP{ip_address(host).version} {host}"
