"""A publisher that makes the offer itself (WHIP, RFC 9725): an uplink in foreign numbers, and nothing back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from struct import unpack_from

from media.sfu.connection import Surroundings
from media.sfu.ingest_sdp import IngestOffer, IngestSection, write_ingest_answer
from media.sfu.peer import Downlink, Uplink
from media.sfu.rtp import HEADER_BYTES, ONE_BYTE_PROFILE, layout, without_extensions
from media.sfu.source import Source


@dataclass(frozen=True, slots=True)
class Renaming:
    """The numbers of one section of a publisher, as the relay's own."""

    payload_types: Mapping[int, int]
    extensions: Mapping[int, int]

    def apply(self, packet: bytes) -> bytes | None:
        """Return an RTP packet in the relay's numbers, of the same length where its extensions can be rewritten.

        Extensions without a name here become padding (RFC 8285, section 4.2). None: another payload type.

        Raises BadRtpError: the header is longer than the packet.
        """
        payload_type = self.payload_types.get(packet[1] & 0x7F)
        if payload_type is None:
            return None
        renamed = bytearray(packet)
        renamed[1] = (packet[1] & 0x80) | payload_type
        if not packet[0] & 0x10:
            return bytes(renamed)
        payload_at = layout(packet).payload_at
        at = HEADER_BYTES + 4 * (packet[0] & 0x0F)
        if unpack_from("!H", packet, at)[0] != ONE_BYTE_PROFILE:
            return without_extensions(bytes(renamed), payload_at)
        self._rename_extensions(renamed, at + 4, payload_at)
        return bytes(renamed)

    def _rename_extensions(self, packet: bytearray, at: int, end: int) -> None:
        while at < end:
            head = packet[at]
            if head == 0:
                at += 1
                continue
            stop = min(end, at + 2 + (head & 0x0F))
            number = self.extensions.get(head >> 4)
            if number is None or at + 2 + (head & 0x0F) > end:
                packet[at:stop] = bytes(stop - at)
            else:
                packet[at] = number << 4 | (head & 0x0F)
            at = stop


class Ingest(Uplink):
    """Receives what a publisher has offered. The publisher opens ICE; there is nothing to negotiate again."""

    def __init__(
        self,
        around: Surroundings,
        room: str,
        peer: str,
        epoch: int,
        on_sources: Callable[[], None],
        offer: IngestOffer,
    ) -> None:
        super().__init__(around, room, peer, epoch, on_sources)
        self._offer_taken = offer
        self._renamings: dict[int, Renaming] = {}
        for section in offer.sections:
            self._renamings.update(_renamings(section))

    async def open(self) -> None:
        """Begin to connect. Raises OSError when no port is free."""
        await self.transport.gather()
        if not self._offer_taken.transport.is_ice_lite:
            self.transport.be_controlled()
        self.on_answer(self._offer_taken.transport)
        self.transport.start(self._offer_taken.transport)

    def written_answer(self) -> str:
        return write_ingest_answer(self.transport.local(self._session_id), self._offer_taken)

    def on_rtp(self, packet: bytes, at_s: float) -> None:
        renaming = self._renamings.get(int.from_bytes(packet[8:12], "big"))
        if renaming is None:
            self._around.dropped["unknown_ssrc"] += 1
            return
        renamed = renaming.apply(packet)
        if renamed is None:
            self._around.dropped["payload_type"] += 1
            return
        super().on_rtp(renamed, at_s)


def _renamings(section: IngestSection) -> dict[int, Renaming]:
    renaming = Renaming(section.payload_types, section.extensions)
    numbers = (section.ssrc, section.rtx_ssrc)
    return {number: renaming for number in numbers if number is not None}


class NoDownlink(Downlink):
    """The downlink of somebody who only sends: no socket, no section, and nothing is ever carried on it."""

    def __init__(self, around: Surroundings, room: str, peer: str, epoch: int) -> None:
        super().__init__(around, room, peer, epoch, slots=0)

    async def open(self) -> None:
        pass

    def offer(self) -> None:
        pass

    def seat(self, wanted: set[str]) -> bool:
        return False

    def connect(self, name: str, source: Source) -> None:
        pass

    def watch(self, at_s: float) -> None:
        pass
