"""The lines of a session description, and the values in them that every peer must get right. Pure."""

import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from media.engine import BadSdpError
from media.ice import MAX_CANDIDATES, RemoteCandidate, parse_candidate

MAX_SDP_BYTES = 200_000
MAX_LINE_BYTES = 2_000
MAX_SECTION_LINES = 200
_DIRECTIONS = ("sendonly", "recvonly", "inactive", "sendrecv")
_UFRAG = re.compile(r"[A-Za-z0-9+/]{4,256}")
_PASSWORD = re.compile(r"[A-Za-z0-9+/]{22,256}")
_FINGERPRINT = re.compile(r"(sha-(?:256|384|512)) ([0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){31,63})")
_LINE = re.compile(r"[a-z]=[^\x00-\x08\x0a-\x1f]*")


@dataclass(slots=True)
class SdpSection:
    """One media section, or what stands before the first one: the m= value, and (name, value) of each attribute."""

    media: str = ""
    attributes: list[tuple[str, str]] = field(default_factory=list)

    def first(self, name: str) -> str | None:
        return next((value for key, value in self.attributes if key == name), None)

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.attributes if key == name]


def split_sections(sdp: str) -> tuple[SdpSection, list[SdpSection]]:
    """Return what stands before the first media section, and the sections. Raises BadSdpError, as all below do."""
    if len(sdp.encode("utf-8", "surrogatepass")) > MAX_SDP_BYTES:
        raise BadSdpError(f"the description is larger than {MAX_SDP_BYTES} bytes")
    lines = sdp.replace("\r\n", "\n").rstrip("\n").split("\n")
    if lines[0] != "v=0":
        raise BadSdpError("the description does not begin with v=0")
    head = SdpSection()
    sections: list[SdpSection] = []
    current = head
    for line in lines:
        if len(line) > MAX_LINE_BYTES or not _LINE.fullmatch(line):
            raise BadSdpError("the description has a line that is no SDP line, or is too long")
        if line.startswith("m="):
            current = SdpSection(media=line[2:])
            sections.append(current)
        elif line.startswith("a="):
            name, _, value = line[2:].partition(":")
            current.attributes.append((name, value))
            if len(current.attributes) > MAX_SECTION_LINES:
                raise BadSdpError(f"a section of the description has more than {MAX_SECTION_LINES} attributes")
    return head, sections


def read_ssrcs(section: SdpSection, mid: str) -> tuple[int | None, int | None]:
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


def check_ssrcs(numbers: Sequence[int | None]) -> None:
    used = [number for number in numbers if number is not None]
    if len(used) != len(set(used)):
        raise BadSdpError("two streams of the description use the same SSRC")


def check_bundle(head: SdpSection, mids: AbstractSet[str]) -> None:
    groups = [value.split()[1:] for value in head.all("group") if value.split()[:1] == ["BUNDLE"]]
    if mids != (set(groups[0]) if len(groups) == 1 else set()):
        raise BadSdpError("all accepted sections must be in one a=group:BUNDLE")


def read_direction(section: SdpSection, mid: str) -> str:
    directions = [name for name, _ in section.attributes if name in _DIRECTIONS]
    if len(directions) > 1:
        raise BadSdpError(f"section {mid}: more than one direction")
    return directions[0] if directions else "sendrecv"


def read_payload_types(listed: Sequence[str], mid: str) -> tuple[int, ...]:
    if not all(_is_payload_type(text) for text in listed):
        raise BadSdpError(f"section {mid}: payload types must be numbers")
    return tuple(int(text) for text in listed)


def read_rtpmap(section: SdpSection) -> dict[int, str]:
    """Payload type -> encoding."""
    return _by_payload_type(section.all("rtpmap"))


def read_fmtp(section: SdpSection) -> dict[int, str]:
    """Payload type -> its parameters, as they stand."""
    return _by_payload_type(section.all("fmtp"))


def _by_payload_type(values: Sequence[str]) -> dict[int, str]:
    found: dict[int, str] = {}
    for value in values:
        number, _, rest = value.partition(" ")
        if _is_payload_type(number):
            found[int(number)] = rest.strip()
    return found


def _is_payload_type(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 3


def read_credentials(section: SdpSection, head: SdpSection) -> tuple[str, str]:
    """The ICE username fragment and password of a section (RFC 8839, section 5.4)."""
    username_fragment = section.first("ice-ufrag") or head.first("ice-ufrag")
    password = section.first("ice-pwd") or head.first("ice-pwd")
    if username_fragment is None or not _UFRAG.fullmatch(username_fragment):
        raise BadSdpError("the description needs a valid a=ice-ufrag")
    if password is None or not _PASSWORD.fullmatch(password):
        raise BadSdpError("the description needs a valid a=ice-pwd")
    return username_fragment, password


def read_fingerprints(values: Sequence[str]) -> tuple[tuple[str, str], ...]:
    found = [match.groups() for value in values[:8] if (match := _FINGERPRINT.fullmatch(value))]
    if not found:
        raise BadSdpError("the description needs a=fingerprint with sha-256, sha-384 or sha-512")
    return tuple((algorithm, value) for algorithm, value in found)


def read_candidates(sections: Sequence[SdpSection]) -> tuple[RemoteCandidate, ...]:
    found: list[RemoteCandidate] = []
    for section in sections:
        for value in section.all("candidate"):
            candidate = parse_candidate(value)
            if candidate is not None and candidate not in found and len(found) < MAX_CANDIDATES:
                found.append(candidate)
    return tuple(found)
