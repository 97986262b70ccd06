"""The one door between a hearing and the machinery that carries its sound and pictures."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Protocol

from media.plan import Kind, Plan
from media.quality import Health

ConnectionName = Literal["uplink", "downlink"]

TapAddress = str | tuple[str, int]
"""A Unix datagram socket's path, or (IPv4 loopback address, UDP port)."""


class MediaError(Exception):
    """Something the relay was asked cannot be done. `code` is stable."""

    code = "media_error"


class RoomNotOpenError(MediaError):
    code = "media_room_not_open"


class PeerNotConnectedError(MediaError):
    code = "media_peer_unknown"


class BadSdpError(MediaError):
    """The answer is too large, malformed, or not an answer to our offer."""

    code = "bad_sdp"


class StaleNegotiationError(MediaError):
    """The answer belongs to an offer that is no longer the current one."""

    code = "stale_negotiation"


class EngineDownError(MediaError):
    code = "media_down"


class BadTapAddressError(MediaError):
    """A tap's address is not on this machine, or is none."""

    code = "bad_tap_address"


class PeerState(StrEnum):
    CONNECTING = "connecting"
    CONNECTED = "connected"
    FAILED = "failed"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferMade:
    """The relay has an offer for a peer. One offer is in flight per connection."""

    room: str
    peer: str
    epoch: int  # grows with every new peer connection of this peer, also when its room was lost in between
    connection: ConnectionName
    negotiation: int  # grows with every offer of one connection
    sdp: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestAnswer:
    """The relay's answer to a publisher that made the offer itself."""

    epoch: int
    sdp: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotsChanged:
    """Which source uses which media section of a peer's downlink: (mid, source, kind)."""

    room: str
    peer: str
    epoch: int
    slots: tuple[tuple[str, str, Kind], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerStateChanged:
    room: str
    peer: str
    epoch: int
    connection: ConnectionName
    state: PeerState


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomLost:
    """The process that carried `room` died. Its peers are gone; open the room again."""

    room: str
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthChanged:
    """How well a peer's connections work, told when it has changed, at most once a second for each peer.

    None: not known yet, or no longer. While `is_video_paused` the peer is sent sound only; the relay sends pictures
    again by itself. `uplink_cap_bps` is the ceiling for the peer's pictures, lower while its uplink is bad.
    """

    room: str
    peer: str
    epoch: int
    uplink: Health | None
    downlink: Health | None
    is_video_paused: bool
    uplink_loss_ratio: float | None = None  # 0-1, of about the last two seconds
    downlink_loss_ratio: float | None = None
    uplink_cap_bps: int | None = None


EngineEvent = OfferMade | SlotsChanged | PeerStateChanged | RoomLost | HealthChanged


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamStats:
    """Counted at the relay, since the stream began."""

    packets: int
    bytes: int
    last_packet_age_s: float | None  # None: no packet yet
    loss_ratio: float | None = None  # 0-1, over the last report; of what this side received or the other side reports
    rtt_ms: float | None = None
    jitter_ms: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerStats:
    received: Mapping[Kind, StreamStats]  # from this peer
    sent: Mapping[str, Mapping[Kind, StreamStats]]  # to this peer, by source
    rtp_packets_sent: int  # every RTP packet (retransmissions too) ever sent to this peer


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomStats:
    peers: Mapping[str, PeerStats]
    dropped_datagrams: Mapping[str, int]  # reason -> count


class MediaEngine(Protocol):
    """Carries sound and pictures. It never decides who may hear whom: it does what the hearing tells it."""

    def warm_up(self) -> None:
        """Get ready for a room that may come soon. Optional: the first `open_room` does it otherwise."""

    async def open_room(self, room: str) -> None:
        """Make `room` ready. Opening an open room changes nothing."""

    async def close_room(self, room: str) -> None:
        """Disconnect everyone in `room`. Closing a closed room changes nothing."""

    async def open_peer(self, room: str, peer: str, *, sends: bool, slots: int) -> int:
        """Begin both peer connections of `peer`, replacing older ones, and return the new epoch.

        Offers arrive as `OfferMade` events. `sends` False: no uplink is offered. `slots` is how many audio and video
        sections the downlink offers at once; the relay offers more when the plan needs them.
        Raises RoomNotOpenError, EngineDownError.
        """

    def check_offer(self, offer_sdp: str) -> None:
        """Raises BadSdpError for an offer that `ingest` would refuse."""

    async def ingest(self, room: str, peer: str, offer_sdp: str) -> IngestAnswer:
        """Begin the uplink of a `peer` that makes the offer itself (WHIP, RFC 9725), replacing older connections.

        It only sends, and is told by no event but PeerStateChanged of its uplink. What becomes of its streams is the
        plan's business, as for anybody. Raises BadSdpError (then nothing has changed), RoomNotOpenError,
        EngineDownError.
        """
        ...

    async def answer(
        self, room: str, peer: str, connection: ConnectionName, epoch: int, negotiation: int, sdp: str
    ) -> None:
        """Take the browser's answer. Raises BadSdpError, StaleNegotiationError, PeerNotConnectedError."""

    async def add_candidate(self, room: str, peer: str, connection: ConnectionName, epoch: int, candidate: str) -> None:
        """Take a trickled candidate. Candidates of an older epoch and `.local` names are ignored."""

    async def close_peer(self, room: str, peer: str) -> None:
        """Disconnect `peer`. Closing a closed peer changes nothing."""

    async def apply(self, room: str, plan: Plan) -> None:
        """Make the relay carry exactly `plan`, also for peers that connect later.

        When this returns, no packet of a removed edge is sent any more. Raises RoomNotOpenError, EngineDownError.
        """

    async def request_keyframe(self, room: str, source: str) -> None:
        """Ask `source` for a key frame; throttled."""

    async def tap(self, room: str, source: str, kind: Kind, address: TapAddress) -> None:
        """Send plain RTP and sender reports of a stream to `address` too (see `media.taps.wire`), until `untap`.

        Only while the plan publishes the stream. The tap outlives the source's connections, not the room's process:
        after RoomLost tap again. Packets that the address cannot take are dropped. Tapping twice changes nothing.
        Raises RoomNotOpenError, BadTapAddressError, EngineDownError.
        """

    async def untap(self, room: str, source: str, kind: Kind, address: TapAddress) -> None:
        """End a tap: when this returns nothing is sent to `address` any more. Repeating changes nothing."""

    async def stats(self, room: str) -> RoomStats: ...

    def events(self) -> AsyncIterator[EngineEvent]:
        """All events of all rooms, in order. One consumer."""
        ...

    async def aclose(self) -> None:
        """Stop everything. Safe to call twice."""
