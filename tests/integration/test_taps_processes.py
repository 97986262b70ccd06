"""Tap workers as processes: fed over real sockets, killed for real."""

import asyncio
import os
import random
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable

import numpy as np
import pytest

from media.taps.audio_tap import MAX_QUEUED_CHUNKS, AudioTap
from media.taps.input_socket import Address, TapInput
from media.taps.video_tap import TappedPicture, VideoTap
from media.taps.worker_messages import PcmChunk
from tests.fakes.tapped_seat import TappedSeat, audio_payloads, vp8_frames

PATIENCE_S = 30.0


async def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


@pytest.fixture
async def send() -> AsyncIterator[Callable[[Address, int], None]]:
    """Sends a seat's sound (0) or picture (1) in real time to an address until the test ends."""
    tasks: list[asyncio.Task[None]] = []
    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    async def run(address: Address, part: int) -> None:
        seat = TappedSeat(time.time(), audio=audio_payloads(4.0), video=vp8_frames(40, key_every_s=1.0))
        while True:
            for datagram in seat.due(time.time())[part]:
                try:
                    out.sendto(datagram, address)
                except OSError:
                    continue  # the worker is dead just now
            await asyncio.sleep(0.01)

    yield lambda address, part: tasks.append(asyncio.create_task(run(address, part)))
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
    out.close()


async def _collect(source: AsyncIterator[object], into: list[object]) -> None:
    async for item in source:
        into.append(item)


async def test_pictures_and_sound_arrive_with_the_time_they_were_made(send: Callable[[Address, int], None]) -> None:
    async with VideoTap(fps=2.0) as video, AudioTap() as audio:
        pictures: list[object] = []
        chunks: list[object] = []
        collecting = [
            asyncio.create_task(_collect(video.pictures(), pictures)),
            asyncio.create_task(_collect(audio.chunks(), chunks)),
        ]
        send(video.process.address, 1)
        send(audio.process.address, 0)
        await _until(lambda: len(pictures) >= 3 and len(chunks) >= 20)
        now_s = time.time()
        picture, chunk = pictures[-1], chunks[-1]
        assert isinstance(picture, TappedPicture)
        assert isinstance(chunk, PcmChunk)
        assert picture.rgb.shape == (120, 160, 3)
        assert not picture.rgb.flags.writeable
        assert 0 <= now_s - picture.captured_at.timestamp() < 10
        assert 0 <= now_s - chunk.captured_s < 10
        assert np.abs(np.frombuffer(chunk.samples, "<i2")).max() > 100
        for task in collecting:
            task.cancel()
        await asyncio.wait(collecting)


async def test_a_killed_worker_is_replaced_at_the_same_address_and_others_do_not_notice(
    send: Callable[[Address, int], None],
) -> None:
    interruptions: list[int] = []
    wanted: list[float] = []
    async with (
        VideoTap(on_interrupted=interruptions.append, on_keyframe_wanted=lambda: wanted.append(time.time())) as video,
        AudioTap() as audio,
    ):
        pictures: list[object] = []
        collecting = asyncio.create_task(_collect(video.pictures(), pictures))
        address, process_id, other_id = video.process.address, video.process.process_id, audio.process.process_id
        send(address, 1)
        await _until(lambda: len(pictures) >= 1)
        assert process_id is not None
        os.kill(process_id, signal.SIGKILL)
        await _until(lambda: interruptions == [1])
        seen = len(pictures)
        await _until(lambda: len(pictures) > seen)
        assert video.process.address == address
        assert video.process.process_id != process_id
        assert wanted
        assert (audio.process.process_id, audio.process.restarts) == (other_id, 0)
        collecting.cancel()
        await asyncio.wait([collecting])


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "hanging"])
async def test_sound_goes_on_after_a_worker_died_and_the_reader_is_told_of_the_hole(
    send: Callable[[Address, int], None], blow: signal.Signals
) -> None:
    interruptions: list[int] = []
    async with AudioTap(on_interrupted=interruptions.append) as audio:
        chunks: list[object] = []
        collecting = asyncio.create_task(_collect(audio.chunks(), chunks))
        send(audio.process.address, 0)
        await _until(lambda: len(chunks) >= 10)
        assert interruptions == []
        process_id = audio.process.process_id
        assert process_id is not None
        os.kill(process_id, blow)
        await _until(lambda: interruptions == [1])
        seen = len(chunks)
        await _until(lambda: len(chunks) > seen + 10)
        assert audio.process.process_id != process_id
        with pytest.raises(ProcessLookupError):
            os.kill(process_id, 0)
        last, first = chunks[seen - 1], chunks[seen]
        assert isinstance(last, PcmChunk)
        assert isinstance(first, PcmChunk)
        assert first.captured_s > last.captured_s + last.duration_s + 0.05, "the hole shows in the times"
        assert abs(time.time() - first.captured_s) < 30
        collecting.cancel()
        await asyncio.wait([collecting])


async def test_a_slow_reader_gets_the_newest_picture_and_loses_the_oldest_sound(
    send: Callable[[Address, int], None],
) -> None:
    async with VideoTap(fps=5.0) as video:
        send(video.process.address, 1)
        await _until(lambda: video.dropped >= 5)  # nobody reads
        read_s = time.time()
        picture = await anext(video.pictures())
        assert 0 <= read_s - picture.captured_at.timestamp() < 5, "the newest, not the first of many"
    audio = AudioTap()  # without a worker: a minute of sound would take a minute
    for number in range(MAX_QUEUED_CHUNKS + 50):
        audio._on_item(PcmChunk(number / 10, False, bytes(3200)))
    assert audio.dropped == 50
    chunks: list[object] = []
    collecting = asyncio.create_task(_collect(audio.chunks(), chunks))
    await _until(lambda: len(chunks) == MAX_QUEUED_CHUNKS)
    collecting.cancel()
    await asyncio.wait([collecting])
    first = chunks[0]
    assert isinstance(first, PcmChunk)
    assert first.captured_s == 5.0


async def test_junk_at_the_input_is_counted_and_the_worker_goes_on(send: Callable[[Address, int], None]) -> None:
    async with AudioTap() as audio:
        address = audio.process.address
        chance = random.Random(3)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for _ in range(200):
                stranger.sendto(chance.randbytes(chance.randrange(1, 1700)), address)
        await _until(lambda: audio.process.refused >= 50)  # what the socket's buffer held
        await asyncio.sleep(1.5)  # the input keeps to one sender until that is silent
        send(address, 0)
        chunks: list[object] = []
        collecting = asyncio.create_task(_collect(audio.chunks(), chunks))
        await _until(lambda: any(isinstance(chunk, PcmChunk) and any(chunk.samples) for chunk in chunks))
        assert audio.process.restarts == 0
        collecting.cancel()
        await asyncio.wait([collecting])


async def test_a_worker_ends_with_its_owner() -> None:
    tap = AudioTap()
    await tap.start()
    process_id = tap.process.process_id
    assert process_id is not None
    os.kill(process_id, 0)  # control: it is there
    await tap.aclose()
    await tap.aclose()
    with pytest.raises(ProcessLookupError):
        os.kill(process_id, 0)


async def test_a_second_sender_cannot_mix_into_a_udp_input() -> None:
    tap = TapInput()
    first, second = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    with first, second:
        first.sendto(b"first", tap.address)
        await asyncio.sleep(0.05)
        assert tap.drain(100.0) == [b"first"]
        second.sendto(b"second", tap.address)
        await asyncio.sleep(0.05)
        assert tap.drain(100.5) == []
        assert tap.foreign == 1
        second.sendto(b"second", tap.address)
        await asyncio.sleep(0.05)
        assert tap.drain(102.0) == [b"second"]  # the first has been silent: a relay that was restarted
    tap.close()
    tap.close()


def test_a_unix_input_takes_the_place_of_one_that_was_killed(tmp_path: object) -> None:
    path = f"{tmp_path}/tap.sock"
    left = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    left.bind(path)
    left.close()
    tap = TapInput(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"hello", path)
        sender.sendto(b"x" * 3000, path)
        assert tap.drain(0.0) == [b"hello"]
    assert tap.oversized == 1
    assert os.stat(path).st_mode & 0o077 == 0
    tap.close()
    assert not os.path.exists(path)
