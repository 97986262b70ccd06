"""What loss does to a hearing: repaired where it can be; else pictures give way. Others notice nothing."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from media.engine import HealthChanged
from media.plan import Kind
from media.quality import Health
from media.replay.clip import Clip
from tests.integration.sfu_room import ROOM, SfuRoom, make_clip, plan, sfu_room, until


@pytest.fixture(scope="module")
def clip() -> Clip:
    return make_clip()


@pytest.fixture
async def room(clip: Clip) -> AsyncIterator[SfuRoom]:
    async with sfu_room() as opened:
        await opened.engine.apply(ROOM, plan(("ann", "bob"), ("ann", "cleo"), ("bob", "cleo")))
        await asyncio.gather(opened.join("ann", clip), opened.join("bob", clip), opened.join("cleo"))
        await asyncio.gather(opened.flowing("bob", "ann"), opened.flowing("cleo", "ann"), opened.flowing("cleo", "bob"))
        yield opened


async def test_a_tenth_lost_is_repaired_both_ways(room: SfuRoom) -> None:
    bob = room.peers["bob"]
    bob.drop_incoming(0.10, seed=1)
    bob.drop_outgoing(0.10, seed=2)
    began = {who: room.reception(*who, Kind.AUDIO) for who in (("bob", "ann"), ("cleo", "bob"))}
    await asyncio.gather(room.flowing("bob", "ann", Kind.AUDIO, more=400), room.flowing("cleo", "bob", more=150))
    lost_down = bob.dropped("downlink")["loss_in"]
    assert lost_down > 10, "the control: packets were lost"
    assert bob.dropped("uplink")["loss_out"] > 10
    bob.drop_incoming(0)
    bob.drop_outgoing(0)
    await asyncio.sleep(1.5)  # repairs under way end
    for audio in began.values():
        assert audio is not None
        assert audio.lost <= 0.02 * audio.expected, "asked for again and repaired"
    repaired = room.reception("cleo", "bob", Kind.VIDEO)
    assert repaired is not None
    assert repaired.key_frames >= 1
    assert repaired.lost <= 0.05 * repaired.expected
    assert bob.sent["audio"].nacked + bob.sent["video"].nacked > 5
    untouched = room.reception("cleo", "ann", Kind.AUDIO)
    assert untouched is not None
    assert untouched.lost == 0


async def test_a_bad_receiver_keeps_the_sound_and_gets_pictures_back(room: SfuRoom) -> None:
    bob = room.peers["bob"]
    bob.drop_incoming(0.30, seed=3)
    bob.drop_outgoing(0.30, seed=4)
    paused = await room.until_event(HealthChanged, lambda event: event.peer == "bob" and event.is_video_paused)
    assert paused.downlink is Health.BAD or (paused.downlink_loss_ratio or 0) > 0.1
    await asyncio.sleep(0.5)
    pictures = room.packets("bob", "ann", Kind.VIDEO)
    for_cleo = room.packets("cleo", "ann", Kind.VIDEO)
    await room.flowing("bob", "ann", Kind.AUDIO, more=30)
    await until(lambda: room.packets("cleo", "ann", Kind.VIDEO) > for_cleo + 5)  # others go on
    assert room.packets("bob", "ann", Kind.VIDEO) == pictures
    assert not [one for one in room.events if isinstance(one, HealthChanged) and one.peer == "cleo"
                and one.is_video_paused]  # fmt: skip
    assert [one for one in room.events if isinstance(one, HealthChanged) and one.peer == "bob" and one.uplink_cap_bps]
    count = len(room.events)
    bob.drop_incoming(0)
    bob.drop_outgoing(0)
    await until(
        lambda: any(
            isinstance(one, HealthChanged) and one.peer == "bob" and not one.is_video_paused
            for one in room.events[count:]
        )
    )
    await room.flowing("bob", "ann", Kind.VIDEO)


async def test_a_bad_sender_is_told_to_send_less(room: SfuRoom) -> None:
    ann = room.peers["ann"]
    ann.drop_outgoing(0.35, seed=5)
    await room.until_event(HealthChanged, lambda event: event.peer == "ann" and event.uplink is Health.BAD)
    await until(lambda: (ann.sent["video"].remb_bps or 1_200_000) < 800_000)
    lowest = ann.sent["video"].remb_bps or 0
    ann.drop_outgoing(0)
    await room.until_event(HealthChanged, lambda event: event.peer == "ann" and event.uplink is Health.GOOD)
    await until(lambda: (ann.sent["video"].remb_bps or 0) > lowest)
