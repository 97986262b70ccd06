"""What every media engine promises: the fake of the service's tests and our own relay."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Protocol

import pytest

from media.engine import (
    BadSdpError,
    BadTapAddressError,
    ConnectionName,
    EngineEvent,
    MediaEngine,
    OfferMade,
    PeerNotConnectedError,
    PeerStateChanged,
    RoomLost,
    RoomNotOpenError,
    SlotsChanged,
    StaleNegotiationError,
)
from media.plan import Edge, Kind, Plan
from media.replay.peer import ReplayPeer
from media.sfu.client import SfuEngine
from tests.fakes.media_engine import FAKE_ANSWER, FakeMediaEngine
from tests.unit.test_ingest_offers import OFFER

ROOM = "h-1"
TIMEOUT_S = 40


class Browser(Protocol):
    """Whoever answers the engine's offers."""

    async def take_offer(self, connection: ConnectionName, sdp: str) -> str: ...


class FakeBrowser:
    async def take_offer(self, connection: ConnectionName, sdp: str) -> str:
        return FAKE_ANSWER


class UnderTest:
    """An engine, its events so far, and browsers that fit it."""

    def __init__(self, engine: MediaEngine, kill: Callable[[str], None]) -> None:
        self.engine = engine
        self.kill = kill
        self.seen: list[EngineEvent] = []
        self.browsers: dict[str, Browser] = {}
        self._changed = asyncio.Condition()
        self._follower = asyncio.create_task(self._follow())

    async def _follow(self) -> None:
        async for event in self.engine.events():
            async with self._changed:
                self.seen.append(event)
                self._changed.notify_all()

    async def until(self, condition: Callable[[EngineEvent], bool]) -> EngineEvent:
        """The first event, past or coming, that fits."""
        async with self._changed, asyncio.timeout(TIMEOUT_S):
            await self._changed.wait_for(lambda: any(map(condition, self.seen)))
        return next(event for event in self.seen if condition(event))

    async def offer(self, peer: str, connection: ConnectionName, epoch: int) -> OfferMade:
        def fits(event: EngineEvent) -> bool:
            return isinstance(event, OfferMade) and (event.peer, event.connection, event.epoch) == (
                peer, connection, epoch,
            )  # fmt: skip

        found = await self.until(fits)
        assert isinstance(found, OfferMade)
        return found

    async def answer(self, offer: OfferMade) -> None:
        sdp = await self.browsers[offer.peer].take_offer(offer.connection, offer.sdp)
        await self.engine.answer(ROOM, offer.peer, offer.connection, offer.epoch, offer.negotiation, sdp)

    async def aclose(self) -> None:
        self._follower.cancel()
        await asyncio.wait([self._follower])
        for browser in self.browsers.values():
            if isinstance(browser, ReplayPeer):
                await browser.aclose()
        await self.engine.aclose()
        await self.engine.aclose()  # safe to call twice


@pytest.fixture(params=["fake", "sfu"])
async def under_test(request: pytest.FixtureRequest) -> AsyncIterator[UnderTest]:
    names = ("ann", "bob", "cleo")
    if request.param == "fake":
        fake = FakeMediaEngine()
        found = UnderTest(fake, fake.kill)
        found.browsers = {name: FakeBrowser() for name in names}
    else:
        sfu = SfuEngine(addresses=("127.0.0.1",))

        def kill(room: str) -> None:
            pid = sfu.worker_pid(room)
            assert pid is not None
            os.kill(pid, signal.SIGKILL)

        found = UnderTest(sfu, kill)
        found.browsers = {name: ReplayPeer(addresses=["127.0.0.1"]) for name in names}
    yield found
    await found.aclose()


async def test_rooms_must_be_open_and_opening_and_closing_repeat(under_test: UnderTest) -> None:
    engine = under_test.engine
    with pytest.raises(RoomNotOpenError):
        await engine.open_peer(ROOM, "ann", sends=True, slots=1)
    with pytest.raises(RoomNotOpenError):
        await engine.apply(ROOM, Plan())
    await engine.open_room(ROOM)
    await engine.open_room(ROOM)
    await engine.open_peer(ROOM, "ann", sends=True, slots=1)
    await engine.close_peer(ROOM, "ann")
    await engine.close_peer(ROOM, "ann")
    await engine.close_peer(ROOM, "nobody")
    assert (await engine.stats(ROOM)).peers == {}
    await engine.close_room(ROOM)
    await engine.close_room(ROOM)
    with pytest.raises(RoomNotOpenError):
        await engine.stats(ROOM)


async def test_the_server_offers_both_and_a_receiver_gets_no_uplink(under_test: UnderTest) -> None:
    engine = under_test.engine
    await engine.open_room(ROOM)
    ann = await engine.open_peer(ROOM, "ann", sends=True, slots=2)
    bob = await engine.open_peer(ROOM, "bob", sends=False, slots=2)
    for connection in ("uplink", "downlink"):
        assert (await under_test.offer("ann", connection, ann)).negotiation == 1  # type: ignore[arg-type]  # both names
    await under_test.offer("bob", "downlink", bob)
    assert not [
        one for one in under_test.seen if isinstance(one, OfferMade) and (one.peer, one.connection) == ("bob", "uplink")
    ]
    with pytest.raises(PeerNotConnectedError):
        await engine.answer(ROOM, "bob", "uplink", bob, 1, FAKE_ANSWER)


async def test_answers_must_fit_the_open_offer(under_test: UnderTest) -> None:
    engine = under_test.engine
    await engine.open_room(ROOM)
    epoch = await engine.open_peer(ROOM, "ann", sends=True, slots=1)
    offer = await under_test.offer("ann", "uplink", epoch)
    with pytest.raises(PeerNotConnectedError):
        await engine.answer(ROOM, "nobody", "uplink", 1, 1, FAKE_ANSWER)
    with pytest.raises(StaleNegotiationError):
        await engine.answer(ROOM, "ann", "uplink", epoch, 7, FAKE_ANSWER)
    with pytest.raises(StaleNegotiationError):
        await engine.answer(ROOM, "ann", "uplink", epoch - 1, 1, FAKE_ANSWER)
    with pytest.raises(BadSdpError):
        await engine.answer(ROOM, "ann", "uplink", epoch, 1, "not SDP")
    await under_test.answer(offer)  # a bad answer has not used the offer up
    with pytest.raises(StaleNegotiationError):
        await engine.answer(ROOM, "ann", "uplink", epoch, 1, FAKE_ANSWER)
    connected = await under_test.until(lambda event: isinstance(event, PeerStateChanged))
    assert isinstance(connected, PeerStateChanged)
    assert (connected.peer, connected.connection, connected.state.value) == ("ann", "uplink", "connected")


async def test_candidates_nobody_can_use_change_nothing(under_test: UnderTest) -> None:
    engine = under_test.engine
    await engine.open_room(ROOM)
    epoch = await engine.open_peer(ROOM, "ann", sends=True, slots=1)
    for line in ("", "candidate:1 1 udp 1 a.local 9 typ host", "x" * 900, "candidate:1 1 tcp 1 10.0.0.1 9 typ host"):
        await engine.add_candidate(ROOM, "ann", "uplink", epoch, line)
    await engine.add_candidate(ROOM, "ann", "uplink", epoch - 1, "candidate:1 1 udp 1 127.0.0.1 9 typ host")
    with pytest.raises(PeerNotConnectedError):
        await engine.add_candidate(ROOM, "nobody", "uplink", 1, "")


async def test_a_new_peer_connection_has_a_new_epoch(under_test: UnderTest) -> None:
    engine = under_test.engine
    await engine.open_room(ROOM)
    first = await engine.open_peer(ROOM, "ann", sends=True, slots=1)
    second = await engine.open_peer(ROOM, "ann", sends=True, slots=1)
    assert second > first
    await under_test.offer("ann", "uplink", second)


async def test_slots_follow_the_plan(under_test: UnderTest) -> None:
    engine = under_test.engine
    await engine.open_room(ROOM)
    both = frozenset({("ann", Kind.AUDIO), ("ann", Kind.VIDEO)})
    to_bob = frozenset(Edge("ann", kind, "bob") for kind in Kind)
    await engine.apply(ROOM, Plan(both, to_bob))
    await engine.open_peer(ROOM, "ann", sends=True, slots=1)
    await engine.open_peer(ROOM, "bob", sends=True, slots=1)
    seated = await under_test.until(lambda event: isinstance(event, SlotsChanged) and event.peer == "bob")
    assert isinstance(seated, SlotsChanged)
    assert {(source, kind) for _, source, kind in seated.slots} == {("ann", Kind.AUDIO), ("ann", Kind.VIDEO)}
    await engine.apply(ROOM, Plan())
    await under_test.until(lambda event: isinstance(event, SlotsChanged) and event.peer == "bob" and event.slots == ())
    assert not [one for one in under_test.seen if isinstance(one, SlotsChanged) and one.peer == "ann" and one.slots]


async def test_a_room_that_is_lost_says_so_and_can_be_opened_again(under_test: UnderTest) -> None:
    engine = under_test.engine
    await engine.open_room(ROOM)
    before = await engine.open_peer(ROOM, "ann", sends=True, slots=1)
    under_test.kill(ROOM)
    lost = await under_test.until(lambda event: isinstance(event, RoomLost))
    assert isinstance(lost, RoomLost)
    assert (lost.room, lost.cause) == (ROOM, "signal 9")
    with pytest.raises(RoomNotOpenError):
        await engine.open_peer(ROOM, "ann", sends=True, slots=1)
    await engine.open_room(ROOM)
    assert await engine.open_peer(ROOM, "ann", sends=True, slots=1) > before, "the browser must see a new connection"


async def test_a_publisher_that_offers_is_answered_and_replaces_what_was_there(under_test: UnderTest) -> None:
    engine = under_test.engine
    with pytest.raises(RoomNotOpenError):
        await engine.ingest(ROOM, "ann", OFFER)
    await engine.open_room(ROOM)
    before = await engine.open_peer(ROOM, "ann", sends=True, slots=1)
    for bad in ("", "v=0", OFFER.replace("opus", "speex")):
        with pytest.raises(BadSdpError):
            engine.check_offer(bad)
        with pytest.raises(BadSdpError):
            await engine.ingest(ROOM, "ann", bad)
    await under_test.answer(await under_test.offer("ann", "uplink", before))  # a bad offer has changed nothing
    engine.check_offer(OFFER)
    answer = await engine.ingest(ROOM, "ann", OFFER)
    assert answer.epoch > before
    assert answer.sdp.startswith("v=0\r\n")
    with pytest.raises(StaleNegotiationError):
        await engine.answer(ROOM, "ann", "uplink", before, 1, FAKE_ANSWER)
    assert list((await engine.stats(ROOM)).peers) == ["ann"]
    await engine.open_peer(ROOM, "bob", sends=True, slots=1)
    both = frozenset(Edge(*pair) for kind in Kind for pair in (("ann", kind, "bob"), ("bob", kind, "ann")))
    await engine.apply(ROOM, Plan(frozenset((edge.source, edge.kind) for edge in both), both))
    await under_test.until(lambda event: isinstance(event, SlotsChanged) and event.peer == "bob" and bool(event.slots))
    told = [one for one in under_test.seen if isinstance(one, (SlotsChanged, OfferMade)) and one.peer == "ann"]
    assert not [one for one in told if one.epoch == answer.epoch], "a publisher is offered nothing"
    assert await engine.open_peer(ROOM, "ann", sends=True, slots=1) > answer.epoch
    await engine.close_peer(ROOM, "ann")


async def test_taps_stay_on_this_machine_and_repeat(under_test: UnderTest, tmp_path: Path) -> None:
    engine = under_test.engine
    address = ("127.0.0.1", 40_000)
    with pytest.raises(RoomNotOpenError):
        await engine.tap(ROOM, "ann", Kind.AUDIO, address)
    await engine.untap(ROOM, "ann", Kind.AUDIO, address)
    await engine.open_room(ROOM)
    for bad in (("192.0.2.1", 40_000), ("0.0.0.0", 40_000), ("localhost", 40_000), ("127.0.0.1", 0), "relative", ""):
        with pytest.raises(BadTapAddressError):
            await engine.tap(ROOM, "ann", Kind.AUDIO, bad)
    for good in (address, address, str(tmp_path / "tap")):
        await engine.tap(ROOM, "ann", Kind.AUDIO, good)
    for _ in range(2):
        await engine.untap(ROOM, "ann", Kind.AUDIO, address)
