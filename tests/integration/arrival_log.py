"""What each listener really got, packet by packet: kept by the client peers, whatever the relay believes."""

from collections import defaultdict

from media.plan import Kind
from media.replay.incoming import OnPacket, ReceivedPacket, Reception
from media.replay.playout import Playout, play_out
from tests.integration.sfu_room import SfuRoom


class ArrivalLog:
    """Every RTP packet that came to the peers that were given `of(name)`."""

    def __init__(self) -> None:
        self._packets: defaultdict[tuple[str, str], list[ReceivedPacket]] = defaultdict(list)

    def of(self, name: str) -> OnPacket:
        def note(stream: Reception, packet: ReceivedPacket) -> None:
            self._packets[name, stream.mid].append(packet)

        return note

    def packets(self, room: SfuRoom, receiver: str, source: str, kind: Kind) -> list[ReceivedPacket]:
        """What `receiver` got in the section that shows `source` now."""
        mid = next(mid for mid, who, what in room.slots[receiver] if (who, what) == (source, kind))
        return self._packets[receiver, mid]

    def sound(
        self, room: SfuRoom, receiver: str, source: str, since_s: float, until_s: float, buffer_s: float
    ) -> Playout:
        """How the sound that came between two moments (time.monotonic()) would have been played."""
        return play_out(
            (
                (packet.sequence, packet.timestamp, packet.arrival_s)
                for packet in self.packets(room, receiver, source, Kind.AUDIO)
                if since_s <= packet.arrival_s < until_s
            ),
            buffer_s=buffer_s,
        )
