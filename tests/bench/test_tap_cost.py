"""What looking at, listening to and recording one person costs: the benchmark's 720p sender, in real time."""

import asyncio
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from hearing_server.cli.actors import default_clip_folder
from media.bench.processes import cpu_grown_s, cpu_ns_by_thread, footprint
from media.plan import Kind
from media.recording.client import RecorderProcess
from media.replay.clip import Clip
from media.replay.makers import benchmark_clip
from media.taps.audio_tap import AudioTap
from media.taps.input_socket import Address
from media.taps.video_tap import VideoTap
from tests.fakes.tapped_seat import OPUS_PT, VP8_PT, RtpStream

SECONDS = 10.0


def datagrams(clip: Clip, begun_s: float) -> Iterator[tuple[float, int, bytes]]:
    """Yield (when it is due, 0 for sound and 1 for picture, datagram) for ever, in order."""
    assert clip.audio is not None
    assert clip.video is not None
    sound, picture = RtpStream(OPUS_PT, 48_000, 2), RtpStream(VP8_PT, 90_000, 3)
    sounds = pictures = 0
    while True:
        sound_s, picture_s = begun_s + sounds * 0.02, begun_s + pictures / clip.video.fps
        if sound_s <= picture_s:
            payload = clip.audio.payloads[sounds % len(clip.audio.payloads)]
            yield from ((sound_s, 0, packet) for packet in sound.packets([payload], sound_s))
            sounds += 1
        else:
            frame = clip.video.frames[pictures % len(clip.video.frames)]
            yield from ((picture_s, 1, packet) for packet in picture.packets(frame.payloads, picture_s))
            pictures += 1


async def play(clip: Clip, addresses: tuple[Address, Address]) -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sound,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as picture,
    ):
        for due_s, kind, packet in datagrams(clip, time.time()):
            if (wait_s := due_s - time.time()) > 0:
                await asyncio.sleep(wait_s)
            (sound, picture)[kind].sendto(packet, addresses[kind])


async def drain(items: AsyncIterator[object], kept: list[object]) -> None:
    async for item in items:
        kept.append(item)


@pytest.mark.full
async def test_a_tap_of_one_720p_sender(record_property: Callable[[str, object], None]) -> None:
    clip = benchmark_clip(folder=default_clip_folder())
    async with VideoTap(fps=2.0) as video, AudioTap() as audio:
        pictures: list[object] = []
        chunks: list[object] = []
        tasks = [
            asyncio.create_task(play(clip, (audio.process.address, video.process.address))),
            asyncio.create_task(drain(video.pictures(), pictures)),
            asyncio.create_task(drain(audio.chunks(), chunks)),
        ]
        async with asyncio.timeout(60):
            while len(pictures) < 3 or len(chunks) < 10:  # noqa: ASYNC110 (other processes warm up)
                await asyncio.sleep(0.1)
        for name, tap, made in (("video", video.process, pictures), ("audio", audio.process, chunks)):
            assert tap.process_id is not None
            begun_s, had, before = time.monotonic(), len(made), cpu_ns_by_thread([tap.process_id])
            await asyncio.sleep(SECONDS)
            grown_s = cpu_grown_s(before, cpu_ns_by_thread([tap.process_id]))
            wall_s = time.monotonic() - begun_s
            assert len(made) - had > SECONDS, "it was at work"
            assert tap.restarts == 0
            memory = footprint([tap.process_id])
            record_property(
                f"{name} tap of one 720p25 sender, % of a core and PSS in MiB",
                (round(100 * grown_s / wall_s, 1), round(memory.pss_mib)),
            )
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


@pytest.mark.full
async def test_a_recording_of_one_720p_sender(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    clip = benchmark_clip(folder=default_clip_folder())
    with tempfile.TemporaryDirectory(prefix="rec") as folder:  # a socket's path has to be short
        async with RecorderProcess(tmp_path, Path(folder) / "control") as recorder:
            addresses = await recorder.start_seat("seat", tuple(Kind))
            playing = asyncio.create_task(play(clip, (addresses[Kind.AUDIO], addresses[Kind.VIDEO])))

            def written_bytes() -> int:
                return sum(path.stat().st_size for path in (tmp_path / "seat").glob("*.mkv"))

            async with asyncio.timeout(60):
                while written_bytes() < 100_000:  # noqa: ASYNC110 (another process warms up)
                    await asyncio.sleep(0.1)
            assert recorder.process_id is not None
            begun_s, had, before = time.monotonic(), written_bytes(), cpu_ns_by_thread([recorder.process_id])
            await asyncio.sleep(SECONDS)
            grown_s = cpu_grown_s(before, cpu_ns_by_thread([recorder.process_id]))
            wall_s = time.monotonic() - begun_s
            assert written_bytes() - had > SECONDS * 100_000, "it was at work"
            memory = footprint([recorder.process_id])
            record_property(
                "recording of one 720p25 sender, % of a core and PSS in MiB",
                (round(100 * grown_s / wall_s, 1), round(memory.pss_mib)),
            )
            playing.cancel()
            await asyncio.wait([playing])
