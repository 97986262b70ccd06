"""The recorder as a process: real sockets, real files, killed for real."""

import asyncio
import hashlib
import os
import random
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from media.plan import Kind
from media.recording import sidecar
from media.recording.client import RecorderProcess
from media.recording.entries import (
    GapCause,
    GapClosed,
    GapOpened,
    KeyframeWanted,
    ProblemCode,
    RecorderEvent,
    RecorderProblem,
    SegmentClosed,
    SegmentOpened,
    SegmentStatus,
)
from media.recording.recovery import scan
from media.recording.seat_recorder import SegmentLength
from media.taps.input_socket import Address
from tests.fakes.tapped_seat import FPS, TappedSeat, audio_payloads, decode, vp8_frames

PATIENCE_S = 30.0
E = TypeVar("E")


class Sender:
    """Sends a seat's packets in real time to the addresses the recorder gave, and remembers when each frame left."""

    def __init__(self, seat: TappedSeat, inputs: dict[Kind, Address]) -> None:
        self.seat = seat
        self.inputs = inputs
        self.frames_sent: list[float] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while True:
            audio, video = self.seat.due(time.time())
            for kind, datagrams in ((Kind.AUDIO, audio), (Kind.VIDEO, video)):
                for datagram in datagrams:
                    try:
                        self._socket.sendto(datagram, self.inputs[kind])
                    except OSError:
                        continue  # nobody is bound there now: the recorder is dead
            if video:
                self.frames_sent.append(time.time())
            await asyncio.sleep(0.01)

    async def aclose(self) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])
        self._socket.close()


class Events:
    """Collects what the recorder reports."""

    def __init__(self, recorder: RecorderProcess) -> None:
        self.seen: list[RecorderEvent] = []
        self._task = asyncio.create_task(self._run(recorder))

    async def _run(self, recorder: RecorderProcess) -> None:
        async for event in recorder.events():
            self.seen.append(event)

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.seen if isinstance(event, kind)]

    async def until(self, condition: Callable[["Events"], bool], timeout_s: float = PATIENCE_S) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition(self):
            assert time.monotonic() < deadline, [event for event in self.seen if not isinstance(event, KeyframeWanted)]
            await asyncio.sleep(0.05)

    def problems(self, code: ProblemCode) -> list[bool]:
        """For each report of `code`, whether it says that the problem is over."""
        return [problem.cleared for problem in self.of(RecorderProblem) if problem.code is code]

    async def aclose(self) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])


class Bench:
    """A recorder, what it reports, and a seat that sends. `restart` makes a sender again, as the relay goes on."""

    def __init__(self, directory: Path, recorder: RecorderProcess) -> None:
        self.directory = directory
        self.recorder = recorder
        self.events = Events(recorder)
        self.senders: list[Sender] = []

    async def seat(self, name: str, seed: int = 1) -> Sender:
        inputs = dict(await self.recorder.start_seat(name, list(Kind)))
        seat = TappedSeat(time.time(), seed=seed, audio=audio_payloads(4.0), video=vp8_frames(40, key_every_s=1.0))
        sender = Sender(seat, inputs)
        self.senders.append(sender)
        return sender

    def files(self, seat: str) -> list[Path]:
        return sorted((self.directory / seat).glob("*.mkv"))

    async def recording(self, seat: str, frames: int = 5) -> None:
        """Wait until the newest file of `seat` has grown beyond its header."""

        def has_grown(_: Events) -> bool:
            files = self.files(seat)
            return bool(files) and scan(files[-1]).get(Kind.VIDEO, (0, 0, 0))[2] >= frames

        await self.events.until(has_grown)

    async def aclose(self) -> None:
        for sender in self.senders:
            await sender.aclose()
        await self.recorder.aclose()
        await self.events.aclose()


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    recorder = RecorderProcess(
        tmp_path / "hearing",
        tmp_path / "control.sock",
        length=SegmentLength(roll_after_s=3.0, most_s=5.0),
        minimum_free_bytes=1024,
    )
    await recorder.start()
    made = Bench(tmp_path / "hearing", recorder)
    yield made
    await made.aclose()


async def test_segments_roll_and_their_hashes_are_those_of_the_files(bench: Bench) -> None:
    await bench.seat("judge")
    await bench.events.until(lambda events: len(events.of(SegmentClosed)) >= 2)
    assert bench.events.of(KeyframeWanted)
    await bench.recorder.stop_seat("judge")
    await bench.events.until(lambda events: len(events.of(SegmentClosed)) == len(bench.files("judge")))
    for closed in bench.events.of(SegmentClosed):
        content = (bench.directory / "judge" / closed.file).read_bytes()
        assert (closed.status, closed.size_bytes) == (SegmentStatus.CLOSED, len(content))
        assert closed.sha256 == hashlib.sha256(content).hexdigest()
        pictures, sounds = decode(content)
        assert (len(pictures), len(sounds)) == (closed.frames[Kind.VIDEO], closed.frames[Kind.AUDIO])
    opened = bench.events.of(SegmentOpened)
    assert [entry.number for entry in opened] == list(range(1, len(opened) + 1))
    assert await bench.recorder.segments() == tuple(bench.events.of(SegmentClosed))


async def _kill_once(bench: Bench, sender: Sender, chance: random.Random) -> None:
    """Kill at a random moment; check what is left, and that recording goes on by itself."""
    await bench.recording("witness")
    await asyncio.sleep(chance.uniform(0.0, 1.5))
    restarts, process_id = bench.recorder.restarts, bench.recorder.process_id
    closed_before = {entry.number for entry in bench.events.of(SegmentClosed)}
    newest = bench.files("witness")[-1]
    assert process_id is not None
    os.kill(process_id, signal.SIGKILL)
    killed_s = time.time()
    await bench.events.until(lambda _: bench.recorder.restarts > restarts)
    await bench.events.until(lambda events: len(events.of(SegmentClosed)) > len(closed_before))
    await bench.events.until(lambda _: bench.files("witness")[-1] != newest)
    assert bench.recorder.process_id != process_id
    entries = sidecar.read(bench.directory / "witness" / "sidecar.jsonl")
    interrupted = [e for e in entries if isinstance(e, SegmentClosed) and e.file == newest.name]
    assert [entry.status for entry in interrupted] in ([SegmentStatus.INTERRUPTED], [SegmentStatus.CLOSED])
    assert interrupted[0].sha256 == hashlib.sha256(newest.read_bytes()).hexdigest()
    last = max(
        e.last_at.timestamp()
        for e in entries
        if isinstance(e, SegmentClosed) and e.last_at is not None and e.number <= int(newest.stem)
    )
    reached_s = max(sent for sent in sender.frames_sent if sent <= killed_s)
    assert reached_s - last <= 1.0


@pytest.mark.parametrize("times", [5, pytest.param(20, marks=pytest.mark.full)])
async def test_a_killed_recorder_loses_at_most_a_second_and_resumes(bench: Bench, times: int) -> None:
    chance = random.Random(times)
    sender = await bench.seat("witness")
    for _ in range(times):
        await _kill_once(bench, sender, chance)
    await bench.recording("witness")
    await bench.recorder.stop_seat("witness")
    files = bench.files("witness")
    assert len(files) > times
    numbers = [int(file.stem) for file in files]
    assert numbers == list(range(1, len(files) + 1))
    gaps = [gap for gap in bench.events.of(GapClosed) if gap.cause is GapCause.CRASH and gap.kind is Kind.VIDEO]
    assert len(gaps) == times
    for gap in gaps:
        assert gap.at > gap.opened_at
    by_number = {entry.number: entry for entry in await bench.recorder.segments()}
    assert set(by_number) == set(numbers)
    for file in files:
        pictures = decode(file.read_bytes())[0] if by_number[int(file.stem)].frames else []
        assert len(pictures) == by_number[int(file.stem)].frames.get(Kind.VIDEO, 0)
    assert bench.events.problems(ProblemCode.RESTARTED) == [False] * times
    assert len(bench.events.of(GapOpened)) >= times
    assert FPS > 1
