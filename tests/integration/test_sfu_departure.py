"""Who has gone gets nothing more, and the relay says so without being asked."""

import asyncio

import pytest

from media.engine import PeerState, PeerStateChanged
from media.replay.clip import Clip
from tests.integration.sfu_room import ROOM, make_clip, plan, sfu_room


@pytest.fixture(scope="module")
def clip() -> Clip:
    return make_clip()


@pytest.mark.parametrize("says_goodbye", [True, False], ids=["closed", "silent"])
async def test_a_peer_that_is_gone_gets_nothing_more(clip: Clip, says_goodbye: bool) -> None:
    async with sfu_room() as room:
        await room.engine.apply(ROOM, plan(("ann", "bob"), ("ann", "cleo"), ("bob", "cleo")))
        await asyncio.gather(room.join("ann", clip), room.join("bob", clip), room.join("cleo"))
        await asyncio.gather(*(room.flowing(*pair) for pair in (("bob", "ann"), ("cleo", "ann"), ("cleo", "bob"))))
        bob = room.peers["bob"]
        if says_goodbye:
            await bob.aclose()
        else:
            bob.drop_incoming(1.0)
            bob.drop_outgoing(1.0)
        for connection in ("uplink", "downlink"):
            await room.until_event(
                PeerStateChanged,
                lambda event, connection=connection: (
                    (event.peer, event.connection, event.state)  # type: ignore[misc]
                    == ("bob", connection, PeerState.FAILED)
                ),
            )
        sent = await room.sent_to("bob")
        assert sent > 0
        await room.flowing("cleo", "ann", more=30)  # the control: the source goes on
        assert await room.sent_to("bob") == sent
        if says_goodbye:
            del room.peers["bob"]
        bob.drop_incoming(0)
        bob.drop_outgoing(0)
        await room.join("bob", clip)  # the same person comes back, on new connections
        await asyncio.gather(*(room.flowing(*pair) for pair in (("bob", "ann"), ("cleo", "bob"))))
