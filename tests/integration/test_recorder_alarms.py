"""What goes wrong with the record is told to the judge within seconds: a disk that fills, a seat that falls silent."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from hearing_server.config import Config
from hearing_server.domain.ids import HearingId
from hearing_server.storage.data_folder import recorder_socket, recording_folder
from media.recording.client import RecorderProcess
from media.recording.interface import Recorder
from media.replay.clip import Clip
from media.replay.makers import drawn_clip
from tests.integration.media_client import MediaClient, until_true
from tests.integration.recorded_court import PATIENCE_S, Recorded, join, recorded_court

MINIMUM_FREE_BYTES = 300_000


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    return drawn_clip("seat", "navy", seconds=4, speech="I saw it", folder=Path(tmp_path_factory.getbasetemp()))


@pytest.fixture
async def small_disk(config: Config) -> AsyncIterator[Path]:
    """A file system of 6 MB for the recordings."""
    disk = config.data_dir / "recordings"
    disk.mkdir(parents=True)
    command = ("mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(disk))
    if await (await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)).wait():
        pytest.skip("a small file system cannot be mounted here (needs root)")
    yield disk
    await (await asyncio.create_subprocess_exec("umount", "-l", str(disk))).wait()


class OnSmallDisk(Recorded):
    def make_recorder(self, config: Config, hearing_id: HearingId) -> Recorder:
        folder, control = recording_folder(config.data_dir, hearing_id), recorder_socket(config.data_dir, hearing_id)
        self.recorders.append(RecorderProcess(folder, control, minimum_free_bytes=MINIMUM_FREE_BYTES))
        return self.recorders[-1]


async def until_told(judge: MediaClient, is_it: Callable[[dict[str, Any]], bool]) -> float:
    """Wait until the judge's view of the recording is so; return how long it took, in seconds."""
    began_s = time.monotonic()
    await judge.client.until_view(lambda view: is_it(view["recording"]), PATIENCE_S)
    return time.monotonic() - began_s


async def start(recorded: Recorded, clip: Clip) -> tuple[MediaClient, MediaClient]:
    judge, party = await join(recorded.court, clip, "presiding_judge"), await join(recorded.court, clip, "party")
    await judge.client.ask("start")
    seats = (judge.seat_id, party.seat_id)
    await until_true(lambda: all(recorded.arrived(seat_id) > 20_000 for seat_id in seats), PATIENCE_S)
    return judge, party


async def test_a_full_disk_is_told_and_the_record_goes_on_when_there_is_room(
    small_disk: Path, config: Config, clip: Clip
) -> None:
    async with recorded_court(config, OnSmallDisk) as recorded:
        judge, _ = await start(recorded, clip)
        filler = small_disk / "filler"
        filler.write_bytes(bytes(shutil.disk_usage(small_disk).free - MINIMUM_FREE_BYTES // 2))
        told_s = await until_told(judge, lambda view: view["problem_code"] == "disk_full")
        kept = recorded.arrived(judge.seat_id)
        filler.unlink()
        over_s = await until_told(judge, lambda view: view["problem_code"] is None and view["state"] == "recording")
        await until_true(lambda: recorded.arrived(judge.seat_id) > kept + 20_000, PATIENCE_S)
        assert "disk_full" in [body["code"] for body in await recorded.log("recording:problem")]
        await recorded.until_logged("recording:gap_closed", lambda body: body["cause"] == "disk")
        print(f"measured: disk full -> judge told {told_s:.1f} s; room again -> recording {over_s:.1f} s")


async def test_a_seat_that_stops_sending_is_told_with_its_name(config: Config, clip: Clip) -> None:
    async with recorded_court(config) as recorded:
        judge, party = await start(recorded, clip)
        party.peer.pause_audio()
        party.peer.pause_video()
        told_s = await until_told(
            judge, lambda view: (view["problem_code"], view["problem_seat_id"]) == ("stalled_input", party.seat_id)
        )
        await asyncio.sleep(1)  # told of the first of the two; the other is a moment later
        party.peer.pause_audio(False)
        party.peer.pause_video(False)
        over_s = await until_told(judge, lambda view: view["problem_code"] is None)
        for kind in ("audio", "video"):
            await recorded.until_logged(
                "recording:gap_closed",
                lambda body, kind=kind: (body["kind"], body["cause"]) == (kind, "stalled"),  # type: ignore[misc]  # mypy cannot infer a lambda with defaults
            )
        assert {body["code"] for body in await recorded.log("recording:problem")} == {"stalled_input"}
        print(f"measured: input stalled -> judge told {told_s:.1f} s; sending again -> over {over_s:.1f} s")
