"""People come and go; what a room holds for them goes with them."""

import asyncio
import os
from pathlib import Path

import pytest
from aiortc import RTCCertificate

from media.engine import EngineEvent, OfferMade
from media.ice import AddressSettings
from media.plan import Kind
from media.replay.clip import Clip
from media.replay.peer import ReplayPeer
from media.sfu.room import Room
from tests.integration.sfu_room import LOOPBACK, make_clip, plan, until


@pytest.fixture(scope="module")
def clip() -> Clip:
    return make_clip()


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


async def visit(room: Room, offers: list[OfferMade], epoch: int, clip: Clip) -> None:
    """Two people come, see each other, and go, one without a word."""
    peers = {name: ReplayPeer(clip, addresses=LOOPBACK) for name in ("ann", "bob")}
    for name in peers:
        await room.open_peer(name, epoch, sends=True, slots=1)
    while offers:
        offer = offers.pop(0)
        answer = await peers[offer.peer].take_offer(offer.connection, offer.sdp)
        await room.answer(offer.peer, offer.connection, epoch, offer.negotiation, answer)
    await until(lambda: all(peer.packets_received(kind="video") > 3 for peer in peers.values()))
    if epoch % 2:
        await room.close_peer("ann")
        await room.close_peer("bob")
    for peer in peers.values():
        await peer.aclose()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts descriptors as Linux shows them")
async def test_tasks_sockets_and_timers_go_with_the_people(clip: Clip) -> None:
    offers: list[OfferMade] = []

    def emit(event: EngineEvent) -> None:
        if isinstance(event, OfferMade):
            offers.append(event)

    before_tasks, before_descriptors = asyncio.all_tasks(), descriptors()
    room = Room(
        "court",
        settings=AddressSettings(addresses=("127.0.0.1",)),
        certificate=RTCCertificate.generateCertificate(),
        emit=emit,
    )
    room.apply(plan(("ann", "bob"), ("bob", "ann")))
    room.tap("ann", Kind.AUDIO, ("127.0.0.1", 9))
    for epoch in range(1, 5):
        await visit(room, offers, epoch, clip)
    assert descriptors() > before_descriptors, "the control: a room in use holds some"
    await room.aclose()
    await room.aclose()
    await until(lambda: asyncio.all_tasks() == before_tasks)
    await until(lambda: descriptors() <= before_descriptors)
