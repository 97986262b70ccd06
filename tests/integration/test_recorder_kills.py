"""A recorder or a relay that is killed in a hearing: what is kept, how soon it is recorded again, what the log says."""

import asyncio
import hashlib
import os
import random
import signal
import statistics
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import av
import pytest

from hearing_server.config import Config
from media.plan import Kind
from media.recording.segment import file_name
from media.replay.clip import Clip
from media.replay.makers import drawn_clip
from media.sfu.client import SfuEngine
from tests.integration.media_client import MediaClient, until_true
from tests.integration.recorded_court import PATIENCE_S, Recorded, captured, join, recorded_court

AT_MOST_LOST_S = 1.0


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    return drawn_clip("seat", "navy", seconds=4, speech="I saw it", folder=Path(tmp_path_factory.getbasetemp()))


@pytest.fixture
async def recorded(config: Config) -> AsyncIterator[Recorded]:
    async with recorded_court(config) as recorded:
        yield recorded


@dataclass(slots=True)
class Kills:
    """When the recorder was killed, by the room's clock, and how long its court had to wait for what."""

    at: list[datetime] = field(default_factory=list)
    told_s: list[float] = field(default_factory=list)
    written_s: list[float] = field(default_factory=list)


def readable(path: Path) -> int:
    """Open the file as any player does, and return how many packets can be read to its end."""
    with av.open(path) as file:
        return sum(packet.size > 0 for packet in file.demux())


def grown(recorded: Recorded, seat_ids: Iterable[str], beyond: dict[str, int]) -> bool:
    return all(recorded.arrived(seat_id) > beyond[seat_id] for seat_id in seat_ids)


async def until_written(recorded: Recorded, seat_ids: Iterable[str], more_bytes: int = 15_000) -> None:
    """Until the files of each seat have grown: some clusters of sound and picture are on the disk."""
    beyond = {seat_id: recorded.arrived(seat_id) + more_bytes for seat_id in seat_ids}
    await until_true(lambda: grown(recorded, beyond, beyond), PATIENCE_S)


async def kill_recorder(recorded: Recorded, judge: MediaClient, seat_ids: list[str], kills: Kills) -> None:
    """Kill it, and wait until its court was told and everybody is recorded again."""
    process_id = recorded.recorders[0].process_id
    assert process_id is not None
    before = {seat_id: recorded.arrived(seat_id) for seat_id in seat_ids}
    os.kill(process_id, signal.SIGKILL)
    kills.at.append(datetime.now(UTC))
    killed_s = time.monotonic()
    await judge.client.until_view(lambda view: view["recording"]["problem_code"] == "recorder_not_responding")
    kills.told_s.append(time.monotonic() - killed_s)
    await until_true(lambda: recorded.recorders[0].process_id not in (None, process_id), PATIENCE_S)
    # A header is less than 1 kB: more than that is media.
    await until_true(lambda: grown(recorded, seat_ids, {one: size + 2_000 for one, size in before.items()}), PATIENCE_S)
    kills.written_s.append(time.monotonic() - killed_s)


def outage_s(frames: list[datetime], killed_at: datetime) -> tuple[float, float]:
    """Return how much before the kill was lost, and how long after it the record goes on, from capture times.

    The first is an upper bound: what was captured last may not have reached the recorder when it was killed.
    """
    before = max(at for at in frames if at <= killed_at)
    after = min(at for at in frames if at > killed_at)
    return (killed_at - before).total_seconds(), (after - killed_at).total_seconds()


def shown(name: str, figures: list[float]) -> str:
    return f"{name} median {statistics.median(figures):.2f} s, max {max(figures):.2f} s"


async def frames_of(recorded: Recorded, seat_id: str) -> dict[Kind, list[datetime]]:
    """When each recorded frame of the seat was captured, by the log's times of the files that hold them."""
    found: dict[Kind, list[datetime]] = {kind: [] for kind in Kind}
    for body in await recorded.log("recording:segment_closed"):
        if (segment := body["segment"])["seat_id"] == seat_id:
            path = recorded.folder(seat_id) / file_name(segment["number"])
            for kind in Kind:
                found[kind] += captured(path, datetime.fromisoformat(segment["opened_at"]), kind.value)
    return found


async def logged_gaps(recorded: Recorded, seat_id: str, kind: Kind, cause: str) -> list[dict[str, Any]]:
    asked = (seat_id, kind.value, cause)
    return [
        body
        for body in await recorded.log("recording:gap_closed")
        if (body["seat_id"], body["kind"], body["cause"]) == asked
    ]


@pytest.mark.parametrize("times", [3, pytest.param(20, marks=pytest.mark.full)])
@pytest.mark.timeout(600)
async def test_a_recorder_killed_at_random_moments_resumes_by_itself(
    recorded: Recorded, clip: Clip, times: int
) -> None:
    seed = random.randrange(1_000_000)
    print(f"seed {seed}")
    chance = random.Random(seed)
    judge, party = await join(recorded.court, clip, "presiding_judge"), await join(recorded.court, clip, "party")
    seat_ids = [judge.seat_id, party.seat_id]
    await judge.client.ask("start")
    await until_written(recorded, seat_ids, 60_000)
    kills = Kills()
    for _ in range(times):
        await asyncio.sleep(chance.uniform(0.0, 3.0))
        await kill_recorder(recorded, judge, seat_ids, kills)
        await judge.client.until_view(lambda view: view["recording"]["state"] == "recording", PATIENCE_S)
    await until_written(recorded, seat_ids)
    await judge.client.ask("close")
    await recorded.until_segments_are_logged()

    for path in recorded.files():
        assert readable(path) > 0, f"{path} has no frame"
    for one in [body["segment"] for body in await recorded.log("recording:segment_closed")]:
        content = (recorded.folder(one["seat_id"]) / file_name(one["number"])).read_bytes()
        assert hashlib.sha256(content).hexdigest() == one["sha256"]
    lost: list[float] = []
    again: dict[Kind, list[float]] = {kind: [] for kind in Kind}
    for seat_id in seat_ids:
        for kind, frames in (await frames_of(recorded, seat_id)).items():
            assert len(await logged_gaps(recorded, seat_id, kind, "crash")) == times
            for killed_at in kills.at:
                lost_s, again_s = outage_s(frames, killed_at)
                lost.append(lost_s)
                again[kind].append(again_s)
    print(f"measured: {times} kills of the recorder, {len(recorded.files())} files, all readable")
    print(f"measured: {shown('lost before the kill', lost)}; {shown('court told', kills.told_s)}")
    print(f"measured: {shown('sound again', again[Kind.AUDIO])}; {shown('picture again', again[Kind.VIDEO])}")
    each = " ".join(f"{one:.2f}" for one in kills.written_s)
    print(f"measured: {shown('both seats on the disk again', kills.written_s)}; each {each}")
    assert max(lost) <= AT_MOST_LOST_S


async def test_a_relay_killed_in_a_hearing_leaves_a_whole_record_with_a_gap(recorded: Recorded, clip: Clip) -> None:
    judge, party = await join(recorded.court, clip, "presiding_judge"), await join(recorded.court, clip, "party")
    seat_ids = [judge.seat_id, party.seat_id]
    await judge.client.ask("start")
    await until_written(recorded, seat_ids, 60_000)
    engine, recorder = recorded.court.service.engine, recorded.recorders[0]
    assert isinstance(engine, SfuEngine)
    relay, recorder_id = engine.worker_pid(recorded.court.hearing_id), recorder.process_id
    assert relay is not None
    os.kill(relay, signal.SIGKILL)
    killed_at = datetime.now(UTC)
    await recorded.until_logged("media:restored")
    await until_written(recorded, seat_ids)
    await judge.client.ask("close")
    await recorded.until_segments_are_logged()

    assert (recorder.process_id, recorder.restarts) == (recorder_id, 0), "the recorder is the same"
    assert [body["cause"] for body in await recorded.log("media:lost")] == ["process_died"]
    for path in recorded.files():
        assert readable(path) > 0
    assert {body["segment"]["ended"] for body in await recorded.log("recording:segment_closed")} == {"closed"}
    lost, again = [], []
    for seat_id in seat_ids:
        for kind, frames in (await frames_of(recorded, seat_id)).items():
            lost_s, again_s = outage_s(frames, killed_at)
            lost.append(lost_s)
            again.append(again_s)
            gaps = [
                gap
                for cause in ("restart", "stalled")
                for gap in await logged_gaps(recorded, seat_id, kind, cause)
                if datetime.fromisoformat(gap["closed_at"]) > killed_at
            ]
            assert gaps, f"the gap of {seat_id} {kind} is in the log with its cause"
    print(f"measured: relay killed: {shown('lost before the kill', lost)}; {shown('recorded again', again)}")
    assert max(lost) <= AT_MOST_LOST_S
