"""One ICE + DTLS-SRTP transport of the relay. The only module that touches private names of aiortc and aioice.

Media skips STUN parsing, queues and coroutines (see `host_socket`); everything else (STUN, DTLS) goes aioice's own way.
"""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import aioice
from aiortc import (
    RTCCertificate,
    RTCDtlsFingerprint,
    RTCDtlsParameters,
    RTCDtlsTransport,
    RTCIceCandidate,
    RTCIceGatherer,
    RTCIceParameters,
    RTCIceTransport,
)
from pylibsrtp import Session

from media.engine import PeerState
from media.ice import MAX_CANDIDATES, AddressSettings, RemoteCandidate
from media.sdp_checks import Answer
from media.sfu.fast_path import new_host_socket
from media.sfu.host_socket import MAX_DATAGRAM_BYTES, MIN_DATAGRAM_BYTES, HostSocket, Owner, Route
from media.sfu.reception import TokenBucket
from media.sfu.sdp import LocalCandidate, LocalTransport
from media.sfu.srtp import IN, IN_C, LENGTH, OUT, OUT_C, OUT_VIEW, protect, protect_rtcp, unprotect
from media.sfu.stream_path import StreamPath

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 15.0
MAX_RTCP_BYTES = 1400
MAX_QUEUED_HANDSHAKE = 64


class _Nominated(dict[int, Any]):
    """aioice's table of nominated pairs, which tells when it changes: a peer may move to another address."""

    def __init__(self, on_change: Callable[[], None]) -> None:
        self._on_change = on_change

    def __setitem__(self, component: int, pair: Any) -> None:
        super().__setitem__(component, pair)
        self._on_change()

    def clear(self) -> None:
        super().clear()
        self._on_change()


class _Connection(aioice.Connection):
    """Gathers host candidates on given addresses (loopback too, which aioice skips) and within a port range."""

    def __init__(self, settings: AddressSettings, owner: Owner) -> None:
        super().__init__(ice_controlling=True)
        self._settings = settings
        self._owner = owner
        self.hosts: dict[Any, HostSocket] = {}  # by protocol

    async def gather_candidates(self) -> None:
        if self._local_candidates_start:
            return
        self._local_candidates_start = True
        for address in self._settings.addresses:
            self._local_candidates.append(self._bind(address))
        self._local_candidates_end = True

    def _bind(self, address: str) -> Any:
        made = new_host_socket(address, self._settings.port_range, self._owner)
        protocol = aioice.ice.StunProtocol(self)
        made.open(protocol)
        self.hosts[protocol] = made
        self._protocols.append(protocol)
        host, bound = made.address
        protocol.local_candidate = aioice.Candidate(
            foundation=aioice.candidate.candidate_foundation("host", "udp", host),
            component=1,
            transport="udp",
            priority=aioice.candidate.candidate_priority(1, "host"),
            host=host,
            port=bound,
            type="host",
        )
        return protocol.local_candidate


class _Gatherer(RTCIceGatherer):
    def __init__(self, connection: _Connection) -> None:
        super().__init__(iceServers=[])
        self._connection = connection


class Transport:
    """One bundle: a socket per address, ICE, DTLS, SRTP.

    `on_rtp(packet, at_s)` and `on_rtcp(packet, at_s)` get plain bytes and the loop's time, `on_state` CONNECTED or
    FAILED; `on_route` is called when `route` has changed. Nothing here raises out of a socket's callback.
    """

    def __init__(
        self,
        *,
        settings: AddressSettings,
        certificate: RTCCertificate,
        dropped: Counter[str],
        on_rtp: Callable[[bytes, float], None],
        on_rtcp: Callable[[bytes, float], None],
        on_state: Callable[[PeerState], None],
        on_route: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._dropped = dropped
        self.take_rtp, self._on_rtcp = on_rtp, on_rtcp
        self._on_state, self._on_route = on_state, on_route
        self._time = asyncio.get_running_loop().time
        self._connection = _Connection(settings, self)
        self._ice = RTCIceTransport(_Gatherer(self._connection))
        self._dtls = RTCDtlsTransport(self._ice, [certificate])
        self._connection._nominated = _Nominated(self._find_route)
        self._dtls.on("statechange", self._on_dtls_state)
        self.route: Route | None = None
        self._host: HostSocket | None = None  # of the route
        self._rx: Session | None = None
        self.tx_session: Any = None
        self.tx: Any = None  # its C session
        self._paths: tuple[StreamPath, ...] = ()
        self._user = f"{self._connection.local_username}:".encode()
        self._peer_budget = TokenBucket(rate_per_s=200, burst=400)
        self._stranger_budget = TokenBucket(rate_per_s=100, burst=200)
        self._task: asyncio.Task[None] | None = None
        self._is_closed = False
        self._heard_s = self._time()
        self.sent_packets = 0  # RTP, handed to the socket
        self.is_connected = False

    @property
    def last_heard_s(self) -> float:
        """When the peer was heard last: media, RTCP or a check of the route."""
        return max(self._heard_s, *(host.last_heard_s for host in self._connection.hosts.values()), 0.0)

    async def gather(self) -> None:
        """Bind the sockets. Raises OSError when no port is free."""
        await self._ice.iceGatherer.gather()

    def be_controlled(self) -> None:
        """Before `start`: the peer made the offer, so it controls ICE (RFC 8445, section 6.1.1)."""
        self._connection.ice_controlling = False

    def local(self, session_id: int) -> LocalTransport:
        fingerprints = self._dtls.getLocalParameters().fingerprints
        sha256 = next(one.value for one in fingerprints if one.algorithm == "sha-256")
        return LocalTransport(
            session_id=session_id,
            username_fragment=self._connection.local_username,
            password=self._connection.local_password,
            fingerprint=sha256,
            candidates=tuple(
                LocalCandidate(
                    foundation=one.foundation,
                    priority=one.priority - index,
                    host=self._settings.advertise or one.host,
                    port=one.port,
                )
                for index, one in enumerate(self._connection.local_candidates)
            ),
        )

    def start(self, answer: Answer) -> None:
        """Connect to the peer that gave `answer`. Once."""
        if self._task is None and not self._is_closed:
            self._task = asyncio.create_task(self._connect(answer), name="connect")

    def may_take_candidate(self) -> bool:
        return not self._is_closed and len(self._connection.remote_candidates) < MAX_CANDIDATES

    async def add_candidate(self, candidate: RemoteCandidate) -> None:
        await self._ice.addRemoteCandidate(
            RTCIceCandidate(
                component=1,
                foundation=candidate.foundation,
                ip=candidate.host,
                port=candidate.port,
                priority=candidate.priority,
                protocol="udp",
                type=candidate.type,
            )
        )

    def count(self, reason: str, times: int = 1) -> None:
        """Count datagrams that were dropped."""
        self._dropped[reason] += times

    def carry(self, paths: Sequence[StreamPath]) -> None:
        """Say which streams may come. None comes any more that is not among them."""
        self._paths = tuple(paths)
        self._aim()

    def _find_route(self) -> None:
        pair = self._connection._nominated.get(1)
        host = None if pair is None else self._connection.hosts.get(pair.protocol)
        self.route = self._host = None
        if pair is not None and host is not None and not host.is_closing():
            self.route, self._host = host.route_to(pair.remote_addr), host
        self._aim()
        self._on_route()

    def _aim(self) -> None:
        """Let the socket of the route take the peer's media, and no other."""
        for host in self._connection.hosts.values():
            if host is self._host and self._rx is not None and self.route is not None:
                host.expect_media(self._rx._srtp[0], self.route.address)
                host.carry(self._paths)
            else:
                host.expect_media(None, None)
                host.carry(())

    def send_rtcp(self, packet: bytes) -> None:
        size = len(packet)
        if self.tx is None or size > MAX_RTCP_BYTES:
            return
        OUT[0:size] = packet
        LENGTH[0] = size
        if protect_rtcp(self.tx, OUT_C, LENGTH):
            self._dropped["protect_failed"] += 1
            return
        self._send(LENGTH[0])

    def send_rtp(self, size: int) -> None:
        """Protect and send the first `size` bytes of OUT."""
        if self.tx is None:
            return
        LENGTH[0] = size
        if protect(self.tx, OUT_C, LENGTH):
            self._dropped["protect_failed"] += 1
            return
        self.sent_packets += 1
        self._send(LENGTH[0])

    def _send(self, size: int) -> None:
        route = self.route
        if route is None:
            return
        try:
            route.send(OUT_VIEW[:size])
        except BlockingIOError:
            self._dropped["send_buffer_full"] += 1
        except OSError:
            self._dropped["send_failed"] += 1

    def take_datagram(self, host: HostSocket, data: bytes, address: tuple[str, int]) -> None:
        """Take what a socket does not take for media: handshakes, RTCP, other addresses, anything."""
        size = len(data)
        if size == 0 or size > MAX_DATAGRAM_BYTES:
            self._dropped["length"] += 1
            return
        first = data[0]
        if not 127 < first < 192:
            if first < 4 or 19 < first < 64:
                self._pass_on(host, data, address)
            else:
                self._dropped["unknown"] += 1
            return
        route, rx = self.route, self._rx
        if size < MIN_DATAGRAM_BYTES:
            self._dropped["length"] += 1
        elif route is None or not self._is_proven(route, host, address):
            self._dropped["wrong_source"] += 1
        elif rx is None:
            self._dropped["before_dtls"] += 1
        else:
            self._take_media(rx, data, size)

    def _is_proven(self, route: Route, host: HostSocket, address: tuple[str, int]) -> bool:
        """Whether ICE has checked the pair. A browser with several networks may send on another one than we do."""
        if route.address == address and host is self._host:
            return True
        succeeded = aioice.ice.CandidatePair.State.SUCCEEDED
        return any(one.state is succeeded for one in self._pairs(host, address))

    def _take_media(self, rx: Session, data: bytes, size: int) -> None:
        if 192 <= data[1] <= 223:  # RFC 5761, section 4
            packet = rx.unprotect_rtcp(data)
            self._heard_s = at_s = self._time()
            self._on_rtcp(packet, at_s)
            return
        IN[0:size] = data
        LENGTH[0] = size
        if unprotect(rx._srtp[0], IN_C, LENGTH):
            self._dropped["srtp"] += 1
            return
        self._heard_s = at_s = self._time()
        self.take_rtp(IN[0 : LENGTH[0]], at_s)

    def _pass_on(self, host: HostSocket, data: bytes, address: tuple[str, int]) -> None:
        route = self.route
        is_stun = data[0] < 4
        if route is not None:
            is_peer = self._is_proven(route, host, address)
        else:
            is_peer = not is_stun and self._is_expected(host, address)
        if not is_stun and not is_peer:
            self._dropped["wrong_source"] += 1
            return
        # Checks cost an HMAC and an answer. Those of strangers must not use up what the peer needs to connect.
        is_ours = is_peer or self._is_addressed_to_us(host, data)
        if not (self._peer_budget if is_ours else self._stranger_budget).take(self._time()):
            self._dropped["flood"] += 1
            return
        if not is_stun and self._connection._queue.qsize() > MAX_QUEUED_HANDSHAKE:
            self._dropped["flood"] += 1
            return
        try:
            if is_stun:
                aioice.stun.parse_message(data)  # what cannot be read aioice takes for DTLS, from anybody
            aioice.ice.StunProtocol.datagram_received(host.protocol, data, address)
            if route is not None and is_peer and is_stun:
                self._heard_s = self._time()
        except Exception as error:
            self._dropped["bad_stun"] += 1
            logger.debug("datagram dropped: %s", type(error).__name__)

    def _is_expected(self, host: HostSocket, address: tuple[str, int]) -> bool:
        """Whether the peer has named this address, or proven it by a check, though no pair is nominated yet."""
        return bool(self._pairs(host, address))

    def _pairs(self, host: HostSocket, address: tuple[str, int]) -> list[Any]:
        pairs = self._connection._check_list
        return [one for one in pairs if one.protocol is host.protocol and one.remote_addr == address]

    def _is_addressed_to_us(self, host: HostSocket, data: bytes) -> bool:
        """Whether a check names our fragment, which only the offer told, or answers one of our own."""
        return self._user in data or data[8:20] in host.protocol.transactions

    async def _connect(self, answer: Answer) -> None:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                # The end of candidates is never told: the peer may be found by its own checks (RFC 8445, 7.3.1.3).
                for candidate in answer.candidates:
                    await self.add_candidate(candidate)
                await self._ice.start(
                    RTCIceParameters(
                        usernameFragment=answer.username_fragment, password=answer.password, iceLite=answer.is_ice_lite
                    )
                )
                self._dtls._set_role("server" if answer.is_active else "client")
                await self._dtls.start(
                    RTCDtlsParameters(
                        fingerprints=[RTCDtlsFingerprint(algorithm=a, value=v) for a, v in answer.fingerprints]
                    )
                )
        except Exception as error:
            # aioice and aiortc raise what they like on what a peer sends; it is this peer's failure alone.
            logger.info("a peer could not be connected: %s", type(error).__name__)
            self._on_state(PeerState.FAILED)
            return
        if self._dtls.state != "connected":
            self._on_state(PeerState.FAILED)
            return
        self._rx, self.tx_session = self._dtls._rx_srtp, self._dtls._tx_srtp
        self.tx = self.tx_session._srtp[0]
        self._heard_s = self._time()
        self.is_connected = True
        self._aim()
        self._on_state(PeerState.CONNECTED)

    def _on_dtls_state(self) -> None:
        if self.is_connected and self._dtls.state != "connected":  # the peer said goodbye
            self._on_state(PeerState.FAILED)

    def retire(self) -> None:
        """Send and take nothing more, from this instant on: who has failed may not be there to be stopped later."""
        self.is_connected = False
        self.tx = self._rx = self.route = self._host = None
        self._aim()
        self._on_route()

    async def aclose(self) -> None:
        """Stop. Safe to call twice."""
        if self._is_closed:
            return
        self._is_closed = True
        self.retire()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        with contextlib.suppress(Exception):
            await self._dtls.stop()
        with contextlib.suppress(Exception):
            await self._ice.stop()
        await self._connection.close()
        self.route = self._host = None  # closing may have told of one again
        for host in self._connection.hosts.values():
            host.close()
