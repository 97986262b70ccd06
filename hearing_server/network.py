"""The addresses of this machine."""

import ipaddress

import ifaddr


def local_addresses() -> tuple[str, ...]:
    """Return the machine's IPv4 addresses and global IPv6 addresses, without loopback and link-local ones."""
    found: list[str] = []
    for adapter in ifaddr.get_adapters():
        for entry in adapter.ips:
            text = entry.ip if isinstance(entry.ip, str) else entry.ip[0]
            address = ipaddress.ip_address(text)
            if not (address.is_loopback or address.is_link_local) and text not in found:
                found.append(text)
    return tuple(sorted(found, key=lambda text: (":" in text, text)))
