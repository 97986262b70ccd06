"""A hearing of two is recorded: the whole service, its relay, its recorder, and what is in the files afterwards."""

import asyncio
import hashlib
import os
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import av
import pytest
from av.subtitles.subtitle import SubtitleSet

from hearing_server.composition import our_recorder
from hearing_server.config import Config
from hearing_server.domain.ids import HearingId
from hearing_server.storage.data_folder import recording_folder
from media.plan import Kind
from media.recording import sidecar
from media.recording.client import RecorderProcess
from media.recording.entries import GapCause, GapClosed, GapOpened
from media.recording.interface import Recorder
from media.recording.segment import file_name
from media.replay.clip import Clip
from media.replay.makers import drawn_clip
from tests.integration.conftest import Court, open_court
from tests.integration.media_client import MediaClient, until_true

PATIENCE_S = 90.0


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    return drawn_clip("seat", "navy", seconds=4, speech="I saw it", folder=Path(tmp_path_factory.getbasetemp()))


class Recorded:
    """A running court whose recorder is real, and what it leaves."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.recorders: list[RecorderProcess] = []
        self.court: Court

    def make_recorder(self, config: Config, hearing_id: HearingId) -> Recorder:
        made = our_recorder(config, hearing_id)
        assert isinstance(made, RecorderProcess)
        self.recorders.append(made)
        return made

    def folder(self, seat_id: str) -> Path:
        return recording_folder(self.config.data_dir, self.court.hearing_id) / seat_id

    def files(self) -> list[Path]:
        return sorted(recording_folder(self.config.data_dir, self.court.hearing_id).glob("*/*.mkv"))

    def gaps(self, seat_id: str, cause: GapCause) -> list[GapOpened | GapClosed]:
        entries = sidecar.read(self.folder(seat_id) / sidecar.FILE_NAME)
        return [one for one in entries if isinstance(one, GapOpened | GapClosed) and one.cause is cause]

    async def log(self, type_: str) -> list[dict[str, Any]]:
        kept = await self.court.service.office.hearings._events.read(self.court.hearing_id)
        return [dict(one.body) for one in kept if one.type == type_]

    async def until_logged(self, type_: str, is_it: Callable[[dict[str, Any]], bool] = lambda body: True) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not [body for body in await self.log(type_) if is_it(body)]:  # noqa: ASYNC110 - the log tells nobody
                await asyncio.sleep(0.1)

    async def until_segments_are_logged(self) -> None:
        """Until every file is in the log; the hearing is over."""
        await until_true(lambda: self.recorders[0]._task is None, PATIENCE_S)
        await self.until_logged("recording:segment_closed", lambda body: True)
        async with asyncio.timeout(PATIENCE_S):
            while len(await self.log("recording:segment_closed")) < len(self.files()):  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.1)

    def arrived(self, seat_id: str) -> int:
        return sum(path.stat().st_size for path in self.folder(seat_id).glob("*.mkv"))


@pytest.fixture
async def recorded(config: Config) -> AsyncIterator[Recorded]:
    recorded = Recorded(config)
    async with AsyncExitStack() as stack:
        recorded.court = await open_court(config, stack, make_engine=None, make_recorder=recorded.make_recorder)
        yield recorded


async def join(court: Court, clip: Clip, role: str) -> MediaClient:
    return await court.stack.enter_async_context(MediaClient(await court.join(role), clip))


def captured(path: Path, opened_at: datetime, kind: str) -> list[datetime]:
    """Decode the whole file, and return when each frame of `kind` was captured."""
    found = []
    with av.open(path) as file:
        streams = [stream for stream in file.streams if stream.type == kind]
        if not streams:
            return []
        for frame in file.decode(streams[0]):
            assert not isinstance(frame, SubtitleSet)
            assert frame.time is not None
            found.append(opened_at + timedelta(seconds=frame.time))
    return found


def between(times: Sequence[datetime], start: datetime, end: datetime) -> int:
    return sum(start < at < end for at in times)


async def captured_of(recorded: Recorded, seat_id: str, kind: str) -> list[datetime]:
    found: list[datetime] = []
    for body in await recorded.log("recording:segment_closed"):
        segment = body["segment"]
        if segment["seat_id"] == seat_id:
            path = recorded.folder(seat_id) / file_name(segment["number"])
            found += captured(path, datetime.fromisoformat(segment["opened_at"]), kind)
    return sorted(found)


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
    await judge.client.ask("unmute", person_id=recorded.court.people["party"][0])
    await until_true(lambda: len(recorded.gaps(party.seat_id, GapCause.MUTE)) == 2, PATIENCE_S)

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


async def test_the_record_goes_on_after_the_recorder_was_killed(recorded: Recorded, clip: Clip) -> None:
    judge, party = await join(recorded.court, clip, "presiding_judge"), await join(recorded.court, clip, "party")
    await judge.client.ask("start")
    await until_true(
        lambda: recorded.arrived(judge.seat_id) > 100_000 and recorded.arrived(party.seat_id) > 100_000, PATIENCE_S
    )
    killed = recorded.recorders[0].process_id
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    killed_at = asyncio.get_running_loop().time()
    await judge.client.until_view(lambda view: view["recording"]["problem_code"] == "recorder_not_responding")
    told_s = asyncio.get_running_loop().time() - killed_at
    await judge.client.until_view(lambda view: view["recording"]["state"] == "recording", PATIENCE_S)
    before = recorded.arrived(judge.seat_id)
    await until_true(lambda: recorded.arrived(judge.seat_id) > before + 100_000, PATIENCE_S)
    again_s = asyncio.get_running_loop().time() - killed_at
    print(f"recorder killed -> told {told_s:.1f} s, recorded again {again_s:.1f} s")
    for seat_id in (judge.seat_id, party.seat_id):
        for kind in Kind:
            await recorded.until_logged(
                "recording:gap_closed",
                lambda body, seat_id=seat_id, kind=kind: (
                    (body["seat_id"], body["kind"], body["cause"])  # type: ignore[misc]  # mypy cannot infer a lambda with defaults
                    == (seat_id, kind.value, "crash")
                ),
            )
    await judge.client.ask("close")
    await recorded.until_segments_are_logged()
    logged = [body["segment"] for body in await recorded.log("recording:segment_closed")]
    assert {one["ended"] for one in logged if one["seat_id"] == judge.seat_id} == {"interrupted", "closed"}
    for one in logged:
        path = recorded.folder(one["seat_id"]) / file_name(one["number"])
        assert hashlib.sha256(path.read_bytes()).hexdigest() == one["sha256"]
        opened_at = datetime.fromisoformat(one["opened_at"])
        assert captured(path, opened_at, "audio") or captured(path, opened_at, "video"), f"{path.name} can be played"
    for body in await recorded.log("recording:gap_closed"):
        gap_s = (datetime.fromisoformat(body["closed_at"]) - datetime.fromisoformat(body["opened_at"])).total_seconds()
        print(f"gap of {body['kind']}, {body['cause']}: {gap_s:.1f} s")
