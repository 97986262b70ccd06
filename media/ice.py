"""ICE values a relay takes from outside: candidates of a peer, and its own address settings. Pure checks."""

from dataclasses import dataclass
from ipaddress import ip_address

MAX_CANDIDATE_BYTES = 512
MAX_CANDIDATES = 48  # per connection; a browser with many interfaces sends about 20


class BadAddressSettingError(ValueError):
    """A setting of the relay's addresses cannot be used; the text says which and why."""

    code = "bad_media_address"


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteCandidate:
    """A UDP candidate that can be checked. RFC 8839, section 5.1."""

    foundation: str
    component: int
    priority: int
    host: str  # an IP address
    port: int
    type: str  # host, srflx or relay


def parse_candidate(line: str) -> RemoteCandidate | None:
    """Return the candidate of an `a=candidate` value (with or without the leading `a=` or `candidate:`).

    None: nothing a relay can use, which is no error: end of candidates, TCP, an mDNS `.local` name (resolving one costs
    up to a second and a multicast socket), a multicast or unspecified address, or a line that is malformed.
    """
    if len(line) > MAX_CANDIDATE_BYTES:
        return None
    text = line.strip().removeprefix("a=").removeprefix("candidate:")
    parts = text.split()
    if not text.isascii():  # Python takes other digits for numbers too
        return None
    if len(parts) < 8 or parts[6] != "typ" or parts[2].lower() != "udp":
        return None
    foundation, component, _, priority, host, port, _, kind = parts[:8]
    if kind not in ("host", "srflx", "relay") or not (component == "1" and priority.isdigit() and port.isdigit()):
        return None
    if not _is_usable_host(host) or not 0 < int(port) <= 0xFFFF or len(foundation) > 32 or int(priority) >= 2**32:
        return None
    return RemoteCandidate(
        foundation=foundation, component=1, priority=int(priority), host=host, port=int(port), type=kind
    )


def _is_usable_host(host: str) -> bool:
    if "%" in host:  # a scope names an interface of the other machine
        return False
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return not (address.is_multicast or address.is_unspecified or host == "255.255.255.255")


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressSettings:
    """Where the relay listens and what it tells its peers.

    addresses: IP addresses to bind. Empty: every address of the machine except loopback.
    advertise: the IP address that peers are told instead of the bound ones (a machine behind NAT), or None.
    port_range: lowest and highest UDP port, both included, or None for the system's choice. Each person needs two.
    """

    addresses: tuple[str, ...] = ()
    advertise: str | None = None
    port_range: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        for address in (*self.addresses, *([self.advertise] if self.advertise else [])):
            try:
                ip_address(address)
            except ValueError as error:
                raise BadAddressSettingError(f"{address!r} is not an IP address; write it as 192.0.2.1") from error
        if self.port_range is not None:
            low, high = self.port_range
            if not 1024 <= low <= high <= 0xFFFF:
                raise BadAddressSettingError(f"port range {low}-{high} must lie within 1024-65535, lowest first")
