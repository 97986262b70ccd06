"""One peer connection of the relay: offers, answers, candidates, silence. Its subclasses say what it carries."""

import logging
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from secrets import randbits

from aiortc import RTCCertificate

from media.engine import ConnectionName, OfferMade, PeerState, PeerStateChanged, StaleNegotiationError
from media.ice import AddressSettings, parse_candidate
from media.sdp_checks import Answer, ExpectedSection, parse_answer
from media.sfu.codecs import CODECS
from media.sfu.reception import TokenBucket
from media.sfu.sdp import OfferedSection, write_offer
from media.sfu.source import Timers
from media.sfu.transport import Transport

logger = logging.getLogger(__name__)

SILENCE_TIMEOUT_S = 12.0


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every connection of one relay process shares."""

    settings: AddressSettings
    certificate: RTCCertificate
    dropped: Counter[str]
    emit: Callable[[OfferMade | PeerStateChanged], None]
    timers: Timers


class Connection(ABC):
    """One peer connection that the relay offers. One offer is in flight at a time."""

    name: ConnectionName

    def __init__(self, around: Surroundings, room: str, peer: str, epoch: int) -> None:
        self._around = around
        self._room, self._peer, self._epoch = room, peer, epoch
        self._session_id = randbits(62)
        self._negotiation = 0
        self._offered: Sequence[OfferedSection] = ()
        self._is_answered = True
        self._wants_offer = False
        self._rtcp_budget = TokenBucket(rate_per_s=200, burst=400)
        self.state = PeerState.CONNECTING
        self.transport = Transport(
            settings=around.settings,
            certificate=around.certificate,
            dropped=around.dropped,
            on_rtp=self.on_rtp,
            on_rtcp=self.on_rtcp,
            on_state=self._on_state,
            on_route=self.on_route,
        )

    async def open(self) -> None:
        await self.transport.gather()
        self.offer()

    def offer(self) -> None:
        """Send an offer now, or after the answer that is being waited for."""
        if not self._is_answered:
            self._wants_offer = True
            return
        self._wants_offer, self._is_answered = False, False
        self._negotiation += 1
        self._offered = tuple(self.sections())
        local = self.transport.local(self._session_id)
        self._around.emit(
            OfferMade(
                room=self._room,
                peer=self._peer,
                epoch=self._epoch,
                connection=self.name,
                negotiation=self._negotiation,
                sdp=write_offer(local, self._negotiation, self._offered),
            )
        )

    def answer(self, negotiation: int, sdp: str) -> None:
        """Take the peer's answer. Raises BadSdpError, StaleNegotiationError; then nothing has changed."""
        if negotiation != self._negotiation or self._is_answered:
            raise StaleNegotiationError(f"negotiation {negotiation} is not the one that is open")
        expected = [
            ExpectedSection(
                mid=section.mid,
                kind=section.kind,
                rtpmap={codec.payload_type: codec.encoding for codec in CODECS[section.kind]},
            )
            for section in self._offered
        ]
        parsed = parse_answer(sdp, expected)
        self._is_answered = True
        self.on_answer(parsed)
        self.transport.start(parsed)
        if self._wants_offer:
            self.offer()

    async def add_candidate(self, line: str) -> None:
        candidate = parse_candidate(line)
        if candidate is not None and self.transport.may_take_candidate():
            await self.transport.add_candidate(candidate)

    def watch(self, at_s: float) -> None:
        """A connection from which nothing at all is heard has failed, whatever ICE still believes."""
        if self.state is PeerState.CONNECTED and at_s - self.transport.last_heard_s > SILENCE_TIMEOUT_S:
            self._on_state(PeerState.FAILED)

    async def aclose(self) -> None:
        await self.transport.aclose()

    @abstractmethod
    def sections(self) -> Sequence[OfferedSection]: ...

    @abstractmethod
    def on_answer(self, answer: Answer) -> None: ...

    def on_rtp(self, packet: bytes, at_s: float) -> None:
        self._around.dropped["unexpected_rtp"] += 1

    @abstractmethod
    def on_rtcp(self, data: bytes, at_s: float) -> None: ...

    def on_route(self) -> None:  # noqa: B027 - most have nothing to do here
        """Hook for a peer that moved to another address, or is gone."""

    def on_connected(self) -> None:  # noqa: B027 - most have nothing to do here
        """Hook for what can begin now."""

    def _on_state(self, state: PeerState) -> None:
        if state is self.state:
            return
        self.state = state
        self._around.emit(
            PeerStateChanged(room=self._room, peer=self._peer, epoch=self._epoch, connection=self.name, state=state)
        )
        if state is PeerState.CONNECTED:
            self.on_connected()
        elif state is PeerState.FAILED:
            self.transport.retire()
