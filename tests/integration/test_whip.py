"""FFmpeg publishes into a seat of the courtroom: the plan decides who gets it, as for any seat."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from hearing_server.config import Config
from hearing_server.domain.attendance import Presence
from hearing_server.domain.ids import PersonId
from media.replay.clip import Clip
from media.replay.makers import drawn_clip
from tests.integration.conftest import Court, open_court
from tests.integration.decoding_tab import DecodingTab
from tests.integration.media_client import MediaClient, until_true
from tests.integration.whip_publisher import SIZE, WhipPublisher

pytestmark = pytest.mark.full  # FFmpeg, its encoder and two decoders beside the relay: too much for two busy cores


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    return drawn_clip("seat", "navy", seconds=4, speech="I saw it", folder=Path(tmp_path_factory.getbasetemp()))


@pytest.fixture
async def court(config: Config) -> AsyncIterator[Court]:
    async with AsyncExitStack() as stack:
        yield await open_court(config, stack, make_engine=None)


async def link_token(court: Court, person_id: PersonId) -> str:
    return (await court.service.office.entry.make_link(court.hearing_id, person_id)).split("#")[1]


async def publish(court: Court, person_id: PersonId, *options: str) -> WhipPublisher:
    token = await link_token(court, person_id)
    return await court.stack.enter_async_context(WhipPublisher(f"{court.url}/whip", token, *options))


def presence(court: Court, person_id: PersonId) -> Presence:
    return court.service.office.hearings.hearing(court.hearing_id).people[person_id].presence


def seat_of(court: Court, person_id: PersonId) -> str:
    return court.service.office.hearings.hearing(court.hearing_id).people[person_id].seat_id


async def log_of(court: Court, person_id: PersonId) -> list[str]:
    log = await court.service.office.hearings._events.read(court.hearing_id)
    return [one.type for one in log if person_id in str(one) and one.type.startswith("person:")]


def received_sound(client: MediaClient, seat_id: str) -> int:
    mids = {mid for mid, label in client.labels.items() if label == (seat_id, "audio")}
    return sum(one.packets for one in client.peer.receptions(kind="audio") if one.mid in mids)


def all_sound(client: MediaClient) -> int:
    return sum(one.packets for one in client.peer.receptions(kind="audio"))


async def quiet(client: MediaClient, for_s: float = 1.0, timeout_s: float = 60) -> int:
    """Wait until no sound has come for `for_s`; return how many packets have come.

    The relay stops at once; what it sent before may still wait in the socket of a busy machine.
    """
    loop = asyncio.get_running_loop()
    heard, since_s = all_sound(client), loop.time()
    async with asyncio.timeout(timeout_s):
        while loop.time() - since_s < for_s:
            await asyncio.sleep(0.05)
            if (now := all_sound(client)) != heard:
                heard, since_s = now, loop.time()
    return heard


async def taken_by_relay(court: Court, seat_id: str) -> dict[str, int]:
    """Packets of each kind that have come in from the seat."""
    stats = await court.service.media.stats(court.hearing_id)
    peer = None if stats is None else stats.peers.get(seat_id)
    return {} if peer is None else {kind.value: one.packets for kind, one in peer.received.items()}


async def arriving(court: Court, seat_id: str, more: int = 20) -> None:
    """Wait until the relay takes more packets of both kinds from the seat."""
    before = await taken_by_relay(court, seat_id)
    async with asyncio.timeout(60):
        while True:
            now = await taken_by_relay(court, seat_id)
            if all(now.get(kind, 0) > before.get(kind, 0) + more for kind in ("audio", "video")):
                return
            await asyncio.sleep(0.1)


async def until_gone(court: Court, seat_id: str) -> None:
    """Wait until the relay has no connection of the seat."""
    async with asyncio.timeout(60):
        while True:
            if seat_id not in (await court.service.engine.stats(court.hearing_id)).peers:
                return
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("options", [(), ("-whip_flags", "dtls_active")], ids=["passive", "active"])
async def test_ffmpeg_is_carried_as_the_hearing_says(
    court: Court, options: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = await court.stack.enter_async_context(MediaClient(await court.join("presiding_judge"), None))
    other = await court.stack.enter_async_context(DecodingTab(await court.join("party", 1), monkeypatch))
    party = court.people["party"][0]
    seat_id = seat_of(court, party)
    publisher = await publish(court, party, *options)
    await arriving(court, seat_id)
    assert presence(court, party) is Presence.PRESENT
    assert judge.received() == 0, "nothing is carried before the hearing has started"
    assert other.pictures.count(SIZE) == 0

    await judge.client.ask("start")
    await until_true(lambda: received_sound(judge, seat_id) > 30, 60)
    await until_true(lambda: other.pictures.count(SIZE) > 0, 90)

    await judge.client.ask("mute", person_id=party, lock=True)
    heard = await quiet(judge)
    await arriving(court, seat_id)  # control: the publisher goes on sending both
    assert all_sound(judge) == heard, "muted, whoever publishes"
    await judge.client.ask("unmute", person_id=party)
    await until_true(lambda: all_sound(judge) > heard, 60)

    await publisher.stop()
    await until_true(lambda: presence(court, party) is Presence.LEFT)
    assert (await log_of(court, party))[-1] == "person:left", "FFmpeg has ended its session itself"
    await until_gone(court, seat_id)


async def test_a_publisher_that_is_killed_is_lost_and_may_come_back(court: Court, clip: Clip) -> None:
    judge = await court.stack.enter_async_context(MediaClient(await court.join("presiding_judge"), clip))
    await judge.client.ask("start")
    party = court.people["party"][0]
    seat_id = seat_of(court, party)
    publisher = await publish(court, party)
    await until_true(lambda: received_sound(judge, seat_id) > 20, 60)
    publisher.kill()
    await until_true(lambda: presence(court, party) is Presence.LOST, 60)
    await until_gone(court, seat_id)
    heard = await quiet(judge)
    await publish(court, party)
    await until_true(lambda: all_sound(judge) > heard + 20, 60)
    assert await log_of(court, party) == ["person:entered", "person:lost", "person:returned"]


async def test_a_browser_replaces_a_publisher_and_a_new_link_ends_it(court: Court, clip: Clip) -> None:
    judge = await court.stack.enter_async_context(MediaClient(await court.join("presiding_judge"), clip))
    await judge.client.ask("start")
    party = court.people["party"][0]
    seat_id = seat_of(court, party)
    publisher = await publish(court, party)
    await until_true(lambda: received_sound(judge, seat_id) > 20, 60)

    browser = await court.join("party")
    await until_gone(court, seat_id)
    heard = await quiet(judge)
    await asyncio.sleep(1)
    assert all_sound(judge) == heard, "the seat is the browser's, although it sends nothing yet"
    assert publisher.is_running
    await court.stack.enter_async_context(MediaClient(browser, clip))
    await until_true(lambda: all_sound(judge) > heard + 20, 60)
    assert presence(court, party) is Presence.PRESENT

    second = await publish(court, party)
    await until_true(lambda: browser.is_closed)
    assert browser.notices[-1] == {"type": "goodbye", "code": "replaced"}
    await arriving(court, seat_id)
    clerk = await court.join("clerk")
    assert (await clerk.ask("reissue_link", person_id=party))["type"] == "ok"
    await until_true(lambda: presence(court, party) is Presence.LOST)
    await until_gone(court, seat_id)
    assert second.is_running
