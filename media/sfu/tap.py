"""Sends plain packets of a published stream to a local socket, for the recorder and other taps.

What travels there is described in `media.taps.wire`. A tap that does not keep up loses packets; nobody waits for it.
"""

import socket
from collections.abc import Callable
from ipaddress import ip_address

from media.engine import BadTapAddressError, TapAddress

SEND_BUFFER_BYTES = 1 << 20
MAX_PATH_BYTES = 100  # sun_path has 108, on macOS 104


def check_address(address: TapAddress) -> None:
    """Raises BadTapAddressError: plain media stays on this machine."""
    if isinstance(address, str):
        if not address.startswith("/") or len(address.encode()) > MAX_PATH_BYTES or "\0" in address:
            raise BadTapAddressError(f"a tap's socket needs an absolute path of at most {MAX_PATH_BYTES} bytes")
        return
    host, port = address
    try:
        is_local = ip_address(host).version == 4 and ip_address(host).is_loopback
    except ValueError:
        is_local = False
    if not is_local or not 0 < port <= 0xFFFF:
        raise BadTapAddressError("a tap listens on an IPv4 loopback address; plain media does not leave the machine")


class SocketTap:
    """Sends datagrams to one address; what it cannot take is dropped and counted."""

    def __init__(self, sender: socket.socket, address: TapAddress, count: Callable[[str], None]) -> None:
        self.socket, self.address = sender, address
        self._count = count

    def __call__(self, datagram: bytes) -> None:
        try:
            self.socket.sendto(datagram, self.address)
        except BlockingIOError:
            self._count("tap_full")
        except OSError:  # nobody listens there now
            self._count("tap_failed")


class TapSockets:
    """The sockets all taps of one room are sent from. Receivers on UDP keep to one sender, so there is one."""

    def __init__(self, count: Callable[[str], None]) -> None:
        self._count = count
        self._sockets: dict[socket.AddressFamily, socket.socket] = {}

    def sender(self, address: TapAddress) -> SocketTap:
        """Return what sends datagrams to `address`. Raises BadTapAddressError."""
        check_address(address)
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        if family not in self._sockets:
            made = socket.socket(family, socket.SOCK_DGRAM)
            made.setblocking(False)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
            if family is socket.AF_INET:
                made.bind(("127.0.0.1", 0))
            self._sockets[family] = made
        return SocketTap(self._sockets[family], address, self._count)

    def close(self) -> None:
        """Safe to call twice."""
        for made in self._sockets.values():
            made.close()
        self._sockets.clear()
