"""What somebody who is not in the hearing may send to its ports: while people connect, and while they talk."""

import asyncio
import os
import socket
import struct
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Final

import pytest
from aioice import stun
from OpenSSL import SSL

from media.engine import OfferMade
from media.plan import Kind
from media.replay.clip import Clip
from media.replay.peer import ReplayPeer
from tests.integration.sfu_room import LOOPBACK, ROOM, SfuRoom, make_clip, plan, sfu_room

PER_SECOND: Final = 1500
WORST_ANSWERS: Final = 1.5
"""Bytes that may come back for each byte sent: a relay must not amplify (RFC 8489 answers with about as much)."""


@pytest.fixture(scope="module")
def clip() -> Clip:
    return make_clip()


def client_hello() -> bytes:
    """Return the first datagram of a real DTLS client."""
    connection = SSL.Connection(SSL.Context(SSL.DTLS_METHOD))
    connection.set_connect_state()
    with pytest.raises(SSL.WantReadError):
        connection.do_handshake()
    return connection.bio_read(2000)


def check_with_wrong_credentials() -> bytes:
    """Return an ICE check as a peer sends it, by somebody who knows neither name nor password."""
    request = stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)
    request.attributes["USERNAME"] = "nobo:dy12"
    request.attributes["PRIORITY"] = 1
    request.attributes["ICE-CONTROLLED"] = 1
    request.add_message_integrity(os.urandom(16))
    return bytes(request)


def media() -> bytes:
    return struct.pack("!BBHLL", 0x80, 111, 1, 1, 1) + os.urandom(60)


FLOODS: Final[dict[str, Callable[[], bytes]]] = {
    "checks": check_with_wrong_credentials,
    "hellos": client_hello,
    "media": media,
    "noise": lambda: os.urandom(300),
}


class Stranger:
    """Sends to whatever ports it has been told of, and counts what comes back."""

    def __init__(self, write: Callable[[], bytes]) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.targets: set[tuple[str, int]] = set()
        self.sent = self.sent_bytes = self.answered_bytes = 0
        self._write = write

    async def flood(self) -> None:
        datagrams = [self._write() for _ in range(64)]
        begun_s = time.monotonic()
        while True:
            wanted = int((time.monotonic() - begun_s) * PER_SECOND)
            while self.sent < wanted:
                for target in self.targets:
                    data = datagrams[self.sent % len(datagrams)]
                    self.socket.sendto(data, target)
                    self.sent_bytes += len(data)
                self.sent += 1
            self.drain()
            await asyncio.sleep(0.005)

    def drain(self) -> None:
        for answer in self._answers():
            self.answered_bytes += len(answer)

    def _answers(self) -> Iterator[bytes]:
        while True:
            try:
                yield self.socket.recv(2000)
            except BlockingIOError:
                return


@asynccontextmanager
async def flooding(write: Callable[[], bytes]) -> AsyncIterator[Stranger]:
    stranger = Stranger(write)
    task = asyncio.create_task(stranger.flood())
    try:
        yield stranger
    finally:
        task.cancel()
        await asyncio.wait([task])
        stranger.socket.close()


def ports(room: SfuRoom) -> set[tuple[str, int]]:
    """The relay's addresses, as its offers tell them."""
    lines = [line.split() for one in room.events if isinstance(one, OfferMade) for line in one.sdp.split("\r\n")]
    return {(words[4], int(words[5])) for words in lines if words and words[0].startswith("a=candidate")}


@pytest.mark.parametrize("what", FLOODS)
async def test_a_flood_while_people_talk_is_counted_and_not_heard(clip: Clip, what: str) -> None:
    async with sfu_room() as room:
        await room.engine.apply(ROOM, plan(("ann", "bob"), ("bob", "ann")))
        await asyncio.gather(room.join("ann", clip), room.join("bob", clip))
        await asyncio.gather(room.flowing("bob", "ann"), room.flowing("ann", "bob"))
        before = sum((await room.engine.stats(ROOM)).dropped_datagrams.values())
        async with flooding(FLOODS[what]) as stranger:
            stranger.targets = ports(room)
            assert len(stranger.targets) == 4, "two connections of two people"
            await asyncio.gather(
                room.flowing("bob", "ann", Kind.AUDIO, more=150), room.flowing("ann", "bob", Kind.AUDIO, more=150)
            )
            assert stranger.sent > 1000
            assert stranger.answered_bytes <= WORST_ANSWERS * stranger.sent_bytes
        assert sum((await room.engine.stats(ROOM)).dropped_datagrams.values()) - before > stranger.sent
        for one, other in (("ann", "bob"), ("bob", "ann")):
            reception = room.reception(one, other, Kind.AUDIO)
            assert reception is not None
            assert (reception.lost, reception.duplicates) == (0, 0)
            assert room.peers[one].unclaimed_packets == 0


@pytest.mark.parametrize("what", FLOODS)
async def test_a_flood_does_not_keep_people_from_connecting(clip: Clip, what: str) -> None:
    """A port may be guessed before its owner has connected: then nobody has proven anything yet."""
    async with sfu_room() as room, flooding(FLOODS[what]) as stranger:
        await room.engine.apply(ROOM, plan(("ann", "bob")))
        answer = room._answer

        async def answer_late(offer: OfferMade) -> None:
            stranger.targets = ports(room)
            await asyncio.sleep(1.0)
            await answer(offer)

        room._answer = answer_late  # type: ignore[method-assign]  # a slow browser
        await asyncio.gather(room.join("ann", clip), room.join("bob"))
        await room.flowing("bob", "ann")
        assert stranger.sent > 1000
        assert stranger.targets


def goodbye() -> bytes:
    """Return an alert in the clear that says the DTLS connection ends (RFC 6347, 4.1; RFC 5246, 7.2)."""
    return b"\x15\xfe\xfd" + bytes(2) + os.urandom(6) + b"\x00\x02\x01\x00"


FORGED: Final[dict[str, tuple[Callable[[], bytes], str | None]]] = {
    "checks": (check_with_wrong_credentials, "flood"),
    "hellos": (client_hello, None),  # a peer may begin anew (RFC 5764), so that these go as far as DTLS itself
    "goodbyes": (goodbye, None),
    "handshakes": (lambda: b"\x16\xfe\xfd" + os.urandom(200), None),
    "broken checks": (lambda: check_with_wrong_credentials()[:-1], "bad_stun"),
}


@pytest.mark.parametrize("what", FORGED)
async def test_a_flood_with_the_peers_own_address_ends_nothing(clip: Clip, what: str) -> None:
    write, reason = FORGED[what]
    async with sfu_room() as room:
        await room.engine.apply(ROOM, plan(("ann", "bob"), ("ann", "cleo"), ("bob", "cleo")))
        await asyncio.gather(room.join("ann", clip), room.join("bob", clip), room.join("cleo"))
        await asyncio.gather(room.flowing("bob", "ann"), room.flowing("cleo", "ann"), room.flowing("cleo", "bob"))
        ann = room.peers["ann"]
        for _ in range(20):
            for _ in range(60):
                ann.send_raw(write(), "uplink")
                ann.send_raw(write(), "downlink")
            await asyncio.sleep(0.05)
        if reason is not None:
            async with asyncio.timeout(45):
                while await room.dropped(reason) < 100:  # noqa: ASYNC110 (polls the relay)
                    await asyncio.sleep(0.1)
        await asyncio.gather(*(room.flowing(*pair, more=100) for pair in (("bob", "ann"), ("cleo", "ann"))))
        sound = room.reception("cleo", "bob", Kind.AUDIO)
        assert sound is not None
        assert (sound.lost, sound.duplicates) == (0, 0), "others do not notice"
        assert {ann.state("uplink"), ann.state("downlink")} == {"connected"}


async def test_a_stranger_with_the_peers_own_packets_is_not_heard(clip: Clip) -> None:
    """Whoever overhears a datagram and sends it first, from elsewhere, is no peer; the original still counts."""
    async with sfu_room() as room:
        await room.engine.apply(ROOM, plan(("ann", "bob")))
        ann: ReplayPeer
        ann, _ = await asyncio.gather(room.join("ann", clip), room.join("bob"))
        await room.flowing("bob", "ann")
        target = ann.remote_address("uplink")
        assert target is not None
        link = ann._links["uplink"]
        original = link.send_datagram
        refused = await room.dropped("wrong_source")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.bind((LOOPBACK[0], 0))
            overheard = 0

            def overhear(data: bytes) -> bool:
                nonlocal overheard
                overheard += 1
                stranger.sendto(data, target)
                return original(data)

            link.send_datagram = overhear  # type: ignore[method-assign]  # a tap on the wire
            await room.flowing("bob", "ann", Kind.AUDIO, more=100)
            link.send_datagram = original  # type: ignore[method-assign]  # restores
        async with asyncio.timeout(45):
            while await room.dropped("wrong_source") < refused + overheard:  # noqa: ASYNC110 (polls the relay)
                await asyncio.sleep(0.05)
        audio = room.reception("bob", "ann", Kind.AUDIO)
        assert audio is not None
        assert (audio.lost, audio.duplicates) == (0, 0)
