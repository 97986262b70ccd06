"""The service and its recorder, without media: what the recorder is told, what the relay sends it, what is logged."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest

from hearing_server.composition import running_service
from hearing_server.config import Config
from hearing_server.domain.ids import HearingId
from hearing_server.ports import StorageError
from media.engine import MediaEngine
from media.plan import Kind, Plan
from media.recording.entries import (
    ADVICE,
    GapCause,
    GapClosed,
    GapOpened,
    KeyframeWanted,
    ProblemCode,
    RecorderProblem,
    RecorderStarted,
    SegmentClosed,
    SegmentStatus,
)
from media.recording.interface import RecorderError
from tests.fakes.media_engine import FakeMediaEngine
from tests.fakes.recorder import FakeRecorder
from tests.integration.conftest import Court, open_court
from tests.integration.media_client import until_true
from tests.integration.wire_client import WireClient

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


class Scene:
    """A court with its fakes at hand."""

    def __init__(self) -> None:
        self.recorders: list[FakeRecorder] = []
        self.engine = FakeMediaEngine()
        self.court: Court

    def make_recorder(self, config: Config, hearing_id: HearingId) -> FakeRecorder:
        self.recorders.append(FakeRecorder())
        return self.recorders[-1]

    def make_engine(self, config: Config) -> MediaEngine:
        return self.engine

    @property
    def recorder(self) -> FakeRecorder:
        return self.recorders[0]

    def taps(self) -> set[tuple[str, Kind]]:
        room = self.engine.rooms.get(self.court.hearing_id)
        return {(seat, kind) for seat, kind, _ in room.taps} if room else set()

    def seat(self, role: str) -> str:
        hearing = self.court.service.office.hearings.hearing(self.court.hearing_id)
        return hearing.people[self.court.people[role][0]].seat_id

    async def log(self, prefix: str = "recording:") -> list[tuple[str, dict[str, Any]]]:
        kept = await self.court.service.office.hearings._events.read(self.court.hearing_id)
        return [(one.type, dict(one.body)) for one in kept if one.type.startswith(prefix)]

    async def until_logged(self, type_: str, count: int = 1) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        async with asyncio.timeout(60):
            while len(found) < count:
                await asyncio.sleep(0.05)
                found = [body for name, body in await self.log() if name == type_]
        return found

    async def until(self, condition: Callable[[], bool]) -> None:
        await until_true(condition, 60)

    def segment(self, number: int) -> SegmentClosed:
        return SegmentClosed(
            seat=self.seat("party"),
            number=number,
            file=f"segment-{number:06}.mkv",
            status=SegmentStatus.CLOSED,
            size_bytes=5,
            sha256="ab" * 32,
            opened_at=AT,
            first_at=AT,
            last_at=AT,
            streams={},
            frames={},
        )


@pytest.fixture
async def scene(config: Config) -> AsyncIterator[Scene]:
    scene = Scene()
    async with AsyncExitStack() as stack:
        scene.court = await open_court(config, stack, make_engine=scene.make_engine, make_recorder=scene.make_recorder)
        yield scene


async def test_the_recorder_follows_the_hearing(scene: Scene) -> None:
    judge = await scene.court.join("presiding_judge")
    party = await scene.court.join("party")
    await judge.ask("open_media")
    await party.ask("open_media")
    await scene.until(lambda: bool(scene.recorders) and scene.recorder.is_started)
    assert scene.taps() == set()

    await judge.ask("start")
    both = {(scene.seat(role), kind) for role in ("presiding_judge", "party") for kind in Kind}
    await scene.until(lambda: scene.taps() == both)
    await scene.until(lambda: scene.recorder.pause_reason is None)
    room = scene.engine.rooms[scene.court.hearing_id]
    assert {(seat, kind, scene.recorder.seats[seat][kind]) for seat, kind in both} == room.taps

    scene.recorder.emit(KeyframeWanted(seat=scene.seat("party")))
    await scene.until(lambda: scene.seat("party") in room.keyframes_wanted)

    await judge.ask("mute", person_id=scene.court.people["party"][0])
    await scene.until(lambda: scene.recorder.absent == {(scene.seat("party"), Kind.AUDIO): GapCause.MUTE})
    await scene.until(lambda: scene.taps() == both - {(scene.seat("party"), Kind.AUDIO)})
    await judge.ask("unmute", person_id=scene.court.people["party"][0])
    await scene.until(lambda: scene.recorder.absent == {} and scene.taps() == both)

    await judge.ask("recess")
    await scene.until(lambda: scene.recorder.pause_reason == "recess" and scene.taps() == set())
    await judge.ask("resume")
    await scene.until(lambda: scene.recorder.pause_reason is None and scene.taps() == both)

    await judge.ask("close")
    await scene.until(lambda: scene.recorder.is_closed)
    assert scene.taps() == set()
    assert len(scene.recorders) == 1


async def test_what_the_clerk_says_outside_the_courtroom_is_not_sent_to_the_recorder(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge, clerk, witness = [await scene.court.join(role) for role in ("presiding_judge", "clerk", "witness")]
    for client in (judge, clerk, witness):
        await client.ask("open_media")
    await judge.ask("start")
    clerk_seat = {(scene.seat("clerk"), kind) for kind in Kind}
    await scene.until(lambda: scene.taps() >= clerk_seat)
    room = scene.engine.rooms[scene.court.hearing_id]
    heard: list[bool] = []
    apply = scene.engine.apply

    async def watch(room_name: str, plan: Plan) -> None:
        if any(edge.source == scene.seat("clerk") and edge.receiver == scene.seat("witness") for edge in plan.edges):
            heard.append(not clerk_seat & {(seat, kind) for seat, kind, _ in room.taps})
        await apply(room_name, plan)

    monkeypatch.setattr(scene.engine, "apply", watch)
    await clerk.ask("talk_to", person_id=scene.court.people["witness"][0])
    await scene.until(lambda: bool(heard))
    assert heard[0], "the taps had ended when the talk began"
    assert not {seat for seat, _ in scene.taps()} & {scene.seat("clerk"), scene.seat("witness")}
    await clerk.ask("end_talk")
    await scene.until(lambda: scene.taps() >= clerk_seat)


async def test_a_new_media_process_is_tapped_again(scene: Scene) -> None:
    judge = await scene.court.join("presiding_judge")
    await judge.ask("open_media")
    await judge.ask("start")
    await scene.until(lambda: len(scene.taps()) == 2)
    before = scene.engine.rooms[scene.court.hearing_id]
    scene.engine.kill(scene.court.hearing_id)
    await scene.until(lambda: len(scene.taps()) == 2)
    assert scene.engine.rooms[scene.court.hearing_id] is not before


async def test_reports_are_logged_once_and_told_to_everybody(scene: Scene) -> None:
    judge = await scene.court.join("presiding_judge")
    await judge.ask("start")
    await scene.until(lambda: bool(scene.recorders) and bool(scene.recorder.seats))
    recorder, seat = scene.recorder, scene.seat("party")
    recorder.emit(scene.segment(1))
    recorder.emit(scene.segment(1))
    recorder.emit(scene.segment(2))
    logged = await scene.until_logged("recording:segment_closed", 2)
    assert [body["segment"]["number"] for body in logged] == [1, 2]
    assert logged[0]["segment"]["sha256"] == "ab" * 32

    full = ProblemCode.DISK_FULL
    recorder.emit(RecorderProblem(code=full, at=AT, advice=ADVICE[full]))
    await judge.until_view(lambda view: view["recording"]["state"] == "problem")
    assert judge.view is not None
    assert judge.view["recording"]["problem_code"] == "disk_full"
    recorder.emit(RecorderStarted(at=AT, process_id=1))
    await judge.until_view(lambda view: view["recording"]["state"] == "recording")

    recorder.emit(GapOpened(seat=seat, gap=1, kind=Kind.AUDIO, cause=GapCause.CRASH, at=AT))
    recorder.emit(GapOpened(seat=seat, gap=2, kind=Kind.VIDEO, cause=GapCause.MUTE, at=AT))
    recorder.emit(GapClosed(seat=seat, gap=1, kind=Kind.AUDIO, cause=GapCause.CRASH, opened_at=AT, at=AT))
    await scene.until_logged("recording:gap_closed")
    assert [body["number"] for name, body in await scene.log() if name == "recording:gap_opened"] == [1]


async def test_segments_whose_report_was_lost_are_asked_for(scene: Scene) -> None:
    judge = await scene.court.join("presiding_judge")
    await judge.ask("start")
    await scene.until(lambda: bool(scene.recorders) and bool(scene.recorder.seats))
    scene.recorder._closed.append(scene.segment(7))
    scene.recorder.emit(RecorderProblem(code=ProblemCode.RESTARTED, at=AT))
    assert [body["segment"]["number"] for body in await scene.until_logged("recording:segment_closed")] == [7]


async def test_a_log_that_cannot_be_written_does_not_stop_the_recorder(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = await scene.court.join("presiding_judge")
    await judge.ask("start")
    await scene.until(lambda: bool(scene.recorders) and bool(scene.recorder.seats))
    hearings = scene.court.service.office.hearings
    failures: list[str] = []

    async def fail(*_: object, **__: object) -> None:
        failures.append("append")
        raise StorageError("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(hearings._events, "append", fail)
        scene.recorder.emit(scene.segment(1))
        await scene.until(lambda: bool(failures))
        scene.recorder.emit(scene.segment(2))
        assert scene.recorder.pause_reason is None
        assert not scene.recorder.is_closed
    logged = await scene.until_logged("recording:segment_closed", 2)
    assert [body["segment"]["number"] for body in logged] == [1, 2]


async def test_a_recorder_that_refuses_is_asked_again(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    refused: list[str] = []

    async def refuse(*_: object, **__: object) -> None:
        refused.append("start_seat")
        raise RecorderError("recorder_down", "Try again.")

    with monkeypatch.context() as broken:
        broken.setattr(FakeRecorder, "start_seat", refuse)
        judge = await scene.court.join("presiding_judge")
        await judge.ask("start")
        await scene.until(lambda: bool(refused))
        assert not scene.recorder.seats
    await scene.until(lambda: scene.seat("presiding_judge") in scene.recorder.seats)


async def test_a_recorder_that_does_not_come_up_is_told_within_seconds(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = asyncio.Event()

    async def slow(self: FakeRecorder) -> None:
        await gate.wait()

    monkeypatch.setattr(FakeRecorder, "start", slow)
    judge = await scene.court.join("presiding_judge")
    await judge.ask("start")
    await judge.until_view(lambda view: view["recording"]["problem_code"] == "recorder_not_responding")
    gate.set()
    await judge.until_view(lambda view: view["recording"]["problem_code"] is None)
    await scene.until(lambda: bool(scene.recorder.seats))


async def test_the_service_ends_the_files_when_it_stops(config: Config) -> None:
    scene = Scene()
    async with AsyncExitStack() as stack:
        scene.court = await open_court(config, stack, make_engine=scene.make_engine, make_recorder=scene.make_recorder)
        judge = await scene.court.join("presiding_judge")
        await judge.ask("start")
        await scene.until(lambda: bool(scene.recorders) and bool(scene.recorder.seats))
        assert not scene.recorder.is_closed
    assert scene.recorder.is_closed
    assert scene.recorder.seats == {}


async def test_a_hearing_in_session_is_recorded_again_after_the_service_went_down(config: Config) -> None:
    scene = Scene()
    async with AsyncExitStack() as stack:
        scene.court = await open_court(config, stack, make_engine=scene.make_engine, make_recorder=scene.make_recorder)
        judge = await scene.court.join("presiding_judge")
        await judge.ask("start")
        await scene.until(lambda: bool(scene.recorders) and bool(scene.recorder.seats))
        token = scene.court.tokens[scene.court.people["presiding_judge"][0]]
        seat = scene.seat("presiding_judge")
        scene.recorder.emit(RecorderProblem(code=ProblemCode.DISK_FULL, at=AT))
        await scene.until_logged("recording:problem")
    async with AsyncExitStack() as stack:
        service = await stack.enter_async_context(
            running_service(config, make_engine=scene.make_engine, make_recorder=scene.make_recorder)
        )
        http = await stack.enter_async_context(aiohttp.ClientSession())
        client = await stack.enter_async_context(WireClient(http, service.url))
        await client.ask("authenticate", token=token)
        again = scene.recorders[1]
        await scene.until(lambda: again.is_started and seat in again.seats)
        again.emit(RecorderStarted(at=AT, process_id=2))
        await client.until_view(lambda view: view["recording"]["state"] == "recording", 60)
