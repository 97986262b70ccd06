"""The relay carries what the plan says, and nothing else. Every test runs in Python and on the compiled fast path."""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest

from media.plan import Edge, Kind, Plan
from media.replay.clip import Clip
from media.replay.incoming import ReceivedPacket, Reception, is_vp8_key_frame
from media.replay.peer import ReplayPeer
from media.sfu.compiled import PURE_VARIABLE
from media.sfu.fast_path_build import build
from tests.integration.sfu_room import LOOPBACK, ROOM, SfuRoom, make_clip, plan, sfu_room, until

_has_compiler = build()


@pytest.fixture(scope="module")
def clip() -> Clip:
    return make_clip()


@pytest.fixture(params=["pure", "compiled"])
async def room(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SfuRoom]:
    if request.param == "compiled" and not _has_compiler:
        pytest.skip("no C compiler here")
    monkeypatch.setenv(PURE_VARIABLE, "1" if request.param == "pure" else "0")
    async with sfu_room() as opened:
        yield opened


async def test_two_people_get_each_other_whole(room: SfuRoom, clip: Clip) -> None:
    await room.engine.apply(ROOM, plan(("ann", "bob"), ("bob", "ann")))
    await asyncio.gather(room.join("ann", clip), room.join("bob", clip))
    for receiver, source in (("bob", "ann"), ("ann", "bob")):
        await room.flowing(receiver, source, more=40)
        for kind in Kind:
            reception = room.reception(receiver, source, kind)
            assert reception is not None
            assert reception.lost == 0
            assert reception.duplicates == 0
        video = room.reception(receiver, source, Kind.VIDEO)
        assert video is not None
        assert video.key_frames >= 1
        await until(lambda video=video: video.sender_reports > 0)  # type: ignore[misc]  # bound now
    stats = (await room.engine.stats(ROOM)).peers["bob"]
    assert set(stats.received) == set(stats.sent["ann"]) == {Kind.AUDIO, Kind.VIDEO}
    assert stats.rtp_packets_sent == sum(one.packets for one in stats.sent["ann"].values())
    ann = room.peers["ann"]
    await until(lambda: ann.sent["video"].reports > 0 and ann.sent["video"].remb_bps is not None)
    assert ann.sent["video"].remb_bps == 1_200_000
    await until(lambda: ann.sent["video"].rtt_s is not None)
    assert ann.sent["video"].key_frames <= 6, "key frames are asked for when needed, not all the time"


async def test_who_is_not_listed_gets_nothing_and_who_is_removed_gets_nothing_more(room: SfuRoom, clip: Clip) -> None:
    await room.engine.apply(ROOM, plan(("ann", "bob"), ("ann", "cleo")))
    await asyncio.gather(*(room.join(name, clip) for name in ("ann", "bob", "cleo", "witness")))
    await asyncio.gather(room.flowing("bob", "ann"), room.flowing("cleo", "ann"))
    assert await room.sent_to("witness") == 0
    await room.engine.apply(ROOM, plan(("ann", "bob")))
    sent = await room.sent_to("cleo")
    assert sent > 0
    await room.flowing("bob", "ann", more=30)  # the control: the source goes on
    assert await room.sent_to("cleo") == sent
    assert await room.sent_to("witness") == 0
    assert room.peers["witness"].packets_received() == 0
    await room.engine.apply(ROOM, plan(("ann", "bob"), ("ann", "witness")))
    await room.flowing("witness", "ann")  # the control: it would have been noticed
    assert all(peer.unclaimed_packets == 0 for peer in room.peers.values())


async def test_a_muted_client_that_keeps_sending_is_heard_by_nobody(room: SfuRoom, clip: Clip) -> None:
    both = plan(("ann", "bob"))
    await room.engine.apply(ROOM, both)
    ann, _ = await asyncio.gather(room.join("ann", clip), room.join("bob"))
    await room.flowing("bob", "ann")
    pictures_only = Plan(
        frozenset({("ann", Kind.VIDEO)}), frozenset(edge for edge in both.edges if edge.kind is Kind.VIDEO)
    )
    for muted in (pictures_only, Plan(pictures_only.publishers, both.edges)):  # with and without the edge
        await room.engine.apply(ROOM, muted)
        before = (await room.engine.stats(ROOM)).peers["bob"].rtp_packets_sent
        heard = room.packets("bob", "ann", Kind.AUDIO)
        sent = ann.sent["audio"].packets
        await room.flowing("bob", "ann", Kind.VIDEO)
        await until(lambda sent=sent: ann.sent["audio"].packets > sent + 40)  # type: ignore[misc]  # it does keep sending
        after = (await room.engine.stats(ROOM)).peers["bob"]
        assert room.packets("bob", "ann", Kind.AUDIO) <= heard + 5, "only what was on its way"
        assert after.rtp_packets_sent > before, "the control: pictures go on"
    await room.engine.apply(ROOM, both)
    await room.flowing("bob", "ann")
    audio = room.reception("bob", "ann", Kind.AUDIO)
    assert audio is not None
    assert audio.lost == 0, "numbers are contiguous over the pause"
    assert audio.expected <= audio.packets + 2


async def test_a_section_is_used_again_and_sections_are_added(room: SfuRoom, clip: Clip) -> None:
    seen: dict[str, list[tuple[ReceivedPacket, bool]]] = {}

    def keep(reception: Reception, packet: ReceivedPacket) -> None:
        seen.setdefault(reception.mid, []).append((packet, is_vp8_key_frame(packet.payload)))

    room.peers["bob"] = ReplayPeer(addresses=LOOPBACK, on_packet=keep)
    await room.engine.apply(ROOM, plan(("ann", "bob")))
    await asyncio.gather(room.join("ann", clip), room.join("bob", slots=1), room.join("cleo", clip))
    await room.flowing("bob", "ann", more=30)
    first = dict.fromkeys(mid for mid, _, _ in room.slots["bob"])
    switch_at = len(seen["v00"])
    await room.engine.apply(ROOM, plan(("cleo", "bob")))
    await until(lambda: any(source == "cleo" for _, source, _ in room.slots["bob"]))
    assert dict.fromkeys(mid for mid, _, _ in room.slots["bob"]) == first
    await room.flowing("bob", "cleo", more=30)
    for packets in seen.values():
        numbers = [packet.sequence for packet, _ in packets if not packet.is_resent]
        steps = {(b - a) & 0xFFFF for a, b in pairwise(numbers)}
        assert steps == {1}, "the receiver sees one stream without a gap"
        times = [packet.timestamp for packet, _ in packets]
        assert all(0 <= (b - a) & 0xFFFFFFFF < 90_000 * 30 for a, b in pairwise(times))
    after = seen["v00"][switch_at:]
    begins = next(i for i, (_, is_key) in enumerate(after) if is_key)
    previous = after[begins - 1][0] if begins else seen["v00"][switch_at - 1][0]
    assert previous.marker or begins <= 3, "the new source begins with a key frame"
    await room.engine.apply(ROOM, plan(("ann", "bob"), ("cleo", "bob")))  # more than was offered
    await asyncio.gather(room.flowing("bob", "ann"), room.flowing("bob", "cleo"))
    assert {mid for mid, _, _ in room.slots["bob"]} == {"a00", "v00", "a01", "v01"}
    assert {source for mid, source, _ in room.slots["bob"] if mid == "v00"} == {"cleo"}, "who has a section keeps it"


async def test_a_late_joiner_gets_a_key_frame_and_a_source_may_come_anew(room: SfuRoom, clip: Clip) -> None:
    await room.engine.apply(ROOM, plan(("ann", "bob"), ("ann", "late")))
    ann, _ = await asyncio.gather(room.join("ann", clip), room.join("bob"))
    await room.flowing("bob", "ann", more=60)
    asked = ann.sent["video"].plis
    await room.join("late")
    await room.flowing("late", "ann")
    late = room.reception("late", "ann", Kind.VIDEO)
    assert late is not None
    assert late.key_frames >= 1
    assert ann.sent["video"].plis > asked
    before = room.reception("bob", "ann", Kind.AUDIO)
    assert before is not None
    await room.join("ann", clip)  # its browser was reloaded: other SSRCs, other numbers
    await asyncio.gather(room.flowing("bob", "ann"), room.flowing("late", "ann"))
    again = room.reception("bob", "ann", Kind.AUDIO)
    assert again is before, "the same section, SSRC and numbering for the receiver"
    assert again.lost == 0
    without_audio = Plan(plan(("ann", "bob")).publishers, frozenset({Edge("ann", Kind.VIDEO, "bob")}))
    await room.engine.apply(ROOM, without_audio)
    await room.flowing("bob", "ann", Kind.VIDEO)
