"""Relay processes that die or hang, again and again: nobody else notices, and the next one is ready."""

import asyncio
import os
import signal
import statistics
import time
from collections.abc import AsyncIterator, Callable
from typing import Final

import pytest

from media.engine import RoomLost
from media.plan import Kind
from media.replay.clip import Clip
from tests.integration.sfu_room import ROOM, SfuRoom, make_clip, plan, sfu_room, until

NEXT_DOOR: Final = "court-2"
DEATHS: Final = 10


@pytest.fixture(scope="module")
def clip() -> Clip:
    return make_clip()


@pytest.fixture
async def house(clip: Clip) -> AsyncIterator[SfuRoom]:
    """Two rooms in two processes: ann speaks to bob here, cleo to dora next door."""
    async with sfu_room() as room:
        await room.engine.open_room(NEXT_DOOR)
        await room.engine.apply(ROOM, plan(("ann", "bob")))
        await room.engine.apply(NEXT_DOOR, plan(("cleo", "dora")))
        await asyncio.gather(room.join("ann", clip), room.join("bob"))
        await asyncio.gather(room.join("cleo", clip, room=NEXT_DOOR), room.join("dora", room=NEXT_DOOR))
        await asyncio.gather(room.flowing("bob", "ann"), room.flowing("dora", "cleo"))
        yield room


def pid_of(room: SfuRoom, name: str) -> int:
    pid = room.engine.worker_pid(name)
    assert pid is not None
    return pid


async def losses(room: SfuRoom, count: int) -> None:
    await until(lambda: sum(isinstance(event, RoomLost) for event in room.events) >= count)


async def come_back(room: SfuRoom, clip: Clip) -> None:
    await room.engine.open_room(ROOM)
    await room.engine.apply(ROOM, plan(("ann", "bob")))
    await asyncio.gather(room.join("ann", clip), room.join("bob"))
    await room.flowing("bob", "ann", more=1)


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "hanging"])
async def test_a_relay_takes_only_its_own_hearing_with_it(house: SfuRoom, clip: Clip, blow: signal.Signals) -> None:
    dying, neighbour = pid_of(house, ROOM), pid_of(house, NEXT_DOOR)
    assert dying != neighbour
    os.kill(dying, blow)
    await losses(house, 1)
    await house.flowing("dora", "cleo", more=20)
    assert [event.room for event in house.events if isinstance(event, RoomLost)] == [ROOM]
    assert pid_of(house, NEXT_DOOR) == neighbour
    for kind in Kind:
        reception = house.reception("dora", "cleo", kind)
        assert reception is not None
        assert (reception.lost, reception.duplicates) == (0, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(dying, 0)  # one that hung was ended, and is not left behind
    await come_back(house, clip)


async def test_a_relay_killed_ten_times_in_a_row_comes_back_each_time(
    house: SfuRoom, clip: Clip, record_property: Callable[[str, object], None]
) -> None:
    took_s = []
    seen = {pid_of(house, ROOM)}
    for death in range(1, DEATHS + 1):
        dora_got = house.packets("dora", "cleo", Kind.AUDIO)
        killed_s = time.monotonic()
        os.kill(pid_of(house, ROOM), signal.SIGKILL)
        await losses(house, death)
        await come_back(house, clip)
        took_s.append(time.monotonic() - killed_s)
        seen.add(pid_of(house, ROOM))
        assert house.packets("dora", "cleo", Kind.AUDIO) > dora_got
    assert len(seen) == DEATHS + 1
    record_property(
        f"relay killed {DEATHS} times in a row -> sound and picture again, s (median and longest)",
        (round(statistics.median(took_s), 2), round(max(took_s), 2)),
    )


async def test_the_spare_process_is_replaced_whenever_it_was_used_or_has_died(house: SfuRoom, clip: Clip) -> None:
    spares = set()
    for death in range(1, 4):
        await until(lambda: house.engine.spare_pid is not None)
        spare = house.engine.spare_pid
        assert spare is not None
        assert spare not in spares
        spares.add(spare)
        if death == 3:
            os.kill(spare, signal.SIGKILL)  # the one that was to help dies first
            await asyncio.sleep(0.2)
        os.kill(pid_of(house, ROOM), signal.SIGKILL)
        await losses(house, death)
        await come_back(house, clip)
        if death < 3:
            assert pid_of(house, ROOM) == spare, "it was ready, and was used"
        else:
            assert pid_of(house, ROOM) != spare
