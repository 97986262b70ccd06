"""A browser with several network interfaces may send from any of them that ICE has proven, and from no other."""

import asyncio

from aioice.ice import CandidatePair

from media.replay.peer import ReplayPeer
from tests.integration.sfu_room import ROOM, SfuRoom, make_clip, plan, sfu_room


async def test_media_is_taken_from_every_proven_address_and_from_no_other() -> None:
    clip = make_clip()
    async with sfu_room() as room:
        await room.engine.apply(ROOM, plan(("ann", "bob")))
        ann = room.peers["ann"] = ReplayPeer(clip, addresses=["127.0.0.1", "127.0.0.2"])
        await room.engine.open_peer(ROOM, "ann", sends=True, slots=1)
        await asyncio.gather(room.connected("ann", "uplink", "downlink"), room.join("bob"))
        await room.flowing("bob", "ann")
        connection = ann._links["uplink"].ice._connection  # the test needs its second socket
        first = connection._nominated[1]
        socket = next(one for one in connection._protocols if one is not first.protocol)
        second = CandidatePair(socket, first.remote_candidate)

        original = ann._links["uplink"].send_datagram
        ann._links["uplink"].send_datagram = lambda data: (  # type: ignore[method-assign]  # to the other socket
            socket.transport.sendto(data, first.remote_addr) or True
        )
        await until_dropped(room)  # the control: an address that was not checked is refused
        connection._check_list.append(second)
        await asyncio.wait_for(connection.check_start(second), 30)
        await room.flowing("bob", "ann")
        ann._links["uplink"].send_datagram = original  # type: ignore[method-assign]  # restores

        # The relay has nominated what was proven last; a browser may go on sending from where it likes.
        connection._nominated[1] = first
        await room.flowing("bob", "ann", more=40)


async def until_dropped(room: SfuRoom) -> None:
    before = await room.dropped("wrong_source")
    async with asyncio.timeout(45):
        while await room.dropped("wrong_source") < before + 20:  # noqa: ASYNC110 (polls the relay)
            await asyncio.sleep(0.05)
