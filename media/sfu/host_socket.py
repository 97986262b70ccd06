"""The UDP socket of one host candidate: reads it without queues, streams or coroutines, and is aioice's transport too.

Media from where it is expected is decrypted in place and goes straight to its stream; everything else is handed over as
it came.
"""

import asyncio
import errno
import socket
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol

from media.sfu.codecs import OPUS
from media.sfu.srtp import IN, IN_C, IN_VIEW, LENGTH, unprotect
from media.sfu.stream_path import PythonStreamPath, StreamPath

BATCH = 32
"""Datagrams that are read before others have their turn."""

MIN_DATAGRAM_BYTES = 12
MAX_DATAGRAM_BYTES = 1472
_BUFFER_BYTES = 1 << 20


class Route(NamedTuple):
    """Where a peer's media goes: `send` hands a datagram over, and raises OSError as sockets do."""

    address: tuple[str, int]
    socket: socket.socket
    is_connected: bool  # the socket, to the address; else each datagram needs it
    send: Callable[[Any], int]


class Owner(Protocol):
    """Takes what came. Whatever it raises is counted as a bad packet."""

    def take_rtp(self, packet: bytes, at_s: float) -> None:
        """Take a decrypted RTP packet."""

    def take_datagram(self, host: "HostSocket", data: bytes, address: tuple[str, int]) -> None:
        """Take anything else, as it came."""

    def count(self, reason: str, times: int = 1) -> None: ...


class HostSocket(ABC):
    """Bound to `address`. Raises OSError when that cannot be. `close` gives the port back; safe to call twice."""

    def __init__(self, address: str, port: int, owner: Owner) -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.protocol: Any = None
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self._connected: Route | None = None
        try:
            _prepare(self.socket)
            self.socket.bind((address, port))
        except OSError:
            self.socket.close()
            raise
        host, bound = self.socket.getsockname()[:2]
        self.address: tuple[str, int] = (host, bound)

    @property
    @abstractmethod
    def last_heard_s(self) -> float:
        """When media came last, by the loop's time; 0: never."""

    def open(self, protocol: asyncio.DatagramProtocol) -> None:
        """Read from now on; `protocol` writes here."""
        self.protocol = protocol
        protocol.connection_made(self)  # type: ignore[arg-type]  # has what aioice uses of a transport
        self._begin_reading(self.socket)

    def route_to(self, address: tuple[str, int]) -> Route:
        """Return the way to a peer, and give up the one returned before.

        It is a socket of its own on the same port, connected to the peer: the kernel then looks the way up once, not
        for every packet. Where that cannot be had, packets are sent on the socket that everybody reaches.
        """
        if self._connected is not None and self._connected.address == address:
            return self._connected
        self._disconnect()
        made = socket.socket(self.socket.family, socket.SOCK_DGRAM)
        try:
            _prepare(made)
            # Both must allow it for the moment of the bind. Before and afterwards nobody else can take the port.
            for one in (self.socket, made):
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            made.bind(self.address)
            made.connect(address)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 0)
        except OSError:
            made.close()
            return Route(address, self.socket, False, lambda data: self.socket.sendto(data, address))
        finally:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 0)
        self._connected = Route(address, made, True, made.send)
        self._begin_reading(made)
        return self._connected

    def _disconnect(self) -> None:
        route, self._connected = self._connected, None
        if route is not None:
            self._end_reading(route.socket)
            route.socket.close()

    @abstractmethod
    def _begin_reading(self, from_socket: socket.socket) -> None: ...

    def _end_reading(self, from_socket: socket.socket) -> None:
        self._loop.remove_reader(from_socket)

    @abstractmethod
    def expect_media(self, session: Any, address: tuple[str, int] | None) -> None:
        """Decrypt with `session` what comes from `address`. Neither: take no media."""

    @abstractmethod
    def carry(self, paths: Sequence[StreamPath]) -> None:
        """Say which streams come here."""

    def _hand_over(self, take: Callable[..., None], *arguments: object) -> None:
        try:
            take(*arguments)
        except Exception:
            # Whatever a peer sends, it must not end the socket's callback for everybody else.
            self._owner.count("bad_packet")

    # What aioice uses of an asyncio transport

    def sendto(self, data: bytes, address: tuple[str, int]) -> None:
        """Send now or never: checks and handshakes repeat what is lost."""
        try:
            self.socket.sendto(data, address)
        except OSError as error:
            self._owner.count("send_buffer_full" if error.errno in (errno.EAGAIN, errno.EWOULDBLOCK) else "send_failed")

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self.address if name == "sockname" else default

    def is_closing(self) -> bool:
        return self.socket.fileno() == -1

    def close(self) -> None:
        if self.is_closing():
            return
        self.expect_media(None, None)
        self.carry(())
        self._disconnect()
        self._end_reading(self.socket)
        self.socket.close()
        if self.protocol is not None:
            self._loop.call_soon(self.protocol.connection_lost, None)


def _prepare(made: socket.socket) -> None:
    made.setblocking(False)
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        made.setsockopt(socket.SOL_SOCKET, option, _BUFFER_BYTES)


class PythonHostSocket(HostSocket):
    def __init__(self, address: str, port: int, owner: Owner) -> None:
        super().__init__(address, port, owner)
        self._session: Any = None
        self._heard_s = 0.0
        self._expected: tuple[str, int] | None = None
        self._paths: tuple[PythonStreamPath, ...] = ()
        self._has_scope = self.socket.family == socket.AF_INET6  # its addresses come with flow and scope

    @property
    def last_heard_s(self) -> float:
        return self._heard_s

    def expect_media(self, session: Any, address: tuple[str, int] | None) -> None:
        self._session = session
        self._expected = address if session is not None else None

    def carry(self, paths: Sequence[StreamPath]) -> None:
        self._paths = tuple(path for path in paths if isinstance(path, PythonStreamPath))

    def _begin_reading(self, from_socket: socket.socket) -> None:
        self._loop.add_reader(from_socket, partial(self._read, from_socket.recvfrom_into))

    def _read(self, receive: Callable[..., tuple[int, Any]]) -> None:
        at_s, is_held = self._loop.time(), False
        for _ in range(BATCH):
            try:
                size, sender = receive(IN_VIEW)
            except OSError:  # nothing left, or an ICMP error about something that was sent
                break
            if self._has_scope:
                sender = sender[:2]
            if (
                sender == self._expected
                and MIN_DATAGRAM_BYTES <= size <= MAX_DATAGRAM_BYTES
                and 127 < IN_VIEW[0] < 192
                and not 191 < IN_VIEW[1] < 224  # RTCP (RFC 5761, section 4)
            ):
                ends_burst = IN_VIEW[1] & 0x80 or IN_VIEW[1] == OPUS  # before its bytes are decrypted in place
                if not ends_burst and not is_held:
                    is_held = True
                    for path in self._paths:
                        path.holds = True
                self._take_media(size, at_s)
                if ends_burst:  # the next one is a while off: asking for it costs an exception
                    break
            else:
                self._hand_over(self._owner.take_datagram, self, bytes(IN_VIEW[:size]), sender)
        if is_held:
            for path in self._paths:
                path.flush()

    def _take_media(self, size: int, at_s: float) -> None:
        LENGTH[0] = size
        if unprotect(self._session, IN_C, LENGTH):
            self._owner.count("srtp")
            return
        self._heard_s = at_s
        try:
            self._owner.take_rtp(IN[0 : LENGTH[0]], at_s)
        except Exception:
            self._owner.count("bad_packet")  # as in _hand_over, without its call
