"""One ICE + DTLS-SRTP transport of a replay peer: datagrams in and out, nothing else."""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

import aioice
import pylibsrtp
from aiortc import (
    RTCCertificate,
    RTCDtlsParameters,
    RTCDtlsTransport,
    RTCIceCandidate,
    RTCIceGatherer,
    RTCIceParameters,
    RTCIceTransport,
)
from aiortc.rtp import is_rtcp

logger = logging.getLogger(__name__)

MAX_DATAGRAM_BYTES: Final = 1472
"""What fits into one Ethernet frame; pylibsrtp raises ValueError beyond 1500, which would end a stock connection."""

MIN_SRTP_BYTES: Final = 12


class _BoundConnection(aioice.Connection):
    """Gathers host candidates on given addresses, loopback too, which aioice otherwise skips."""

    def __init__(self, addresses: Sequence[str]) -> None:
        super().__init__(ice_controlling=False)
        self._bind_to = list(addresses)

    async def gather_candidates(self) -> None:
        if not self._local_candidates_start:
            self._local_candidates_start = True
            self._local_candidates += await self.get_component_candidates(component=1, addresses=self._bind_to)
            self._local_candidates_end = True


class _BoundGatherer(RTCIceGatherer):
    def __init__(self, addresses: Sequence[str]) -> None:
        super().__init__(iceServers=[])
        self._connection = _BoundConnection(addresses)


class Loss:
    """Drops datagrams at random, the same ones for the same seed."""

    def __init__(self, ratio: float, seed: int) -> None:
        if not 0 <= ratio <= 1:
            raise ValueError(f"A loss ratio lies between 0 and 1, not {ratio}.")
        self._ratio = ratio
        self._random = random.Random(seed)  # noqa: S311 (a repeatable network, not a secret)

    def hits(self) -> bool:
        return self._ratio > 0 and self._random.random() < self._ratio


class Link:
    """Owns the sockets of one connection. `on_rtp` and `on_rtcp` are called from the socket's callback.

    `on_rtp(datagram)` gets SRTP as it came, so that a counting receiver may leave it encrypted: `decrypt` opens it.
    `on_rtcp(packet)` gets plain RTCP. `on_change` is called after every change of `state`.
    """

    def __init__(
        self,
        *,
        addresses: Sequence[str] | None,
        on_rtp: Callable[[bytes], None],
        on_rtcp: Callable[[bytes], None],
        on_change: Callable[[], None],
    ) -> None:
        gatherer = RTCIceGatherer(iceServers=[]) if addresses is None else _BoundGatherer(addresses)
        self.ice = RTCIceTransport(gatherer)
        self.dtls = RTCDtlsTransport(self.ice, [RTCCertificate.generateCertificate()])
        self.dropped: Counter[str] = Counter()
        self.loss_in, self.loss_out = Loss(0, 0), Loss(0, 0)
        self.delay_s = 0.0  # one way, for what comes and for what goes
        self.remote_ufrag: str | None = None
        self._on_rtp, self._on_rtcp, self._on_change = on_rtp, on_rtcp, on_change
        self._is_up = False  # aiortc makes its state a new string at each look: too slow for every packet
        self._task: asyncio.Task[None] | None = None
        self._is_closed = False

    @property
    def state(self) -> str:
        """One of new, connecting, connected, failed, closed."""
        if self._is_closed:
            return "closed"
        if "failed" in (self.ice.state, self.dtls.state):
            return "failed"
        if self.ice.state == "closed" or self.dtls.state == "closed":
            return "closed"
        return "connected" if self.dtls.state == "connected" else "connecting" if self._task else "new"

    async def gather(self) -> tuple[RTCIceParameters, Sequence[RTCIceCandidate], RTCDtlsParameters]:
        """Open the sockets and return what the answer says about this side."""
        await self.ice.iceGatherer.gather()
        for protocol in self.ice._connection._protocols:
            self._hook(protocol)
        return self.local_parameters()

    def local_parameters(self) -> tuple[RTCIceParameters, Sequence[RTCIceCandidate], RTCDtlsParameters]:
        """Return what `gather` returned."""
        gatherer = self.ice.iceGatherer
        return gatherer.getLocalParameters(), gatherer.getLocalCandidates(), self.dtls.getLocalParameters()

    def _hook(self, protocol: aioice.ice.StunProtocol) -> None:
        """Take media at the socket, before aioice tries to read it as STUN, and apply the injected loss."""
        to_aioice, stun_out, data_out = protocol.datagram_received, protocol.send_stun, protocol.send_data

        def datagram_received(data: bytes, address: tuple[str, int]) -> None:
            if self.loss_in.hits():
                self.dropped["loss_in"] += 1
            else:
                self._later(arrived, data, address)

        def arrived(data: bytes, address: tuple[str, int]) -> None:
            if data and 127 < data[0] < 192:
                self._media_received(data, address)
            else:
                to_aioice(data, address)

        def send_stun(message: aioice.stun.Message, address: tuple[str, int]) -> None:
            if self.loss_out.hits():
                self.dropped["loss_out"] += 1
            else:
                self._later(stun_out, message, address)

        async def send_data(data: bytes, address: tuple[str, int]) -> None:
            if self.loss_out.hits():
                self.dropped["loss_out"] += 1
            else:
                await data_out(data, address)

        # On the instance, so that nothing changes for other users of aioice in this process.
        protocol.__dict__.update(datagram_received=datagram_received, send_stun=send_stun, send_data=send_data)

    def connect(self, ice: RTCIceParameters, candidates: Sequence[RTCIceCandidate], dtls: RTCDtlsParameters) -> None:
        """Begin the ICE checks and the DTLS handshake in the background."""
        if self._task is not None:
            return
        self.remote_ufrag = ice.usernameFragment
        self.ice._connection.ice_controlling = bool(ice.iceLite)  # RFC 8445, 6.1.1: the offerer controls
        self.dtls._set_role("server" if dtls.role == "client" else "client")
        self.ice.on("statechange", self._transport_changed)
        self.dtls.on("statechange", self._transport_changed)
        self._task = asyncio.create_task(self._connect(ice, candidates, dtls))

    def _transport_changed(self) -> None:
        self._is_up = self.state == "connected"
        self._on_change()

    async def _connect(
        self, ice: RTCIceParameters, candidates: Sequence[RTCIceCandidate], dtls: RTCDtlsParameters
    ) -> None:
        for candidate in candidates:
            if candidate.protocol == "udp" and not candidate.ip.endswith(".local"):
                await self.ice.addRemoteCandidate(candidate)
        await self.ice.addRemoteCandidate(None)
        await self.ice.start(ice)
        if self.ice.state == "completed" and self.dtls.state == "new":
            await self.dtls.start(dtls)

    def _media_received(self, data: bytes, address: tuple[str, int]) -> None:
        if not MIN_SRTP_BYTES <= len(data) <= MAX_DATAGRAM_BYTES:
            self.dropped["length"] += 1
            return
        pair = self.ice._connection._nominated.get(1)
        if pair is None or pair.remote_addr != (address[0], address[1]):
            self.dropped["address"] += 1
        elif not self._is_up:
            self.dropped["early"] += 1
        elif not is_rtcp(data):
            self._on_rtp(data)
        else:
            try:
                plain = self.dtls._rx_srtp.unprotect_rtcp(data)
            except (pylibsrtp.Error, ValueError):
                self.dropped["srtcp"] += 1
            else:
                self._on_rtcp(plain)

    def decrypt(self, data: bytes) -> bytes | None:
        """Return the RTP packet in `data`; None when it is forged, replayed or too long."""
        try:
            return bytes(self.dtls._rx_srtp.unprotect(data))
        except (pylibsrtp.Error, ValueError):
            self.dropped["srtp"] += 1
            return None

    def send(self, packet: bytes) -> bool:
        """Encrypt and send one RTP or RTCP packet. False: not connected, or the packet is no RTP or too long."""
        if not self._is_up:
            return False
        session = self.dtls._tx_srtp
        try:
            data = session.protect_rtcp(packet) if is_rtcp(packet) else session.protect(packet)
        except (pylibsrtp.Error, ValueError):
            self.dropped["protect"] += 1
            return False
        return self.send_datagram(data)

    def send_datagram(self, data: bytes) -> bool:
        """Send `data` as it is, from the connected socket: for tests of what a server does with bad datagrams."""
        pair = self.ice._connection._nominated.get(1)
        if pair is None or self._is_closed:
            return False
        if self.loss_out.hits():
            self.dropped["loss_out"] += 1
        else:
            self._later(pair.protocol.transport.sendto, data, pair.remote_addr)
        return True

    def _later(self, act: Callable[..., object], *arguments: object) -> None:
        def due() -> None:
            if not self._is_closed:
                act(*arguments)

        if self.delay_s > 0:
            asyncio.get_running_loop().call_later(self.delay_s, due)
        else:
            act(*arguments)

    def local_address(self) -> tuple[str, int] | None:
        pair = self.ice._connection._nominated.get(1)
        return pair.local_addr if pair else None

    def remote_address(self) -> tuple[str, int] | None:
        pair = self.ice._connection._nominated.get(1)
        return pair.remote_addr if pair else None

    async def aclose(self) -> None:
        """Close the sockets. Safe to call twice."""
        if self._is_closed:
            return
        self._is_closed, self._is_up = True, False
        task, self._task = self._task, None
        if task is not None and not task.done():
            task.cancel()
            await asyncio.wait([task])
        await self.dtls.stop()
        await self.ice.stop()
        if self.ice._connection._protocols:  # ice.stop() leaves sockets open when start() was cut short
            await self.ice._connection.close()
        self._on_change()
