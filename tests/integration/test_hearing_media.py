"""Who receives whose packets in a hearing: the whole service with its real relay, counted at both ends."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import psutil
import pytest

from hearing_server.config import Config
from media.replay.clip import Clip
from media.replay.makers import drawn_clip
from media.sfu.client import SfuEngine
from tests.integration.conftest import Court, open_court
from tests.integration.media_client import MediaClient, until_true


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    return drawn_clip("seat", "navy", seconds=4, speech="I saw it", folder=Path(tmp_path_factory.getbasetemp()))


@pytest.fixture
async def court(config: Config) -> AsyncIterator[Court]:
    async with AsyncExitStack() as stack:
        yield await open_court(config, stack, make_engine=None)


async def join(court: Court, clip: Clip, role: str, number: int = 0) -> MediaClient:
    return await court.stack.enter_async_context(MediaClient(await court.join(role, number), clip))


async def sent_by_relay(court: Court, seat_id: str) -> int:
    stats = await court.service.media.stats(court.hearing_id)
    assert stats is not None
    return stats.peers[seat_id].rtp_packets_sent


async def test_a_witness_gets_nothing_until_called_and_nothing_after_release(court: Court, clip: Clip) -> None:
    judge, party, witness = [await join(court, clip, role) for role in ("presiding_judge", "party", "witness")]
    await judge.client.ask("start")
    await until_true(lambda: party.received(judge.seat_id) > 50 and judge.received(party.seat_id) > 50)
    await witness.peer.connected("downlink")
    assert await sent_by_relay(court, party.seat_id) >= 50  # control: the count would show it
    assert await sent_by_relay(court, witness.seat_id) == 0
    assert witness.received() == 0
    assert judge.received(witness.seat_id) == 0

    who = court.people["witness"][0]
    await judge.client.ask("call_witness", person_id=who)
    await witness.client.until_view(lambda view: view["me"]["testimony"] == "testifying")
    first_frame_s = await until_true(lambda: witness.key_frames() >= 2 and witness.received() > 0)
    await until_true(lambda: judge.received(witness.seat_id) > 10)
    print(f"admitted -> key frames of both: {first_frame_s * 1000:.0f} ms after the view")

    await judge.client.ask("release_witness", person_id=who)
    released_at_s = asyncio.get_running_loop().time()
    await witness.client.until_view(lambda view: view["me"]["testimony"] == "released")
    await asyncio.sleep(0.5)
    seen, counted = witness.received(), await sent_by_relay(court, witness.seat_id)
    party_seen = party.received(judge.seat_id)
    last = max(one.last_arrival_s or 0.0 for one in witness.peer.receptions())
    print(f"released -> last packet: {(last - released_at_s) * 1000:.0f} ms after the judge's answer")
    await asyncio.sleep(1)
    assert witness.received() == seen
    assert await sent_by_relay(court, witness.seat_id) == counted
    assert party.received(judge.seat_id) > party_seen + 20, "control: the others go on"


async def test_a_client_that_keeps_sending_while_muted_is_heard_by_nobody(court: Court, clip: Clip) -> None:
    judge, party = await join(court, clip, "presiding_judge"), await join(court, clip, "party")
    await judge.client.ask("start")
    await until_true(lambda: judge.received(party.seat_id) > 50)
    await judge.client.ask("mute", person_id=court.people["party"][0], lock=True)
    await asyncio.sleep(0.5)

    def audio() -> int:
        mids = [mid for mid, label in judge.labels.items() if label == (party.seat_id, "audio")]
        return sum(one.packets for one in judge.peer.receptions(kind="audio") if one.mid in mids)

    muted_mids = {one.mid: one.packets for one in judge.peer.receptions(kind="audio")}
    sent_before = party.peer.sent["audio"].packets
    video_before = sum(one.packets for one in judge.peer.receptions(kind="video"))
    await asyncio.sleep(1.5)
    assert party.peer.sent["audio"].packets > sent_before + 30, "the client goes on sending"
    assert {one.mid: one.packets for one in judge.peer.receptions(kind="audio")} == muted_mids
    assert sum(one.packets for one in judge.peer.receptions(kind="video")) > video_before + 5, "control: video goes on"
    assert audio() == 0 or (party.seat_id, "audio") not in judge.labels.values()
    await judge.client.ask("unmute", person_id=court.people["party"][0])
    await until_true(lambda: {one.mid: one.packets for one in judge.peer.receptions(kind="audio")} != muted_mids)


async def test_everybody_is_back_after_the_media_process_was_killed(court: Court, clip: Clip) -> None:
    judge, party = await join(court, clip, "presiding_judge"), await join(court, clip, "party")
    await judge.client.ask("start")
    await until_true(lambda: judge.received(party.seat_id) > 50 and party.received(judge.seat_id) > 50)
    assert isinstance(court.service.engine, SfuEngine)
    pid = court.service.engine.worker_pid(court.hearing_id)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    await judge.client.until(lambda: any(one.get("state") == "lost" for one in judge.client.notices))
    back_s = await until_true(
        lambda: judge.epochs == 2 and party.epochs == 2 and min(judge.key_frames(), party.key_frames()) > 0
    )
    print(f"media process killed -> everybody's picture: {back_s * 1000:.0f} ms")
    log = await court.service.office.hearings._events.read(court.hearing_id)
    assert [one.type for one in log if one.type.startswith("media:")] == ["media:lost", "media:restored"]
    assert court.service.office.hearings.hearing(court.hearing_id).state.value == "in_session"


async def test_the_media_process_ends_when_nobody_is_left_and_is_there_for_who_returns(
    court: Court, clip: Clip
) -> None:
    engine = court.service.engine
    assert isinstance(engine, SfuEngine)
    async with AsyncExitStack() as visit:
        judge, party = [
            await visit.enter_async_context(MediaClient(await court.join(role), clip))
            for role in ("presiding_judge", "party")
        ]
        await judge.client.ask("start")
        await until_true(lambda: judge.received(party.seat_id) > 20)
        pid = engine.worker_pid(court.hearing_id)
        assert pid is not None
        await party.client.socket.close()
        async with asyncio.timeout(60):
            while (stats := await court.service.media.stats(court.hearing_id)) and party.seat_id in stats.peers:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.1)
        assert engine.worker_pid(court.hearing_id) == pid, "control: one is left"
        await judge.client.socket.close()
        await until_true(lambda: engine.worker_pid(court.hearing_id) is None)
        await until_true(lambda: not psutil.pid_exists(pid))
    judge, party = await join(court, clip, "presiding_judge"), await join(court, clip, "party")
    await judge.client.ask("resume")  # without its judge the hearing was interrupted
    await until_true(lambda: judge.received(party.seat_id) > 20)
    log = await court.service.office.hearings._events.read(court.hearing_id)
    assert not [one.type for one in log if one.type.startswith("media:")], "nothing was lost"


async def test_an_observer_receives_and_can_send_nothing(court: Court, clip: Clip) -> None:
    judge, observer = await join(court, clip, "presiding_judge"), await join(court, clip, "observer")
    await judge.client.ask("start")
    await until_true(lambda: observer.received(judge.seat_id) > 30)
    answer = {"connection": "uplink", "epoch": 1, "negotiation": 1, "sdp": "v=0"}
    assert (await observer.client.ask("answer", **answer))["code"] in {"media_peer_unknown", "stale_negotiation"}
    assert not [one for one in observer.client.notices if one.get("connection") == "uplink"]
    assert judge.received(observer.seat_id) == 0
