"""A hearing of two is recorded: the whole service, its relay, its recorder, and what is in the files afterwards."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from hearing_server.config import Config
from media.recording.entries import GapCause
from media.recording.segment import file_name
from media.replay.clip import Clip
from media.replay.makers import drawn_clip
from tests.integration.media_client import until_true
from tests.integration.recorded_court import PATIENCE_S, Recorded, between, captured_of, join, recorded_court


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    return drawn_clip("seat", "navy", seconds=4, speech="I saw it", folder=Path(tmp_path_factory.getbasetemp()))


@pytest.fixture
async def recorded(config: Config) -> AsyncIterator[Recorded]:
    async with recorded_court(config) as recorded:
        yield recorded


async def test_a_hearing_of_two_is_recorded(recorded: Recorded, clip: Clip) -> None:
    judge, party = await join(recorded.court, clip, "presiding_judge"), await join(recorded.court, clip, "party")
    now = recorded.court.service.office.hearings.now
    await judge.client.ask("start")
    await until_true(
        lambda: recorded.arrived(judge.seat_id) > 100_000 and recorded.arrived(party.seat_id) > 100_000, PATIENCE_S
    )
    await judge.client.ask("mute", person_id=recorded.court.people["party"][0])
    await until_true(lambda: bool(recorded.gaps(party.seat_id, GapCause.MUTE)), PATIENCE_S)
    muted_at = now()
    await asyncio.sleep(3)
    unmuted_at = now()
    files = len(list(recorded.folder(party.seat_id).glob("*.mkv")))
    await judge.client.ask("unmute", person_id=recorded.court.people["party"][0])
    await until_true(lambda: len(recorded.gaps(party.seat_id, GapCause.MUTE)) == 2, PATIENCE_S)
    await asyncio.sleep(1)
    assert len(list(recorded.folder(party.seat_id).glob("*.mkv"))) == files, "the picture went on: the same segment"

    await judge.client.ask("recess")
    await until_true(lambda: bool(recorded.gaps(judge.seat_id, GapCause.PAUSE)), PATIENCE_S)
    recessed_at = now()
    await asyncio.sleep(2)
    resumed_at = now()
    await judge.client.ask("resume")
    await until_true(lambda: len(recorded.gaps(judge.seat_id, GapCause.PAUSE)) == 4, PATIENCE_S)
    await asyncio.sleep(2)
    await judge.client.ask("close")
    await recorded.until_segments_are_logged()

    logged = [body["segment"] for body in await recorded.log("recording:segment_closed")]
    assert {one["seat_id"] for one in logged} == {judge.seat_id, party.seat_id}
    for one in logged:
        path = recorded.folder(one["seat_id"]) / file_name(one["number"])
        content = path.read_bytes()
        assert (hashlib.sha256(content).hexdigest(), len(content)) == (one["sha256"], one["size_bytes"])
        assert one["ended"] == "closed"
    assert {path.parent.name for path in recorded.files()} == {judge.seat_id, party.seat_id}, "nobody else"

    edge = timedelta(seconds=0.3)
    party_sound = await captured_of(recorded, party.seat_id, "audio")
    party_picture = await captured_of(recorded, party.seat_id, "video")
    judge_sound = await captured_of(recorded, judge.seat_id, "audio")
    muted = (muted_at + edge, unmuted_at - edge)
    assert between(party_sound, *muted) == 0
    assert between(judge_sound, *muted) > 50, "control: the judge was heard"
    assert between(party_picture, *muted) > 10, "control: the party was seen"
    assert between(party_sound, muted_at - timedelta(seconds=60), muted_at) > 50, "control: heard before"
    recess = (recessed_at + edge, resumed_at - edge)
    assert between(judge_sound, *recess) == between(party_sound, *recess) == between(party_picture, *recess) == 0
    assert between(judge_sound, resumed_at, resumed_at + timedelta(seconds=60)) > 25, "control: recorded afterwards"


async def test_nothing_of_a_waiting_room_or_of_the_clerk_who_talks_there_is_recorded(
    recorded: Recorded, clip: Clip
) -> None:
    judge, clerk, witness = [await join(recorded.court, clip, role) for role in ("presiding_judge", "clerk", "witness")]
    now = recorded.court.service.office.hearings.now
    await judge.client.ask("start")
    for one in (judge, clerk):
        await until_true(lambda one=one: recorded.arrived(one.seat_id) > 50_000, PATIENCE_S)
    await until_true(lambda: clerk.received(witness.seat_id) > 20, PATIENCE_S)  # control: the relay has its pictures
    await clerk.client.ask("talk_to", person_id=recorded.court.people["witness"][0])
    await until_true(lambda: witness.received(clerk.seat_id) > 50, PATIENCE_S)  # control: they hear each other
    talk_began_at = now()
    await asyncio.sleep(3)
    talk_ends_at = now()
    await clerk.client.ask("end_talk")
    await asyncio.sleep(2)
    await judge.client.ask("close")
    await recorded.until_segments_are_logged()

    assert {path.parent.name for path in recorded.files()} == {judge.seat_id, clerk.seat_id}
    assert not recorded.folder(witness.seat_id).exists()
    for kind in ("audio", "video"):
        at_clerk = await captured_of(recorded, clerk.seat_id, kind)
        at_judge = await captured_of(recorded, judge.seat_id, kind)
        assert between(at_clerk, talk_began_at, talk_ends_at) == 0
        assert between(at_judge, talk_began_at, talk_ends_at) > 10, "control: the courtroom was recorded meanwhile"
        assert between(at_clerk, talk_began_at - timedelta(seconds=60), talk_began_at) > 5, "control: the clerk, before"
