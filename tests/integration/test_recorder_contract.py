"""What every recorder does, the real process and the fake alike."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import pytest

from media.plan import Kind
from media.recording.client import RecorderProcess
from media.recording.entries import GapCause, GapClosed, GapOpened, KeyframeWanted
from media.recording.interface import Recorder, RecorderError
from tests.fakes.recorder import FakeRecorder

E = TypeVar("E")


@pytest.fixture(params=["process", "fake"])
async def recorder(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Recorder]:
    if request.param == "fake":
        yield FakeRecorder()
        return
    async with RecorderProcess(tmp_path / "hearing", tmp_path / "c.sock", minimum_free_bytes=1024) as process:
        yield process


async def _next(recorder: Recorder, kind: type[E]) -> E:
    async with asyncio.timeout(30):
        async for event in recorder.events():
            if isinstance(event, kind):
                return event
    raise AssertionError("events ended")


async def test_a_seat_gets_an_address_for_each_kind_and_keeps_it(recorder: Recorder) -> None:
    first = await recorder.start_seat("judge", [Kind.AUDIO])
    assert set(first) == {Kind.AUDIO}
    both = await recorder.start_seat("judge", list(Kind))
    assert both[Kind.AUDIO] == first[Kind.AUDIO]
    assert set(both) == set(Kind)
    other = await recorder.start_seat("clerk", list(Kind))
    assert len({*both.values(), *other.values()}) == 4
    assert await recorder.start_seat("judge", list(Kind)) == both


async def test_a_key_frame_is_wanted_for_a_camera(recorder: Recorder) -> None:
    await recorder.start_seat("judge", list(Kind))
    assert (await _next(recorder, KeyframeWanted)).seat == "judge"


@pytest.mark.parametrize("seat", ["", "..", "a/b", "a" * 65, "席"])
async def test_a_seat_name_that_is_no_folder_name_is_refused(recorder: Recorder, seat: str) -> None:
    with pytest.raises(RecorderError) as refused:
        await recorder.start_seat(seat, [Kind.AUDIO])
    assert refused.value.code == "bad_seat_name"


async def test_a_seat_that_was_not_started_cannot_be_muted(recorder: Recorder) -> None:
    with pytest.raises(RecorderError) as refused:
        await recorder.expect("judge", Kind.AUDIO, is_sending=False, cause=GapCause.MUTE)
    assert refused.value.code == "seat_not_recorded"
    await recorder.start_seat("judge", [Kind.AUDIO])
    await recorder.expect("judge", Kind.AUDIO, is_sending=False, cause=GapCause.MUTE)
    await recorder.expect("judge", Kind.AUDIO, is_sending=True, cause=GapCause.MUTE)


async def test_a_marked_gap_is_reported_with_its_times(recorder: Recorder) -> None:
    opened_at, closed_at = datetime(2026, 3, 2, 9, 0, tzinfo=UTC), datetime(2026, 3, 2, 9, 0, 7, tzinfo=UTC)
    await recorder.start_seat("judge", [Kind.AUDIO])
    await recorder.mark_gap("judge", Kind.AUDIO, GapCause.STALLED, opened_at, closed_at)
    opened = await _next(recorder, GapOpened)
    closed = await _next(recorder, GapClosed)
    assert (opened.at, opened.cause) == (opened_at, GapCause.STALLED)
    assert (closed.gap, closed.opened_at, closed.at) == (opened.gap, opened_at, closed_at)


async def test_stopping_pausing_and_closing_may_be_said_twice(recorder: Recorder) -> None:
    await recorder.start_seat("judge", list(Kind))
    for _ in range(2):
        await recorder.pause("recess")
    for _ in range(2):
        await recorder.resume()
    for _ in range(2):
        await recorder.stop_seat("judge")
    assert await recorder.segments() == ()
    for _ in range(2):
        await recorder.aclose()
