"""What a peer may send with its own keys, or anybody from its address: a table of lies, each beside honest traffic."""

import asyncio
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import pytest

from media.plan import Kind
from media.replay.clip import Clip
from media.replay.outgoing import OutgoingStream
from media.replay.peer import ReplayPeer
from tests.integration.sfu_room import ROOM, SfuRoom, make_clip, plan, sfu_room, until

COPIES: Final = 20
RECEIVERS: Final = ("bob", "cleo")


@pytest.fixture(scope="module")
def clip() -> Clip:
    return make_clip()


@pytest.fixture
async def room(clip: Clip) -> AsyncIterator[SfuRoom]:
    """Ann lies, and dora is honest; bob and cleo receive both."""
    async with sfu_room() as opened:
        await opened.engine.apply(ROOM, plan(*((source, to) for source in ("ann", "dora") for to in RECEIVERS)))
        await asyncio.gather(opened.join("ann", clip), opened.join("dora", clip), *map(opened.join, RECEIVERS))
        await asyncio.gather(*(opened.flowing(to, source) for source in ("ann", "dora") for to in RECEIVERS))
        yield opened


async def carried(room: SfuRoom, receiver: str, source: str) -> int:
    """Packets of `source` that the relay has sent to `receiver`."""
    streams = (await room.engine.stats(ROOM)).peers[receiver].sent[source]
    return sum(stream.packets for stream in streams.values())


async def silence(room: SfuRoom, name: str) -> None:
    """Let `name` say nothing honest, until all that it had said has arrived."""
    peer = room.peers[name]
    peer.pause_audio()
    peer.pause_video()

    async def settled() -> bool:
        before = await carried(room, "bob", name)
        await asyncio.sleep(0.4)
        return await carried(room, "bob", name) == before

    async with asyncio.timeout(45):
        while not await settled():
            pass


def arrived(room: SfuRoom, source: str) -> dict[tuple[str, Kind], int]:
    return {(to, kind): room.packets(to, source, kind) for to in RECEIVERS for kind in Kind}


async def others_are_well(room: SfuRoom) -> None:
    """The control: dora's sound and picture flow to everybody, and not a packet of hers was lost or came twice."""
    await asyncio.gather(*(room.flowing(to, "dora", more=15) for to in RECEIVERS))
    for to in RECEIVERS:
        for kind in Kind:
            reception = room.reception(to, "dora", kind)
            assert reception is not None
            assert reception.duplicates == 0
        audio = room.reception(to, "dora", Kind.AUDIO)
        assert audio is not None
        assert audio.lost == 0
    assert all(peer.unclaimed_packets == 0 for peer in room.peers.values())


class Liar:
    """Writes packets with the numbers and SSRCs of a peer's streams, as its browser could."""

    def __init__(self, peer: ReplayPeer) -> None:
        streams = {one.section.kind: one for one in peer._sent.values()}  # its numbers are told nowhere else
        self.audio, self.video = streams["audio"], streams["video"]

    def head(
        self, stream: OutgoingStream, *, first: int = 0x80, kind: int | None = None, ssrc: int | None = None
    ) -> bytes:
        """Return the header of the next packet of `stream`; `first` and `kind`: its first byte and payload type."""
        number, stream._sequence = stream._sequence, (stream._sequence + 1) & 0xFFFF
        payload_type = stream.section.payload_type if kind is None else kind
        return struct.pack("!BBHLL", first, payload_type, number, 7, stream.stream.ssrc if ssrc is None else ssrc)

    def rtx(self, original: int, payload: bytes, *, first: int = 0x80) -> bytes:
        """Return an RTX packet of the picture that says it brings packet `original`."""
        kind, ssrc = self.video.section.rtx_payload_type, self.video.stream.rtx_ssrc
        assert kind is not None
        assert ssrc is not None
        head = struct.pack("!BBHLL", first, kind, self.video._next_rtx(), 7, ssrc)
        return head + struct.pack("!H", original & 0xFFFF) + payload

    def foreign_ssrc(self) -> bytes:
        return self.head(self.audio, ssrc=0x0BADBEEF) + b"sound"

    def unknown_payload_type(self) -> bytes:
        return self.head(self.audio, kind=100) + b"sound"

    def sound_as_picture(self) -> bytes:
        return self.head(self.video, kind=self.audio.section.payload_type) + b"sound"

    def resent_type_on_the_media_ssrc(self) -> bytes:
        return self.head(self.video, kind=self.video.section.rtx_payload_type) + b"\0\0again"

    def resent_that_was_not_missing(self) -> bytes:
        return self.rtx(self.video._sequence - 3, b"another picture")

    def resent_of_the_future(self) -> bytes:
        return self.rtx(self.video._sequence + 40, b"another picture")

    def resent_of_long_ago(self) -> bytes:
        return self.rtx(self.video._sequence - 20_000, b"another picture")

    def resent_without_a_number(self) -> bytes:
        return self.rtx(0, b"")[:12]

    def resent_with_more_padding_than_there_is(self) -> bytes:
        return self.rtx(self.video._sequence - 1, b"abc\xff", first=0xA0)

    def extension_longer_than_the_packet(self) -> bytes:
        return self.head(self.audio, first=0x90) + struct.pack("!HH", 0xBEDE, 3) + bytes(12)

    def huge_extension(self) -> bytes:
        return self.head(self.audio, first=0x90) + struct.pack("!HH", 0x1000, 250) + bytes(1000) + b"sound"

    def extension_elements_that_run_over(self) -> bytes:
        return self.head(self.audio, first=0x90) + struct.pack("!HH", 0xBEDE, 1) + b"\x00\x00\x00\x1f" + b"sound"

    def extension_that_names_many_sections(self) -> bytes:
        return self.head(self.audio, first=0x90) + struct.pack("!HH", 0xBEDE, 2) + b"\x12v00\x12v01" + b"sound"

    def fifteen_contributors(self) -> bytes:
        return self.head(self.audio, first=0x8F) + bytes(60) + b"sound"

    def more_padding_than_there_is(self) -> bytes:
        return self.head(self.audio, first=0xA0) + b"sound\xff"

    def nothing_at_all(self) -> bytes:
        return self.head(self.audio)

    def as_long_as_a_datagram_can_be(self) -> bytes:
        return self.head(self.audio) + bytes(1340)


@dataclass(frozen=True)
class Lie:
    """`reason`: how the relay counts it, None where it is a packet like others; `carried`: to each receiver, of one."""

    write: Callable[[Liar], bytes]
    reason: str | None = None
    carried: int = 0


LIES: Final[Sequence[Lie]] = (
    Lie(Liar.foreign_ssrc, "unknown_ssrc"),
    Lie(Liar.unknown_payload_type, "payload_type"),
    Lie(Liar.sound_as_picture, "payload_type"),
    Lie(Liar.resent_type_on_the_media_ssrc, "payload_type"),
    Lie(Liar.resent_that_was_not_missing),
    Lie(Liar.resent_of_the_future),
    Lie(Liar.resent_of_long_ago),
    Lie(Liar.resent_without_a_number),
    Lie(Liar.resent_with_more_padding_than_there_is),
    # Whose sound is odd harms nobody but themselves: it goes where theirs goes, once, without the odd extensions.
    Lie(Liar.extension_longer_than_the_packet, carried=1),
    Lie(Liar.huge_extension, carried=1),
    Lie(Liar.extension_elements_that_run_over, carried=1),
    Lie(Liar.extension_that_names_many_sections, carried=1),
    Lie(Liar.fifteen_contributors, carried=1),
    Lie(Liar.more_padding_than_there_is, carried=1),
    Lie(Liar.nothing_at_all, carried=1),
    Lie(Liar.as_long_as_a_datagram_can_be, carried=1),
)


async def test_every_lie_is_counted_and_nobody_gets_more_for_it(room: SfuRoom) -> None:
    ann = room.peers["ann"]
    liar = Liar(ann)
    await silence(room, "ann")
    for lie in LIES:
        name = lie.write.__name__
        counted = await room.dropped(lie.reason) if lie.reason else 0
        sent = {to: await carried(room, to, "ann") for to in RECEIVERS}
        for _ in range(COPIES):
            assert ann.send_encrypted(lie.write(liar)), name
        if lie.reason is not None:
            for _ in range(600):
                if await room.dropped(lie.reason) >= counted + COPIES:
                    break
                await asyncio.sleep(0.05)
            assert await room.dropped(lie.reason) >= counted + COPIES, (
                name,
                (await room.engine.stats(ROOM)).dropped_datagrams,
            )
        await room.flowing("bob", "dora", Kind.AUDIO, more=10)  # whatever was to be carried has been by now
        for to in RECEIVERS:
            assert await carried(room, to, "ann") - sent[to] == lie.carried * COPIES, name
    await others_are_well(room)
    ann.pause_audio(False)
    ann.pause_video(False)
    await asyncio.gather(*(room.flowing(to, "ann") for to in RECEIVERS))  # the liar, too, is still connected


async def recorded(room: SfuRoom, name: str) -> list[bytes]:
    """Return the very datagrams that `name` sends for a while, media and reports."""
    link = room.peers[name]._links["uplink"]
    sent: list[bytes] = []
    original = link.send_datagram

    def keep(data: bytes) -> bool:
        sent.append(data)
        return original(data)

    link.send_datagram = keep  # type: ignore[method-assign]  # observes
    await room.flowing("bob", name, more=15)
    link.send_datagram = original  # type: ignore[method-assign]  # restores
    return sent


def truncated(datagrams: Sequence[bytes]) -> list[bytes]:
    return [data[:size] for data in datagrams[:4] for size in (1, 5, 11, 12, 13, 21, 22, 23, len(data) - 1)]


def flipped(datagrams: Sequence[bytes]) -> list[bytes]:
    """Return one datagram with one bit wrong, at each of many places."""
    data = datagrams[0]
    places = range(8, len(data) * 8, 37)
    return [
        data[: bit // 8] + bytes((data[bit // 8] ^ 1 << bit % 8,)) + data[bit // 8 + 1 :]
        for bit in places
        if bit // 8 != 1  # the payload type decides whether it is taken for RTCP; that is for the random ones
    ]


def renumbered(datagrams: Sequence[bytes]) -> list[bytes]:
    """Return real packets under other numbers, so that the receiver guesses another rollover (RFC 3711, 3.3.1)."""
    media = [data for data in datagrams if not 192 <= data[1] <= 223]
    return [
        data[:2] + struct.pack("!H", int.from_bytes(data[2:4], "big") + jump & 0xFFFF) + data[4:]
        for data in media[:5]
        for jump in (1, 100, 0x7FFF, 0x8000, 0x8001, 0xFFFF)
    ]


@pytest.mark.parametrize(
    "spoil",
    [truncated, flipped, renumbered, lambda datagrams: [*datagrams] * 3],
    ids=["cut", "bit", "number", "replay"],
)
async def test_spoilt_copies_from_the_peers_own_address_go_no_further(
    room: SfuRoom, spoil: Callable[[Sequence[bytes]], list[bytes]]
) -> None:
    """A stranger who forges the sender's address can do no more than this."""
    ann = room.peers["ann"]
    real = await recorded(room, "ann")
    await room.flowing("bob", "ann", Kind.AUDIO, more=150)  # so that replayed ones are older than any window
    await silence(room, "ann")
    sent = {to: await carried(room, to, "ann") for to in RECEIVERS}
    got = arrived(room, "ann")
    before = sum((await room.engine.stats(ROOM)).dropped_datagrams.values())
    spoilt = spoil(real)
    assert len(spoilt) > 15
    for data in spoilt:
        ann.send_raw(data)
    async with asyncio.timeout(45):
        while sum((await room.engine.stats(ROOM)).dropped_datagrams.values()) < before + len(spoilt):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.05)
    assert {to: await carried(room, to, "ann") for to in RECEIVERS} == sent
    assert arrived(room, "ann") == got
    await others_are_well(room)
    ann.pause_audio(False)
    ann.pause_video(False)
    await asyncio.gather(*(room.flowing(to, "ann") for to in RECEIVERS))


async def test_packets_out_of_order_are_carried_once_each(room: SfuRoom) -> None:
    link = room.peers["ann"]._links["uplink"]
    original = link.send_datagram
    held: list[bytes] = []

    def shuffled(data: bytes) -> bool:
        held.append(data)
        if len(held) == 5:
            for place in (3, 0, 4, 2, 1):
                original(held[place])
                original(held[place])  # and each twice
            held.clear()
        return True

    link.send_datagram = shuffled  # type: ignore[method-assign]  # a bad network
    await asyncio.gather(*(room.flowing(to, "ann", Kind.AUDIO, more=100) for to in RECEIVERS))
    link.send_datagram = original  # type: ignore[method-assign]  # restores
    for data in held:
        original(data)
    await asyncio.gather(*(room.flowing(to, "ann", Kind.AUDIO, more=30) for to in RECEIVERS))
    for to in RECEIVERS:
        audio = room.reception(to, "ann", Kind.AUDIO)
        assert audio is not None
        assert (audio.lost, audio.duplicates) == (0, 0)
    assert await room.dropped("srtp") > 50, "the second copies"
    await others_are_well(room)


async def test_a_jump_of_numbers_harms_only_who_jumps(room: SfuRoom, clip: Clip) -> None:
    ann = room.peers["ann"]
    for stream in ann._sent.values():
        stream._sequence = (stream._sequence + 25_000) & 0xFFFF
    await asyncio.gather(*(room.flowing(to, "ann", Kind.AUDIO, more=30) for to in RECEIVERS))
    for stream in ann._sent.values():
        stream._sequence = (stream._sequence - 12_000) & 0xFFFF  # which its own cipher refuses to send
    await others_are_well(room)
    await room.join("ann", clip)
    await asyncio.gather(*(room.flowing(to, "ann") for to in RECEIVERS))
    await until(lambda: all(peer.unclaimed_packets == 0 for peer in room.peers.values()))
