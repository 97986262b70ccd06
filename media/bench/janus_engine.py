"""Janus VideoRoom as an engine under test."""

from collections.abc import Sequence
from typing import Any, Final

from media.bench.child import Child
from media.bench.engines import for_each
from media.bench.janus_client import JanusClient
from media.bench.janus_process import JanusProcess
from media.bench.layout import Layout, Seat, rooms

_CONNECT_S: Final = 12.0


class JanusEngine:
    """One Janus for all rooms, as it is deployed. Clients offer their uplink, and answer the downlink's offer."""

    def __init__(self, *, event_loops: int | None = None) -> None:
        self.name = "janus_event_loops" if event_loops else "janus"
        self._event_loops = event_loops
        self._process = JanusProcess(event_loops=event_loops)
        self._client: JanusClient | None = None

    async def start(self) -> None:
        await self._process.start()
        self._client = JanusClient(self._process.port)
        await self._client.connect()

    async def connect(self, layout: Layout, load: Child) -> None:
        if self._client is None:
            raise RuntimeError("Janus was not started; call start() first.")
        for number, seats in enumerate(rooms(layout).values(), start=1001):
            await self._connect_room(self._client, number, seats, load)

    async def _connect_room(self, client: JanusClient, room: int, seats: Layout, load: Child) -> None:
        desk = await client.attach()
        create = {
            "request": "create", "room": room, "publishers": max(20, len(seats)), "bitrate": 0,
            "audiocodec": "opus", "videocodec": "vp8", "notify_joining": False,
        }  # fmt: skip
        await client.message(desk, create)
        feeds: dict[str, int] = {}

        async def publish(seat: Seat) -> None:
            feeds[seat.peer] = await _publish(client, room, seat.peer, load)

        async def subscribe(seat: Seat) -> None:
            await _subscribe(client, room, [feeds[source] for source in seat.sources], seat.peer, load)

        # One after the other: of handshakes at the same time Janus 1.1.2 now and then never finishes one.
        await for_each([seat for seat in seats if seat.sends], publish, at_once=1)
        await for_each([seat for seat in seats if seat.sources], subscribe, at_once=1)

    def pids(self) -> Sequence[int]:
        return [self._process.pid]

    def facts(self) -> dict[str, Any]:
        return {"version": self._process.version, "event_loops": self._event_loops}

    async def aclose(self) -> None:
        if self._client is not None:
            await self._client.aclose()
        await self._process.aclose()


async def _publish(client: JanusClient, room: int, peer: str, load: Child) -> int:
    """Connect the uplink of `peer`; return its feed."""
    handle = await client.attach()
    join = {"request": "join", "ptype": "publisher", "room": room, "display": peer}
    joined, _ = await client.message(handle, join)
    offer = (await load.call("make_offer", peer=peer))["sdp"]
    _, answer = await client.message(handle, {"request": "publish"}, {"type": "offer", "sdp": offer})
    await load.call("take_answer", peer=peer, sdp=answer)
    await load.call("connected", peer=peer, connections=["uplink"], timeout_s=_CONNECT_S)
    await client.up(handle)  # nobody can subscribe before
    return int(joined["id"])


async def _subscribe(client: JanusClient, room: int, feeds: Sequence[int], peer: str, load: Child) -> None:
    handle = await client.attach()
    join = {"request": "join", "ptype": "subscriber", "room": room, "streams": [{"feed": feed} for feed in feeds]}
    _, offer = await client.message(handle, join)
    answer = (await load.call("offer", peer=peer, connection="downlink", sdp=offer))["sdp"]
    await client.message(handle, {"request": "start"}, {"type": "answer", "sdp": answer})
    await load.call("connected", peer=peer, connections=["downlink"], timeout_s=_CONNECT_S)
