"""After a hearing its segments become one file a seat: by the service, by hand, killed half way, never from others."""

import asyncio
import hashlib
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import msgspec
import pytest

from hearing_server.composition import running_service
from hearing_server.config import Config
from hearing_server.domain.composition import RecordingComposed
from hearing_server.domain.ids import HearingId
from hearing_server.domain.recording import RecordingSegmentClosed, SegmentEnd
from hearing_server.services.hearing_recording import HearingRecording
from hearing_server.storage.data_folder import recording_folder
from media.plan import Kind
from media.recording.compose_messages import Composed, Composing, Job, NotComposed, Report
from media.recording.entries import SegmentClosed
from media.recording.interface import Recorder
from media.recording.seat_recorder import SeatRecorder
from media.recording.segment import SegmentLength, file_name
from tests.fakes.recorder import FakeRecorder
from tests.fakes.tapped_seat import TappedSeat, audio_payloads, vp8_frames
from tests.integration.conftest import Court, open_court
from tests.integration.media_client import until_true

START_S = 1_800_000_000.0


def record(directory: Path, seconds: float = 20.0) -> list[SegmentClosed]:
    """Record a seat in made-up time, in segments of 4 s."""
    closed: list[SegmentClosed] = []
    recorder = SeatRecorder(
        directory.name,
        directory,
        epoch_s=START_S,
        report=lambda event: closed.append(event) if isinstance(event, SegmentClosed) else None,
        length=SegmentLength(roll_after_s=3.0, most_s=4.0),
    )
    seat = TappedSeat(START_S, audio=audio_payloads(4.0), video=vp8_frames(40, key_every_s=1.0))
    recorder.start(tuple(Kind), START_S)
    for step in range(1, round(seconds * 50)):
        now_s = START_S + step * 0.02
        for kind, datagrams in zip(Kind, seat.due(now_s - 0.02), strict=True):
            recorder.on_datagrams(kind, datagrams, now_s)
        recorder.tick(now_s)
    recorder.close(START_S + seconds)
    return closed


def job(directory: Path, closed: list[SegmentClosed]) -> Job:
    return Job(directory=str(directory), seats={"seat": {one.number: one.sha256 for one in closed}})


def worker() -> "subprocess.Popen[bytes]":
    command = (sys.executable, "-m", "media.recording.compose_worker")
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def reports(asked: Job) -> list[Report]:
    done = worker()
    out, _ = done.communicate(msgspec.json.encode(asked), timeout=120)
    assert done.returncode == 0
    return [msgspec.json.decode(line, type=Report) for line in out.splitlines()]


def originals(directory: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted((directory / "seat").iterdir())}


def test_one_file_with_its_duration_and_index_is_made_beside_the_originals(tmp_path: Path) -> None:
    closed = record(tmp_path / "seat")
    before = originals(tmp_path)
    *progress, made = reports(job(tmp_path, closed))
    assert isinstance(made, Composed)
    assert made.file == str(tmp_path / "seat.mkv")
    content = (tmp_path / "seat.mkv").read_bytes()
    assert (made.sha256, made.size_bytes) == (hashlib.sha256(content).hexdigest(), len(content))
    with av.open(made.file) as file:
        assert file.duration is not None
        assert file.duration / 1e6 == pytest.approx(20, abs=0.3)
        kinds = [packet.stream.type for packet in file.demux() if packet.size]
    assert {kind.value: kinds.count(kind.value) for kind in Kind} == {
        kind.value: sum(one.frames[kind] for one in closed) for kind in Kind
    }
    shares = [one.done_bytes / one.all_bytes for one in progress if isinstance(one, Composing)]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert originals(tmp_path) == before
    (tmp_path / "seat.mkv").unlink()
    assert reports(job(tmp_path, closed))[-1] == made, "the same segments make the same bytes"


def kill_while_it_writes(asked: Job, checked: int) -> None:
    killed = worker()
    assert killed.stdin is not None
    assert killed.stdout is not None
    killed.stdin.write(msgspec.json.encode(asked))
    killed.stdin.close()
    for _ in range(checked + 1):  # everything is checked, and one segment copied
        killed.stdout.readline()
    killed.send_signal(signal.SIGKILL)
    killed.wait(30)
    killed.stdout.close()


def test_a_job_killed_half_way_is_simply_run_again(tmp_path: Path) -> None:
    closed = record(tmp_path / "seat", seconds=40.0)
    before, asked = originals(tmp_path), job(tmp_path, closed)
    for _ in range(50):  # on a busy machine it may be done before the signal
        kill_while_it_writes(asked, len(closed))
        if not (tmp_path / "seat.mkv").exists():
            break
        (tmp_path / "seat.mkv").unlink()
    assert list(tmp_path.glob(".*.part")), "control: it was killed half way"
    made = reports(asked)[-1]
    assert isinstance(made, Composed)
    assert not list(tmp_path.glob(".*.part"))
    assert originals(tmp_path) == before


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def forge_sidecar(directory: Path) -> None:
    """Change a segment and the hash beside it: only the log knows better."""
    path, sidecar = directory / "0002.mkv", directory / "sidecar.jsonl"
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    flip(path)
    text = sidecar.read_text()
    assert before in text
    sidecar.write_text(text.replace(before, hashlib.sha256(path.read_bytes()).hexdigest()))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda directory: flip(directory / "0002.mkv"), "segment_changed"),
        (lambda directory: (directory / "0002.mkv").unlink(), "segment_missing"),
        (forge_sidecar, "sidecar_changed"),
    ],
)
def test_a_segment_that_is_not_what_was_logged_is_named_and_nothing_is_made_of_it(
    tmp_path: Path, change: Any, code: str
) -> None:
    closed = record(tmp_path / "seat")
    assert isinstance(reports(job(tmp_path, closed))[-1], Composed), "control"
    change(tmp_path / "seat")
    refused = reports(job(tmp_path, closed))[-1]
    assert isinstance(refused, NotComposed)
    assert (refused.code, refused.number) == (code, 2)
    (tmp_path / "seat.mkv").unlink()
    assert isinstance(reports(job(tmp_path, closed))[-1], NotComposed)
    assert not (tmp_path / "seat.mkv").exists()


@dataclass
class Closed:
    """A court whose hearing is over; its party's segments were made by a real recorder."""

    config: Config
    recorders: list[FakeRecorder] = field(default_factory=list)
    court: Court = field(init=False)

    def make_recorder(self, config: Config, hearing_id: HearingId) -> Recorder:
        self.recorders.append(FakeRecorder())
        return self.recorders[-1]

    @property
    def folder(self) -> Path:
        return recording_folder(self.config.data_dir, self.court.hearing_id)

    @property
    def seat_id(self) -> str:
        hearing = self.court.service.office.hearings.hearing(self.court.hearing_id)
        return hearing.people[self.court.people["party"][0]].seat_id

    async def log(self, type_: str) -> list[dict[str, Any]]:
        kept = await self.court.service.office.hearings._events.read(self.court.hearing_id)
        return [dict(one.body) for one in kept if one.type == type_]

    async def until_logged(self, type_: str, count: int = 1) -> list[dict[str, Any]]:
        async with asyncio.timeout(60):
            while len(found := await self.log(type_)) < count:  # noqa: ASYNC110 - the log tells nobody
                await asyncio.sleep(0.05)
        return found

    async def hold(self) -> None:
        judge = await self.court.join("presiding_judge")
        await judge.ask("start")
        await until_true(lambda: bool(self.recorders) and bool(self.recorders[0].seats), 60)
        closed = await asyncio.to_thread(record, self.folder / self.seat_id)
        for one in closed:
            self.recorders[0].emit(one)
        await self.until_logged("recording:segment_closed", len(closed))
        await judge.ask("close")


@pytest.fixture
async def closed(config: Config) -> AsyncIterator[Closed]:
    closed = Closed(config)
    async with AsyncExitStack() as stack:
        closed.court = await open_court(config, stack, make_recorder=closed.make_recorder)
        await closed.hold()
        yield closed


async def test_the_service_composes_a_hearing_that_is_closed_and_logs_what_it_made(closed: Closed) -> None:
    (logged,) = await closed.until_logged("recording:composed")
    content = (closed.folder / f"{closed.seat_id}.mkv").read_bytes()
    assert (logged["seat_id"], logged["sha256"]) == (closed.seat_id, hashlib.sha256(content).hexdigest())
    assert logged["segments"] == [body["segment"]["number"] for body in await closed.log("recording:segment_closed")]


async def by_hand(closed: Closed, hearing_id: str) -> tuple[int | None, dict[str, Any]]:
    command = (sys.executable, "-m", "hearing_server", "admin", "compose-recording", hearing_id, "--json")
    done = await asyncio.create_subprocess_exec(
        *command, "--data", str(closed.config.data_dir), stdout=asyncio.subprocess.PIPE
    )
    out, _ = await done.communicate()
    return done.returncode, json.loads(out) if out else {}


async def test_by_hand_a_changed_segment_is_reported_by_its_code_and_logged(closed: Closed) -> None:
    await closed.until_logged("recording:composed")
    code, document = await by_hand(closed, closed.court.hearing_id)
    assert (code, document["ok"], len(document["seats"])) == (0, True, 1)
    assert len(await closed.log("recording:composed")) == 1, "the same result is no news"
    flip(closed.folder / closed.seat_id / "0003.mkv")
    code, document = await by_hand(closed, closed.court.hearing_id)
    assert (code, document["ok"]) == (1, False)
    problem = document["seats"][0]["problem"]
    assert (problem["code"], problem["segment"]) == ("segment_changed", 3)
    (logged,) = await closed.log("recording:not_composed")
    assert (logged["problem"], logged["number"]) == ("segment_changed", 3)
    assert await by_hand(closed, "hearing-unknown") == (2, {})


async def test_a_result_that_is_missing_is_made_when_the_service_starts(config: Config) -> None:
    closed = Closed(config)
    async with AsyncExitStack() as stack:
        closed.court = await open_court(config, stack, make_recorder=closed.make_recorder)
        await closed.hold()
        await closed.until_logged("recording:composed")
    result = closed.folder / f"{closed.seat_id}.mkv"
    content = result.read_bytes()
    result.unlink()
    async with running_service(config, make_recorder=closed.make_recorder):
        await until_true(result.exists, 60)
    assert result.read_bytes() == content


async def test_what_a_service_that_went_down_at_the_close_did_not_log_is_logged_by_the_next(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def log_nothing(self: HearingRecording) -> None:
        await asyncio.Event().wait()

    async with AsyncExitStack() as stack:
        with monkeypatch.context() as forgetful:
            forgetful.setattr(HearingRecording, "_log", log_nothing)
            forgetful.setattr("hearing_server.services.hearing_recording.ENDING_S", 0.5)
            court = await open_court(config, stack)
            judge = await court.join("presiding_judge")
            await judge.ask("start")
            hearing = court.service.office.hearings.hearing(court.hearing_id)
            seat_id = hearing.people[court.people["party"][0]].seat_id
            folder = recording_folder(config.data_dir, court.hearing_id)
            made = await asyncio.to_thread(record, folder / seat_id)
            torn = folder / seat_id / file_name(made[-1].number + 1)  # of a recorder that was killed meanwhile
            torn.write_bytes((folder / seat_id / made[0].file).read_bytes()[:-1000])
            await judge.ask("close")
            await stack.aclose()

    async with running_service(config) as service:
        async with asyncio.timeout(60):
            while not (composed := await service.office.hearings.logged(court.hearing_id, RecordingComposed)):  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.05)
        logged = await service.office.hearings.logged(court.hearing_id, RecordingSegmentClosed)
    by_number = {one.segment.number: one.segment for one in logged}
    assert {number: one.sha256 for number, one in by_number.items()} == {
        int(path.stem): hashlib.sha256(path.read_bytes()).hexdigest() for path in (folder / seat_id).glob("*.mkv")
    }
    assert by_number[int(torn.stem)].ended is SegmentEnd.INTERRUPTED
    assert {one.ended for number, one in by_number.items() if number != int(torn.stem)} == {SegmentEnd.CLOSED}
    assert composed[-1].segments == tuple(sorted(by_number))
    result = folder / f"{seat_id}.mkv"
    before = result.stat().st_mtime_ns
    async with running_service(config) as service:
        await asyncio.sleep(1.0)
        again = await service.office.hearings.logged(court.hearing_id, RecordingComposed)
    assert len(again) == len(composed), "what is complete is left alone"
    assert result.stat().st_mtime_ns == before
