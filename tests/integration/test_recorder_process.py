"""The recorder as a process: real sockets, real files, killed for real."""

import asyncio
import hashlib
import os
import random
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import pytest

from media.plan import Kind
from media.recording import control, sidecar
from media.recording.client import RecorderProcess
from media.recording.entries import (
    GapCause,
    GapClosed,
    KeyframeWanted,
    ProblemCode,
    RecorderEvent,
    RecorderProblem,
    SegmentClosed,
    SegmentOpened,
    SegmentStatus,
)
from media.recording.interface import RecorderError
from media.recording.recovery import scan
from media.recording.segment import SegmentLength
from media.taps.input_socket import Address
from tests.fakes.tapped_seat import TappedSeat, audio_payloads, decode, vp8_frames

PATIENCE_S = 40.0
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
            assert time.monotonic() < deadline, [event for event in self.seen if isinstance(event, RecorderProblem)]
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


@asynccontextmanager
async def _bench(directory: Path, control: Path, **options: Any) -> AsyncIterator[Bench]:
    recorder = RecorderProcess(directory, control, **{"minimum_free_bytes": 1024, **options})
    made = Bench(directory, recorder)
    try:
        await recorder.start()
        yield made
    finally:
        await made.aclose()


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    length = SegmentLength(roll_after_s=3.0, most_s=5.0)
    async with _bench(tmp_path / "hearing", tmp_path / "control.sock", length=length) as made:
        yield made


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
        assert (len(pictures), len(sounds)) == (closed.frames.get(Kind.VIDEO, 0), closed.frames.get(Kind.AUDIO, 0))
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


async def test_a_file_that_cannot_grow_is_reported_and_recording_goes_on_in_others(tmp_path: Path) -> None:
    """A limit of 20 kB a file stands for a disk that refuses: os.write fails in the middle of a cluster."""
    limited = ("prlimit", "--fsize=20000", sys.executable, "-m", "media.recording.recorder")
    async with _bench(tmp_path / "hearing", tmp_path / "c.sock", command=limited) as made:
        await made.seat("judge")
        await made.events.until(lambda events: len(events.problems(ProblemCode.WRITE_FAILED)) >= 3)
        assert made.events.problems(ProblemCode.WRITE_FAILED)[:3] == [False, True, False]
        assert made.recorder.restarts == 0
        await made.recorder.stop_seat("judge")
        await made.events.until(lambda events: len(events.of(SegmentClosed)) == len(made.files("judge")))
    failed = [entry for entry in made.events.of(SegmentClosed) if entry.status is SegmentStatus.FAILED]
    assert len(failed) >= 2
    for entry in failed:
        content = (made.directory / "judge" / entry.file).read_bytes()
        assert len(content) == entry.size_bytes <= 20_000
        assert entry.sha256 == hashlib.sha256(content).hexdigest()
        assert len(decode(content)[0]) > 5
    assert GapCause.DISK in {gap.cause for gap in made.events.of(GapClosed)}


@pytest.fixture
async def small_disk(tmp_path: Path) -> AsyncIterator[Path]:
    """A file system of 3 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ("mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk))
    if await (await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)).wait():
        pytest.skip("a small file system cannot be mounted here (needs root)")
    yield disk
    await (await asyncio.create_subprocess_exec("umount", "-l", str(disk))).wait()


async def test_a_disk_without_room_is_reported_and_recording_resumes_when_there_is(
    small_disk: Path, tmp_path: Path
) -> None:
    async with _bench(small_disk / "hearing", tmp_path / "c.sock", minimum_free_bytes=200_000) as made:
        await made.seat("judge")
        await made.recording("judge")
        filler = small_disk / "filler"
        filler.write_bytes(b"x" * 2_900_000)
        await made.events.until(lambda events: events.problems(ProblemCode.DISK_FULL) == [False])
        await made.events.until(lambda events: len(events.of(SegmentClosed)) == 1)
        (closed,) = made.events.of(SegmentClosed)
        content = (made.directory / "judge" / closed.file).read_bytes()
        assert closed.status is SegmentStatus.CLOSED
        assert len(decode(content)[0]) == closed.frames[Kind.VIDEO]
        await asyncio.sleep(2)
        assert len(made.files("judge")) == 1
        filler.unlink()
        await made.events.until(lambda events: len(made.files("judge")) == 2)
        await made.events.until(lambda events: [gap.cause for gap in events.of(GapClosed)] == [GapCause.DISK] * 2)
        assert True in made.events.problems(ProblemCode.DISK_FULL)
        assert made.recorder.restarts == 0


async def test_a_recorder_that_hangs_is_reported_and_replaced(bench: Bench) -> None:
    await bench.seat("judge")
    await bench.recording("judge")
    process_id = bench.recorder.process_id
    assert process_id is not None
    files = len(bench.files("judge"))
    os.kill(process_id, signal.SIGSTOP)
    await bench.events.until(lambda events: events.problems(ProblemCode.NOT_RESPONDING)[:2] == [False, True])
    await bench.events.until(lambda _: len(bench.files("judge")) > files)
    assert bench.recorder.process_id != process_id


async def test_a_recorder_outlives_its_owner_and_the_next_one_takes_it_over(tmp_path: Path) -> None:
    first = RecorderProcess(tmp_path / "hearing", tmp_path / "c.sock", minimum_free_bytes=1024)
    await first.start()
    inputs = dict(await first.start_seat("judge", [Kind.AUDIO]))
    process_id = first.process_id
    orphan = first._task
    assert orphan is not None
    orphan.cancel()
    await asyncio.wait([orphan])
    second = RecorderProcess(tmp_path / "hearing", tmp_path / "c.sock", minimum_free_bytes=1024)
    await second.start()
    assert (second.process_id, second.restarts) == (process_id, 0)
    assert dict(await second.start_seat("judge", [Kind.AUDIO])) == inputs
    with pytest.raises(RecorderError) as refused:
        await second.start_seat("../etc", [Kind.AUDIO])
    assert refused.value.code == "bad_seat_name"
    with pytest.raises(RecorderError) as refused:
        await second.expect("nobody", Kind.AUDIO, is_sending=False, cause=GapCause.MUTE)
    assert refused.value.code == "seat_not_recorded"
    await second.aclose()
    await second.aclose()
    await first.aclose()


async def test_a_pause_outlives_a_restart_and_nothing_of_it_is_recorded(bench: Bench) -> None:
    await bench.seat("judge")
    await bench.recording("judge")
    await bench.recorder.pause("recess")
    size = sum(path.stat().st_size for path in bench.files("judge"))
    process_id = bench.recorder.process_id
    assert process_id is not None
    os.kill(process_id, signal.SIGKILL)
    await bench.events.until(lambda events: bool(events.problems(ProblemCode.RESTARTED)))
    await asyncio.sleep(2)
    assert sum(path.stat().st_size for path in bench.files("judge")) == size
    await bench.recorder.resume()
    await bench.events.until(lambda _: sum(path.stat().st_size for path in bench.files("judge")) > size)


async def test_junk_on_inputs_and_control_stops_nothing(bench: Bench, tmp_path: Path) -> None:
    chance = random.Random(1)
    sender = await bench.seat("judge")
    await bench.recording("judge")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as junk:
        for address in sender.inputs.values():
            for _ in range(300):
                junk.sendto(chance.randbytes(chance.randrange(2000)), address)
    process_id = bench.recorder.process_id
    for content in (b"\xff\xff\xff\xff", b"\x00\x00\x00\x04junk", chance.randbytes(200)):
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / "control.sock"))
        writer.write(content)
        with suppress(ConnectionError):
            assert await reader.read() == b""  # a second owner is turned away
        writer.close()
    await bench.recording("judge", frames=10)
    await bench.recorder.stop_seat("judge")
    for file in bench.files("judge"):
        decode(file.read_bytes())
    assert (bench.recorder.process_id, bench.recorder.restarts) == (process_id, 0)


async def test_what_no_seat_can_send_is_refused_and_counted_and_nothing_is_lost(bench: Bench) -> None:
    sender = await bench.seat("judge")
    await bench.recording("judge")
    chance = random.Random(4)
    await bench.events.until(lambda _: bench.recorder.datagrams > 0)
    before = bench.recorder.refused
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as foreign:
        for address in sender.inputs.values():
            for _ in range(100):
                foreign.sendto(chance.randbytes(200), address)
    await bench.events.until(lambda _: bench.recorder.refused >= before + 150)  # some may come while nobody sends
    before = bench.recorder.refused
    for kind, address in sender.inputs.items():
        audio, video = sender.seat.due(time.time())
        for whole in audio if kind is Kind.AUDIO else video:
            sender._socket.sendto(whole, address)
        for _ in range(50):
            sender._socket.sendto(chance.randbytes(8), address)  # truncated
            sender._socket.sendto(bytes(5000), address)  # oversized
            sender._socket.sendto(bytes((0x80, 77)) + chance.randbytes(60), address)  # a payload type that is not ours
    await bench.events.until(
        lambda _: bench.recorder.refused >= before + 250
    )  # what looks like a report is not counted
    await bench.recording("judge", frames=30)
    await bench.recorder.stop_seat("judge")
    pictures, sounds = decode(b"".join(file.read_bytes() for file in bench.files("judge")[:1]))
    gaps = [gap for gap in bench.events.of(GapClosed) if gap.cause is not GapCause.LOSS]
    assert not gaps, "every packet of the seat itself is in the record"
    assert pictures
    assert sounds
    assert bench.recorder.restarts == 0


async def test_absurd_requests_are_refused_and_change_nothing(bench: Bench) -> None:
    await bench.seat("judge")
    await bench.recording("judge")
    process_id = bench.recorder.process_id
    for seat in ("", "x" * 10_000, "../../etc", "a/b", "\0", "座位"):
        with pytest.raises(RecorderError) as refused:
            await bench.recorder.start_seat(seat, list(Kind))
        assert refused.value.code == "bad_seat_name"
    for taken in (("203.0.113.9", 5000), "/nowhere/socket"):
        with pytest.raises(RecorderError) as refused:
            await bench.recorder._ask(control.StartSeat(seat="other", kinds=(Kind.AUDIO,), inputs={Kind.AUDIO: taken}))
        assert refused.value.code == "write_failed"
    for _ in range(500):
        await bench.recorder.expect("judge", Kind.AUDIO, is_sending=False, cause=GapCause.MUTE)
        await bench.recorder.expect("judge", Kind.AUDIO, is_sending=True, cause=GapCause.MUTE)
    files = len(bench.files("judge"))
    await bench.recording("judge", frames=20)
    assert (bench.recorder.process_id, bench.recorder.restarts) == (process_id, 0)
    assert files <= 3, "a microphone that is switched all the time makes no flood of files"
