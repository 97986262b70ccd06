"""Reads a browser's answer to one of the relay's offers, and refuses everything else. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from media.engine import BadSdpError
from media.ice import MAX_CANDIDATES, RemoteCandidate, parse_candidate
from media.plan import Kind

MAX_SDP_BYTES = 200_000
MAX_LINE_BYTES = 2_000
MAX_SECTION_LINES = 200
SETUP_ROLES = ("active", "passive")
DIRECTIONS = ("sendonly", "recvonly", "inactive", "sendrecv")
_UFRAG = re.compile(r"[A-Za-z0-9+/]{4,256}")
_PASSWORD = re.compile(r"[A-Za-z0-9+/]{22,256}")
_FINGERPRINT = re.compile(r"(sha-(?:256|384|512)) ([0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){31,63})")
_LINE = re.compile(r"[a-z]=[^\x00-\x08\x0a-\x1f]*")


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


@dataclass(slots=True)
class _Section:
    media: str = ""
    attributes: list[tuple[str, str]] = field(default_factory=list)

    def first(self, name: str) -> str | None:
        return next((value for key, value in self.attributes if key == name), None)

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.attributes if key == name]


def parse_answer(sdp: str, expected: Sequence[ExpectedSection]) -> Answer:
    """Return what the answer says. Raises BadSdpError, whose text says what is wrong with which section."""
    head, sections = _split(sdp)
    if len(sections) != len(expected):
        raise BadSdpError(f"the answer has {len(sections)} media sections, the offer has {len(expected)}")
    answered = tuple(_read_section(section, want) for section, want in zip(sections, expected, strict=True))
    carrier = next((s for s, a in zip(sections, answered, strict=True) if not a.is_rejected), None)
    if carrier is None:
        raise BadSdpError("the answer rejects every media section; accept at least one")
    _check_bundle(head, answered)
    _check_ssrcs(answered)
    setup = carrier.first("setup") or head.first("setup")
    if setup not in SETUP_ROLES:
        raise BadSdpError("the answer needs a=setup:active or a=setup:passive")
    return Answer(
        username_fragment=_matching(_UFRAG, carrier.first("ice-ufrag") or head.first("ice-ufrag"), "a=ice-ufrag"),
        password=_matching(_PASSWORD, carrier.first("ice-pwd") or head.first("ice-pwd"), "a=ice-pwd"),
        is_ice_lite=head.first("ice-lite") is not None,
        is_active=setup == "active",
        fingerprints=_fingerprints(carrier.all("fingerprint") or head.all("fingerprint")),
        candidates=_candidates(sections),
        sections=answered,
    )


def _split(sdp: str) -> tuple[_Section, list[_Section]]:
    if len(sdp.encode("utf-8", "surrogatepass")) > MAX_SDP_BYTES:
        raise BadSdpError(f"the answer is larger than {MAX_SDP_BYTES} bytes")
    lines = sdp.replace("\r\n", "\n").rstrip("\n").split("\n")
    if lines[0] != "v=0":
        raise BadSdpError("the answer does not begin with v=0")
    head = _Section()
    sections: list[_Section] = []
    current = head
    for line in lines:
        if len(line) > MAX_LINE_BYTES or not _LINE.fullmatch(line):
            raise BadSdpError("the answer has a line that is no SDP line, or is too long")
        if line.startswith("m="):
            current = _Section(media=line[2:])
            sections.append(current)
        elif line.startswith("a="):
            name, _, value = line[2:].partition(":")
            current.attributes.append((name, value))
            if len(current.attributes) > MAX_SECTION_LINES:
                raise BadSdpError(f"a section of the answer has more than {MAX_SECTION_LINES} attributes")
    return head, sections


def _read_section(section: _Section, want: ExpectedSection) -> AnsweredSection:
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
    directions = [name for name, _ in section.attributes if name in DIRECTIONS]
    if len(directions) > 1:
        raise BadSdpError(f"section {want.mid}: more than one direction")
    direction = directions[0] if directions else "sendrecv"
    ssrc, rtx_ssrc = _ssrcs(section, want.mid) if direction in ("sendonly", "sendrecv") else (None, None)
    has_nack = any(value.partition(" ")[2] == "nack" for value in section.all("rtcp-fb"))
    return AnsweredSection(
        mid=want.mid, kind=want.kind, is_rejected=False, direction=direction, payload_types=payload_types,
        has_nack=has_nack, ssrc=ssrc, rtx_ssrc=rtx_ssrc,
    )  # fmt: skip


def _payload_types(section: _Section, listed: Sequence[str], want: ExpectedSection) -> tuple[int, ...]:
    if not all(text.isascii() and text.isdigit() and len(text) <= 3 for text in listed):
        raise BadSdpError(f"section {want.mid}: payload types must be numbers")
    payload_types = tuple(int(text) for text in listed)
    maps: dict[int, str] = {}
    for value in section.all("rtpmap"):
        number, _, encoding = value.partition(" ")
        if number.isascii() and number.isdigit() and len(number) <= 3:
            maps[int(number)] = encoding.strip()
    for payload_type in payload_types:
        offered = want.rtpmap.get(payload_type)
        if offered is None or maps.get(payload_type, "").lower() != offered.lower():
            raise BadSdpError(f"section {want.mid}: payload type {payload_type} was not offered like that")
    return payload_types


def _ssrcs(section: _Section, mid: str) -> tuple[int | None, int | None]:
    """Media and RTX SSRC. From a=ssrc-group:FID when there is one, never guessed from packets."""
    groups = [value.split() for value in section.all("ssrc-group") if value.startswith("FID ")]
    if len(groups) > 1 or (groups and len(groups[0]) != 3):
        raise BadSdpError(f"section {mid}: one a=ssrc-group:FID with two numbers is allowed (no simulcast)")
    named: list[int] = []
    for value in section.all("ssrc"):
        number = _ssrc(value.partition(" ")[0], mid)
        if number not in named:
            named.append(number)
    if groups:
        return _ssrc(groups[0][1], mid), _ssrc(groups[0][2], mid)
    if len(named) > 1:
        raise BadSdpError(f"section {mid}: several SSRCs without a=ssrc-group:FID")
    return (named[0] if named else None), None


def _ssrc(text: str, mid: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 10 or not 0 < int(text) < 2**32:
        raise BadSdpError(f"section {mid}: {text[:20]!r} is no SSRC")
    return int(text)


def _check_ssrcs(sections: Sequence[AnsweredSection]) -> None:
    used = [number for section in sections for number in (section.ssrc, section.rtx_ssrc) if number is not None]
    if len(used) != len(set(used)):
        raise BadSdpError("two streams of the answer use the same SSRC")


def _check_bundle(head: _Section, sections: Sequence[AnsweredSection]) -> None:
    groups = [value.split()[1:] for value in head.all("group") if value.split()[:1] == ["BUNDLE"]]
    bundled = set(groups[0]) if len(groups) == 1 else set()
    if {section.mid for section in sections if not section.is_rejected} != bundled:
        raise BadSdpError("all accepted sections must be in one a=group:BUNDLE")


def _matching(pattern: re.Pattern[str], value: str | None, name: str) -> str:
    if value is None or not pattern.fullmatch(value):
        raise BadSdpError(f"the answer needs a valid {name}")
    return value


def _fingerprints(values: Sequence[str]) -> tuple[tuple[str, str], ...]:
    found = [match.groups() for value in values[:8] if (match := _FINGERPRINT.fullmatch(value))]
    if not found:
        raise BadSdpError("the answer needs a=fingerprint with sha-256, sha-384 or sha-512")
    return tuple((algorithm, value) for algorithm, value in found)


def _candidates(sections: Sequence[_Section]) -> tuple[RemoteCandidate, ...]:
    found: list[RemoteCandidate] = []
    for section in sections:
        for value in section.all("candidate"):
            candidate = parse_candidate(value)
            if candidate is not None and candidate not in found and len(found) < MAX_CANDIDATES:
                found.append(candidate)
    return tuple(found)
