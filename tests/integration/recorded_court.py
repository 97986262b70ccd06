"""A court whose recorder is real: what it leaves in files and in the log, and when each frame was captured."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import av
from av.subtitles.subtitle import SubtitleSet

from hearing_server.composition import our_recorder
from hearing_server.config import Config
from hearing_server.domain.ids import HearingId
from hearing_server.storage.data_folder import recording_folder
from media.recording import sidecar
from media.recording.client import RecorderProcess
from media.recording.entries import GapCause, GapClosed, GapOpened
from media.recording.interface import Recorder
from media.recording.segment import file_name
from media.replay.clip import Clip
from tests.integration.conftest import Court, open_court
from tests.integration.media_client import MediaClient, until_true

PATIENCE_S = 90.0


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


@asynccontextmanager
async def recorded_court(config: Config, make: "type[Recorded]" = Recorded) -> AsyncIterator[Recorded]:
    """Our own relay and our own recorder."""
    recorded = make(config)
    async with AsyncExitStack() as stack:
        recorded.court = await open_court(config, stack, make_engine=None, make_recorder=recorded.make_recorder)
        yield recorded
