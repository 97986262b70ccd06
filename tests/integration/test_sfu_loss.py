"""What loss does to a hearing: repaired where it can be; else pictures give way. Others notice nothing."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from itertools import permutations

import pytest

from media.engine import HealthChanged
from media.plan import Kind
from media.quality import MAX_CAP_BPS, Health
from media.replay.clip import Clip
from media.replay.incoming import is_vp8_key_frame
from media.replay.playout import Playout
from tests.integration.arrival_log import ArrivalLog
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


# The measurements: everybody sees and hears everybody, one link is bad in both directions.

PEOPLE = ("ann", "bob", "cleo")
BUFFER_S = 0.2


@pytest.fixture
async def everybody(clip: Clip) -> AsyncIterator[tuple[SfuRoom, ArrivalLog]]:
    log = ArrivalLog()
    pairs = list(permutations(PEOPLE, 2))
    async with sfu_room() as opened:
        await opened.engine.apply(ROOM, plan(*pairs))
        await asyncio.gather(*(opened.join(name, clip, on_packet=log.of(name)) for name in PEOPLE))
        await asyncio.gather(*(opened.flowing(receiver, source) for source, receiver in pairs))
        yield opened, log


def lose(room: SfuRoom, name: str, ratio: float, seed: int = 0) -> float:
    """Lose `ratio` of all datagrams of both connections in both directions from now on; return when."""
    room.peers[name].drop_incoming(ratio, seed)
    room.peers[name].drop_outgoing(ratio, seed + 1)
    return time.monotonic()


@pytest.mark.full
@pytest.mark.parametrize("one_way_s", [0.0, 0.025])
async def test_sound_has_no_gaps_when_a_tenth_is_lost(
    everybody: tuple[SfuRoom, ArrivalLog], one_way_s: float, record_property: Callable[[str, object], None]
) -> None:
    room, log = everybody
    room.peers["bob"].delay(one_way_s)
    await asyncio.sleep(1)
    began_s = lose(room, "bob", 0.10, seed=11)
    await asyncio.sleep(20)
    ended_s = lose(room, "bob", 0.0)
    await asyncio.sleep(1)

    def heard(receiver: str, source: str) -> Playout:
        return log.sound(room, receiver, source, began_s, ended_s, BUFFER_S)

    untouched = heard("cleo", "ann")  # what the machine itself holds up
    for receiver, source in (("bob", "ann"), ("bob", "cleo"), ("ann", "bob"), ("cleo", "bob")):
        played = heard(receiver, source)
        record_property(f"{receiver} <- {source}, {one_way_s} s one way: time in gaps", round(played.gap_ratio, 4))
        record_property(f"{receiver} <- {source}, {one_way_s} s one way: missing", round(played.missing_ratio, 4))
        assert played.packets > 900
        assert played.gap_ratio <= 0.01 + untouched.gap_ratio
    assert room.peers["bob"].dropped("downlink")["loss_in"] > 100, "the control: packets were lost"
    assert room.peers["bob"].dropped("uplink")["loss_out"] > 100


@pytest.mark.full
async def test_pictures_come_back_each_time_the_loss_ends(
    everybody: tuple[SfuRoom, ArrivalLog], record_property: Callable[[str, object], None]
) -> None:
    room, log = everybody
    ann = room.peers["ann"]
    keys, began_s = ann.sent["video"].key_frames, time.monotonic()
    for cycle in range(4):
        count, bad_s = len(room.events), lose(room, "bob", 0.30, seed=20 + 2 * cycle)
        stopped_s = await told(room, count, is_video_paused=True)
        await asyncio.sleep(3)
        pictures = room.packets("bob", "ann", Kind.VIDEO)
        await room.flowing("bob", "ann", Kind.AUDIO, more=30)
        assert room.packets("bob", "ann", Kind.VIDEO) == pictures, "sound only"
        count, good_s = len(room.events), lose(room, "bob", 0.0)
        back_s = await told(room, count, is_video_paused=False)
        await room.flowing("bob", "ann", Kind.VIDEO)
        picture_s = next(
            packet.arrival_s
            for packet in log.packets(room, "bob", "ann", Kind.VIDEO)
            if packet.arrival_s > good_s and is_vp8_key_frame(packet.payload)
        )
        record_property(f"loss begins -> told, cycle {cycle}, s", round(stopped_s - bad_s, 2))
        record_property(f"loss ends -> told, cycle {cycle}, s", round(back_s - good_s, 2))
        record_property(f"loss ends -> first key frame, cycle {cycle}, s", round(picture_s - good_s, 2))
        await asyncio.sleep(1)
    lasted_s = time.monotonic() - began_s
    for receiver, source in (("cleo", "ann"), ("ann", "cleo")):
        for kind in Kind:
            reception = room.reception(receiver, source, kind)
            assert reception is not None
            assert reception.lost == 0, "others get everything"
    frames = [one for one in log.packets(room, "cleo", "ann", Kind.VIDEO) if one.marker and one.arrival_s > began_s]
    assert len(frames) / lasted_s > 8, "10 pictures a second, as ever"
    of_the_clip = lasted_s / 4
    assert ann.sent["video"].key_frames - keys <= of_the_clip + 5 * 4 + 1, "a receiver asks 5 times, then every 2 s"
    assert ann.sent["video"].remb_bps == MAX_CAP_BPS, "nobody else sends less because of one receiver"


async def told(room: SfuRoom, after: int, *, is_video_paused: bool) -> float:
    """When the relay said so of bob, in its events after the first `after`."""

    def found() -> float | None:
        for event, at_s in zip(room.events[after:], room.event_times_s[after:], strict=False):
            if isinstance(event, HealthChanged) and (event.peer, event.is_video_paused) == ("bob", is_video_paused):
                return at_s
        return None

    await until(lambda: found() is not None)
    at_s = found()
    assert at_s is not None
    return at_s
