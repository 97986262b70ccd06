"""The receiving end of one tapped stream: a datagram socket of its own."""

import socket
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

from media.taps.wire import MAX_DATAGRAM_BYTES

Address = str | tuple[str, int]
"""A Unix datagram socket's path, or (loopback address, UDP port).

Loopback UDP is the default: Linux holds only `net.unix.max_dgram_qlen` datagrams (10) for a Unix socket, less than one
key frame.
"""

RECEIVE_BUFFER_BYTES: Final = 4 * 1024 * 1024
SENDER_SILENT_S: Final = 1.0


class TapInput:
    """Binds one address and drains it. Nothing blocks. Datagrams that are too large are dropped and counted.

    On UDP the first sender is kept to while it sends, so that another process on the machine cannot mix in.
    Raises OSError when the address is taken.
    """

    def __init__(self, address: Address = ("127.0.0.1", 0)) -> None:
        self.foreign = 0
        self.oversized = 0
        self._sender: object = None
        self._heard_at_s = float("-inf")
        self._path = Path(address) if isinstance(address, str) else None
        family = socket.AF_UNIX if self._path else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            _enlarge(self.socket)
            if self._path is not None and self._path.exists() and stat.S_ISSOCK(self._path.stat().st_mode):
                self._path.unlink()  # left behind by a process that was killed
            self.socket.bind(address)
            if self._path is not None:
                self._path.chmod(0o600)
        except OSError:
            self.socket.close()
            raise

    @property
    def address(self) -> Address:
        if self._path is not None:
            return str(self._path)
        host, port = self.socket.getsockname()
        return (str(host), int(port))

    def drain(self, now_s: float, limit: int = 256) -> list[bytes]:
        """Return at most `limit` datagrams that have arrived."""
        datagrams: list[bytes] = []
        for _ in range(limit):
            try:
                datagram, sender = self.socket.recvfrom(MAX_DATAGRAM_BYTES + 1)
            except OSError:  # nothing left, or an ICMP error of the loopback device
                break
            if len(datagram) > MAX_DATAGRAM_BYTES:
                self.oversized += 1
            elif self._path is None and not self._is_from_sender(sender, now_s):
                self.foreign += 1
            else:
                datagrams.append(datagram)
        return datagrams

    def _is_from_sender(self, sender: object, now_s: float) -> bool:
        if sender != self._sender and now_s - self._heard_at_s < SENDER_SILENT_S:
            return False
        self._sender, self._heard_at_s = sender, now_s
        return True

    def close(self) -> None:
        """Give the address back. Safe to call twice."""
        if self.socket.fileno() == -1:
            return
        self.socket.close()
        if self._path is not None:
            with suppress(OSError):
                self._path.unlink()


def _enlarge(sock: socket.socket) -> None:
    force = getattr(socket, "SO_RCVBUFFORCE", 33)  # beyond net.core.rmem_max; needs CAP_NET_ADMIN
    try:
        sock.setsockopt(socket.SOL_SOCKET, force, RECEIVE_BUFFER_BYTES)
    except OSError:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
