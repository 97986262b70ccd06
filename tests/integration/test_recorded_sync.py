"""A clap in several seats through the whole service: in the record, flash and click lie where they happened."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import pytest

from hearing_server.config import Config
from media.replay.clip import AUDIO_FRAME_S, AudioTrack, Clip, VideoTrack
from media.replay.encode import encode_audio, encode_video
from media.replay.outgoing import OutgoingStream
from media.replay.playback import Playback
from tests.fakes.tapped_seat import decode
from tests.integration.media_client import MediaClient, until_true
from tests.integration.recorded_court import PATIENCE_S, Recorded, join, recorded_court

AT_MOST_APART_S = 0.080
FPS = 25
LOOP_S = 4
CLAP_AT_S = 2.0  # in each loop
FLASH, CLICK = round(CLAP_AT_S * FPS), round(CLAP_AT_S / AUDIO_FRAME_S)


@pytest.fixture(scope="module")
def clapping() -> Clip:
    """A loop whose picture is white for one frame at the moment that its sound clicks."""
    pictures = [np.full((120, 160, 3), 255 if number == FLASH else 40, np.uint8) for number in range(LOOP_S * FPS)]
    sound = np.zeros(LOOP_S * 48_000, np.float32)
    at = round(CLAP_AT_S * 48_000)
    sound[at : at + 480] = 0.9 * np.sin(2 * np.pi * 1500 * np.arange(480) / 48_000)
    return Clip(encode_video(pictures, width=160, height=120, fps=FPS, bitrate=200_000), encode_audio(sound))


@pytest.fixture
async def recorded(config: Config) -> AsyncIterator[Recorded]:
    async with recorded_court(config) as recorded:
        yield recorded


@dataclass
class Claps:
    """When a seat clapped, by the room's clock, as its sender captured it. `clock_error_s`: how wrong its clock is."""

    client: MediaClient
    clock_error_s: float = 0.0
    flashes: list[float] = field(default_factory=list)
    clicks: list[float] = field(default_factory=list)
    _watched: Playback | None = None

    async def watch(self) -> None:
        """Note the claps of the present connection, and put its clock wrong."""
        await until_true(lambda: self.client.peer._playback not in (None, self._watched), PATIENCE_S)
        playback = self._watched = self.client.peer._playback
        assert playback is not None
        offset_s = time.time() - time.monotonic()
        begin_frame, send_audio = playback._begin_frame, playback._send_audio

        def watched_frame(stream: OutgoingStream, track: VideoTrack, now_s: float) -> None:
            begin_frame(stream, track, now_s)
            if (playback._video_index - 1) % len(track.frames) == FLASH:
                self.flashes.append(playback._video_due_s + offset_s)

        def watched_audio(stream: OutgoingStream, track: AudioTrack) -> None:
            send_audio(stream, track)
            if playback._audio_index % len(track.payloads) == CLICK:
                self.clicks.append(playback._audio_due_s + offset_s)

        playback._begin_frame, playback._send_audio = watched_frame, watched_audio  # type: ignore[method-assign]
        for stream in (playback.audio, playback.video):
            assert stream is not None
            self._put_clock_wrong(stream)

    def _put_clock_wrong(self, stream: OutgoingStream) -> None:
        report = stream.report

        def wrong() -> bytes:
            content = report()
            ntp = int.from_bytes(content[8:16], "big") + round(self.clock_error_s * 2**32)
            return content[:8] + ntp.to_bytes(8, "big") + content[16:]

        stream.report = wrong  # type: ignore[method-assign]


async def recorded_claps(recorded: Recorded, seat_id: str) -> tuple[list[float], list[float]]:
    """When flashes and clicks are in the file that was made of the seat's segments, by the room's clock."""
    (made,) = [body for body in await recorded.log("recording:composed") if body["seat_id"] == seat_id]
    path = recorded.folder(seat_id).with_suffix(".mkv")
    pictures, sounds = await asyncio.to_thread(lambda: decode(path.read_bytes()))
    starts_s = datetime.fromisoformat(made["starts_at"]).timestamp()
    flashes = [starts_s + at_s for at_s, luma in pictures if luma > 200]
    return flashes, [starts_s + at_s for at_s, peak in sounds if peak > 0.4]


def errors(found: list[float], happened: list[float]) -> list[float]:
    """How far from its moment each clap is in the record, in seconds; what was captured in no record is left out."""
    nearest = [min(happened, key=lambda moment: abs(moment - at_s)) for at_s in found]
    return [at_s - moment for at_s, moment in zip(found, nearest, strict=True)]


async def test_claps_of_all_seats_are_in_sync_also_late_and_after_a_new_connection(
    recorded: Recorded, clapping: Clip
) -> None:
    judge = Claps(await join(recorded.court, clapping, "presiding_judge"))
    party = Claps(await join(recorded.court, clapping, "party"), clock_error_s=-7.3)
    await judge.watch()
    await party.watch()
    await judge.client.client.ask("start")
    await until_true(lambda: len(judge.flashes) >= 3 and len(party.flashes) >= 3, PATIENCE_S)
    late = Claps(await join(recorded.court, clapping, "counsel"), clock_error_s=41.0)
    await late.watch()
    await until_true(lambda: len(late.flashes) >= 2, PATIENCE_S)
    before = len(party.flashes)
    await party.client.client.ask("open_media")  # what a page does after another camera was plugged in
    await party.watch()
    await until_true(lambda: len(party.flashes) >= before + 3 and len(late.flashes) >= 3, PATIENCE_S)
    await asyncio.sleep(1.0)
    seats = {"judge": judge, "party, new connection, clock 7 s slow": party, "late, clock 41 s fast": late}
    seat_ids = {name: claps.client.seat_id for name, claps in seats.items()}
    await judge.client.client.ask("close")
    await recorded.until_segments_are_logged()
    async with asyncio.timeout(PATIENCE_S):
        while len(await recorded.log("recording:composed")) < len(seats):  # noqa: ASYNC110 - the log tells nobody
            await asyncio.sleep(0.1)

    everything: list[float] = []
    for name, claps in seats.items():
        flashes, clicks = await recorded_claps(recorded, seat_ids[name])
        assert len(flashes) >= 2
        assert len(clicks) >= 2
        found = {"picture": errors(flashes, claps.flashes), "sound": errors(clicks, claps.clicks)}
        for kind, apart in found.items():
            shown = " ".join(f"{one * 1000:+.0f}" for one in apart)
            print(f"measured: {name}, {kind}: {shown} ms from when it happened")
            everything += apart
    spread_s = max(everything) - min(everything)
    print(f"measured: {len(everything)} flashes and clicks of {len(seats)} seats lie within {spread_s * 1000:.0f} ms")
    assert spread_s <= AT_MOST_APART_S
