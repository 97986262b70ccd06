"""A client without a camera: real ICE, DTLS and SRTP, pre-encoded media, nothing decoded."""

import asyncio
import secrets
import struct
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Literal, Self

from aiortc.rtp import RtcpPacket

from media.engine import ConnectionName
from media.replay.answer import Kind, OfferError, Section, SentStream, read_offer, write_answer
from media.replay.clip import Clip
from media.replay.incoming import OnPacket, Receiver, Reception
from media.replay.link import Link, Loss
from media.replay.outgoing import OutgoingStream, SentCount
from media.replay.playback import CLOCK_HZ, Playback

OnState = Callable[[ConnectionName, str], None]


class ReplayPeer:
    """One client with an uplink that plays a clip and a downlink that counts what arrives.

    It answers offers as a browser does. It never offers, never trickles, and never decodes. All calls belong to one
    event loop. Close it, or use it as `async with`.

    Args:
        clip: What the uplink sends. None: the uplink is answered as inactive.
        addresses: Local addresses to bind, for example ["127.0.0.1"]. None: every address but loopback, as aioice does.
        stamps: Stamp the last packet of each video frame and read such stamps; the pictures are spoilt.
        receive: "all" decrypts everything; "headers" counts by RTP headers, for load (see `Receiver`).
        on_state: Called with every state change of a connection: new, connecting, connected, failed, closed.
        on_packet: Called with every received RTP packet ("all" only).
    """

    def __init__(
        self,
        clip: Clip | None = None,
        *,
        addresses: Sequence[str] | None = None,
        stamps: bool = False,
        receive: Literal["all", "headers"] = "all",
        on_state: OnState | None = None,
        on_packet: OnPacket | None = None,
    ) -> None:
        self._clip, self._addresses, self._stamps = clip, addresses, stamps
        self._mode: Literal["all", "headers"] = receive
        self._on_state, self._on_packet = on_state, on_packet
        self._links: dict[ConnectionName, Link] = {}
        self._reported: dict[ConnectionName, str] = {}
        self._sent: dict[str, OutgoingStream] = {}  # by mid
        self._playback: Playback | None = None
        self._receiver = self._new_receiver()
        self._paused: dict[Kind, bool] = {"audio": False, "video": False}
        self._loss_in, self._loss_out = Loss(0, 0), Loss(0, 0)
        self._delay_s = 0.0
        self._cname = secrets.token_hex(8)
        self._lock = asyncio.Lock()
        self._changed = asyncio.Event()
        self._is_closed = False

    def _new_receiver(self) -> Receiver:
        return Receiver(mode=self._mode, stamps=self._stamps, on_packet=self._on_packet)

    # Negotiation

    async def take_offer(self, connection: ConnectionName, sdp: str) -> str:
        """Return the answer to `sdp` and begin to connect in the background.

        A second offer of the same connection renegotiates it; media goes on meanwhile. Raises OfferError when the
        offer cannot be answered, or belongs to a new connection and `restart` was not called.
        """
        async with self._lock:
            if self._is_closed:
                raise RuntimeError("This peer is closed; make a new one.")
            offer = read_offer(sdp)
            link = self._links.get(connection)
            if link is not None and link.remote_ufrag != offer.ice.usernameFragment:
                raise OfferError("This offer begins a new connection: call restart() first.")
            if link is None:
                link = self._open(connection)
            ice, candidates, dtls = await link.gather() if link.remote_ufrag is None else link.local_parameters()
            sent: dict[str, SentStream] = {}
            if connection == "uplink":
                self._choose_streams(link, offer.sections)
                sent = {mid: stream.stream for mid, stream in self._sent.items()}
            else:
                self._receiver.use(link, offer.sections)
            answer = write_answer(
                offer, receives=connection == "downlink", sent=sent, ice=ice, candidates=candidates, dtls=dtls
            )
            link.connect(offer.ice, offer.candidates, offer.dtls)
            return answer

    def _open(self, connection: ConnectionName) -> Link:
        def take_rtp(data: bytes) -> None:
            if connection == "downlink":
                self._receiver.take_rtp(data)

        link = Link(
            addresses=self._addresses,
            on_rtp=take_rtp,
            on_rtcp=lambda data: self._take_rtcp(connection, data),
            on_change=lambda: self._state_changed(connection, link),
        )
        link.loss_in, link.loss_out, link.delay_s = self._loss_in, self._loss_out, self._delay_s
        self._links[connection] = link
        return link

    def _choose_streams(self, link: Link, sections: Sequence[Section]) -> None:
        """Send on the first audio and the first video section that the offer wants from us, once chosen for good."""
        chosen = {stream.section.kind for stream in self._sent.values()}
        for section in sections:
            has_track = self._clip is not None and getattr(self._clip, section.kind) is not None
            if not section.is_wanted_from_us or section.kind in chosen or not has_track:
                continue
            chosen.add(section.kind)
            has_rtx = section.rtx_payload_type is not None
            announced = SentStream(ssrc=_new_ssrc(), rtx_ssrc=_new_ssrc() if has_rtx else None, cname=self._cname)
            self._sent[section.mid] = OutgoingStream(section, announced, CLOCK_HZ[section.kind], link)
        if self._playback is None and self._clip is not None:
            streams: dict[Kind, OutgoingStream] = {stream.section.kind: stream for stream in self._sent.values()}
            self._playback = Playback(self._clip, link, streams.get("audio"), streams.get("video"), stamps=self._stamps)
            self._playback.audio_is_paused = self._paused["audio"]
            self._playback.video_is_paused = self._paused["video"]

    async def restart(self) -> None:
        """Drop both connections, so that the offers of a new epoch can be answered. Counts begin anew."""
        async with self._lock:
            await self._drop_links()

    async def _drop_links(self) -> None:
        if self._playback is not None:
            self._playback.stop()
        self._receiver.stop()
        links, self._links = dict(self._links), {}
        self._playback, self._sent = None, {}
        self._receiver = self._new_receiver()
        self._reported = {}
        for link in links.values():
            await link.aclose()

    # State

    def state(self, connection: ConnectionName) -> str:
        """Return new, connecting, connected, failed or closed; new too when nothing was offered yet."""
        link = self._links.get(connection)
        return "closed" if self._is_closed else link.state if link else "new"

    async def connected(self, *connections: ConnectionName, timeout_s: float = 20.0) -> None:
        """Wait until `connections` (none given: those that were offered) are connected.

        Raises TimeoutError when they are not in time, ConnectionError as soon as one has failed or was closed.
        """
        async with asyncio.timeout(timeout_s):
            while True:
                self._changed.clear()
                states = {name: self.state(name) for name in connections or tuple(self._links)}
                if states and all(state == "connected" for state in states.values()):
                    return
                for name, state in states.items():
                    if state in ("failed", "closed"):
                        raise ConnectionError(f"The {name} is {state}; restart() and answer the next offers.")
                await self._changed.wait()

    def _state_changed(self, connection: ConnectionName, link: Link) -> None:
        if self._links.get(connection) is not link:
            return
        state = link.state
        if state == self._reported.get(connection):
            return
        self._reported[connection] = state
        if connection == "uplink" and self._playback is not None:
            self._playback.start() if state == "connected" else self._playback.stop()
        if connection == "downlink":
            self._receiver.start() if state == "connected" else self._receiver.stop()
        self._changed.set()
        if self._on_state is not None:
            self._on_state(connection, state)

    # Media

    def _take_rtcp(self, connection: ConnectionName, data: bytes) -> None:
        try:
            packets = RtcpPacket.parse(data)
        except (ValueError, IndexError, struct.error):
            self._links[connection].dropped["rtcp"] += 1
            return
        if connection == "downlink":
            self._receiver.take_rtcp(packets)
            return
        for packet in packets:
            for stream in self._sent.values():
                stream.take_feedback(packet)

    def play(self, clip: Clip) -> None:
        """Send `clip` from now on; a track that is the same object goes on where it is."""
        self._clip = clip
        if self._playback is not None:
            self._playback.play(clip)

    def pause_audio(self, is_paused: bool = True) -> None:
        """Send no audio packets, or send again."""
        self._paused["audio"] = is_paused
        if self._playback is not None:
            self._playback.audio_is_paused = is_paused

    def pause_video(self, is_paused: bool = True) -> None:
        """Send no video packets, or send again, beginning with a key frame."""
        self._paused["video"] = is_paused
        if self._playback is not None:
            self._playback.video_is_paused = is_paused

    def send_raw(self, datagram: bytes, connection: ConnectionName = "uplink") -> bool:
        """Send `datagram` unencrypted from the connected socket. False: not connected."""
        link = self._links.get(connection)
        return link is not None and link.send_datagram(datagram)

    def send_encrypted(self, packet: bytes, connection: ConnectionName = "uplink") -> bool:
        """Send any RTP or RTCP `packet` with valid SRTP: lying reports, foreign SSRCs. False: not connected."""
        link = self._links.get(connection)
        return link is not None and link.send(packet)

    def send_padding(self, count: int = 4) -> None:
        """Send RTX padding probes on the video stream, as Chromium does before its first frame."""
        for stream in self._sent.values():
            if stream.section.kind == "video":
                stream.send_padding(count)

    def ask_key_frame(self, mid: str | None = None) -> None:
        """Send a PLI for the video received on `mid`; None: for all."""
        for stream in self.receptions(mid=mid, kind="video"):
            self._receiver.ask_key_frame(stream.ssrc)

    def drop_incoming(self, ratio: float, seed: int = 0) -> None:
        """Lose each incoming datagram (media, STUN, DTLS; both connections) with probability `ratio`; 1.0 cuts."""
        self._loss_in = Loss(ratio, seed)
        for link in self._links.values():
            link.loss_in = self._loss_in

    def drop_outgoing(self, ratio: float, seed: int = 0) -> None:
        """Lose each outgoing datagram in the same way."""
        self._loss_out = Loss(ratio, seed)
        for link in self._links.values():
            link.loss_out = self._loss_out

    def delay(self, one_way_s: float) -> None:
        """Hold every datagram back for `one_way_s`, in and out (the DTLS handshake: in only)."""
        self._delay_s = one_way_s
        for link in self._links.values():
            link.delay_s = one_way_s

    # Counts

    @property
    def sent(self) -> Mapping[Kind, SentCount]:
        """Counts of what the uplink sends, by kind, of the current epoch."""
        return {stream.section.kind: stream.count for stream in self._sent.values()}

    @property
    def sent_ssrcs(self) -> Mapping[Kind, int]:
        """The media SSRCs that the uplink's answer announced."""
        return {stream.section.kind: stream.stream.ssrc for stream in self._sent.values()}

    def receptions(self, *, mid: str | None = None, kind: Kind | None = None) -> list[Reception]:
        """Return the live counts of the streams received in this epoch, of one section or kind if given."""
        return [
            stream
            for stream in self._receiver.streams.values()
            if mid in (None, stream.mid) and kind in (None, stream.kind)
        ]

    def packets_received(self, *, mid: str | None = None, kind: Kind | None = None) -> int:
        """Return how many RTP packets, retransmitted ones too, arrived in this epoch."""
        return sum(stream.packets + stream.recovered for stream in self.receptions(mid=mid, kind=kind))

    @property
    def unclaimed_packets(self) -> int:
        """RTP packets that belong to no offered section: a relay that sends them has a fault."""
        return self._receiver.unclaimed

    def dropped(self, connection: ConnectionName) -> Mapping[str, int]:
        """Return how many datagrams this peer dropped: length, address, early, srtp, srtcp, rtcp, loss_in, loss_out."""
        link = self._links.get(connection)
        return link.dropped if link else Counter()

    def local_address(self, connection: ConnectionName) -> tuple[str, int] | None:
        """Return the address of the nominated pair's own side; None: not connected."""
        link = self._links.get(connection)
        return link.local_address() if link else None

    def remote_address(self, connection: ConnectionName) -> tuple[str, int] | None:
        """Return the server's media address; None: not connected."""
        link = self._links.get(connection)
        return link.remote_address() if link else None

    async def aclose(self) -> None:
        """Close everything. Safe to call twice."""
        self._is_closed = True
        async with self._lock:
            await self._drop_links()
        self._changed.set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


def _new_ssrc() -> int:
    return 1 + secrets.randbelow(0xFFFFFFFE)
