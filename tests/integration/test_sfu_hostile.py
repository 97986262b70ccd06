"""Datagrams and reports that nobody honest sends: counted, and nobody else notices."""

import asyncio
import random
import socket
import struct
from collections.abc import AsyncIterator

import pytest

from media.plan import Kind
from media.replay.clip import Clip
from media.sfu.rtcp import ReportBlock, build_nack, build_pli, build_remb, build_rr
from tests.integration.sfu_room import ROOM, SfuRoom, make_clip, plan, sfu_room, until


@pytest.fixture(scope="module")
def clip() -> Clip:
    return make_clip()


@pytest.fixture
async def room(clip: Clip) -> AsyncIterator[SfuRoom]:
    async with sfu_room() as opened:
        await opened.engine.apply(ROOM, plan(("ann", "bob"), ("ann", "cleo")))
        await asyncio.gather(opened.join("ann", clip), opened.join("bob"), opened.join("cleo"))
        await asyncio.gather(opened.flowing("bob", "ann"), opened.flowing("cleo", "ann"))
        yield opened


async def counted(room: SfuRoom, *reasons: str) -> None:
    """Wait until each of `reasons` was counted."""
    async with asyncio.timeout(45):
        while True:
            dropped = (await room.engine.stats(ROOM)).dropped_datagrams
            if all(dropped.get(reason, 0) > 0 for reason in reasons):
                return
            await asyncio.sleep(0.1)


async def test_datagrams_from_anywhere_change_nothing(room: SfuRoom) -> None:
    ann = room.peers["ann"]
    target = ann.remote_address("uplink")
    assert target is not None
    chance = random.Random(7)
    datagrams = [b"", b"\x80" + bytes(1500), b"\x80", bytes(1501), b"\x16" + bytes(40), b"\xff" * 60, b"\x80" * 40]
    datagrams += [chance.randbytes(chance.randrange(1, 1600)) for _ in range(300)]
    datagrams += [bytes((chance.randrange(128, 192),)) + chance.randbytes(60) for _ in range(100)]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for datagram in datagrams:
            stranger.sendto(datagram, target)
    for datagram in datagrams:
        ann.send_raw(datagram)
        room.peers["bob"].send_raw(datagram, "downlink")
    await counted(room, "length", "wrong_source", "srtp", "unknown")
    await asyncio.gather(room.flowing("bob", "ann"), room.flowing("cleo", "ann"))
    audio = room.reception("cleo", "ann", Kind.AUDIO)
    assert audio is not None
    assert audio.lost == 0


async def test_wrong_ssrc_wrong_payload_type_and_padding_go_no_further(room: SfuRoom) -> None:
    ann = room.peers["ann"]
    rtx_ssrc = next(one.stream.rtx_ssrc for one in ann._sent.values() if one.stream.rtx_ssrc)  # told nowhere else
    before = {name: room.peers[name].packets_received() for name in ("bob", "cleo")}
    for number in range(20):
        ann.send_encrypted(struct.pack("!BBHLL", 0x80, 111, number, 0, 0xDEADBEEF) + b"forged")
        ann.send_encrypted(struct.pack("!BBHLL", 0x80, 111, number, 0, rtx_ssrc) + b"sound as video")
        ann.send_encrypted(struct.pack("!BBHLL", 0x90, 111, number, 0, 0xDEADBEE0) + b"\xbe\xde\xff\xff")
        room.peers["bob"].send_encrypted(struct.pack("!BBHLL", 0x80, 111, number, 0, 5) + b"upstream", "downlink")
    ann.send_padding(10)
    await counted(room, "unknown_ssrc", "payload_type", "unexpected_rtp")
    await asyncio.gather(room.flowing("bob", "ann"), room.flowing("cleo", "ann"))
    assert all(room.peers[name].packets_received() > before[name] for name in before)
    assert all(peer.unclaimed_packets == 0 for peer in room.peers.values())


async def test_lying_reports_cost_only_the_liar(room: SfuRoom) -> None:
    bob, ann = room.peers["bob"], room.peers["ann"]
    video = room.reception("bob", "ann", Kind.VIDEO)
    assert video is not None
    asked = ann.sent["video"].plis
    cleo_got = room.packets("cleo", "ann", Kind.VIDEO)
    keys = ann.sent["video"].key_frames
    for number in range(600):
        bob.send_encrypted(build_pli(1, video.ssrc), "downlink")
        bob.send_encrypted(build_nack(1, video.ssrc, [n & 0xFFFF for n in range(number, number + 200)]), "downlink")
        bob.send_encrypted(build_remb(1, 2**60, [video.ssrc]), "downlink")
        ann.send_encrypted(build_remb(1, 1, [1]), "uplink")
        bob.send_encrypted(build_rr(1, [])[:4] + b"\xff\xff\xff", "downlink")
        absurd = ReportBlock(video.ssrc, 255, 0x7FFFFF, number * 5000, 2**32 - 1, 2**32 - 1, 2**32 - 1)
        bob.send_encrypted(build_rr(1, [absurd]), "downlink")
        ann.send_encrypted(build_rr(1, [ReportBlock(ann.sent_ssrcs["video"], 255, 0x7FFFFF, 1, 0, 0, 0)]), "uplink")
        if number % 60 == 0:
            await asyncio.sleep(0.1)
    await counted(room, "rtcp_flood", "key_frame_flood")
    await room.flowing("cleo", "ann", more=20)
    assert ann.sent["video"].plis - asked <= 12, "throttled"
    assert ann.sent["video"].key_frames - keys <= 12
    assert room.packets("cleo", "ann", Kind.VIDEO) - cleo_got < 2000
    cleo = room.reception("cleo", "ann", Kind.AUDIO)
    assert cleo is not None
    assert cleo.lost == 0
    await until(lambda: ann.sent["video"].remb_bps == 1_200_000)


async def test_a_replayed_packet_is_carried_once(room: SfuRoom) -> None:
    ann = room.peers["ann"]
    link = ann._links["uplink"]  # the test needs the very bytes that were sent
    sent: list[bytes] = []
    original = link.send_datagram

    def keep(data: bytes) -> bool:
        sent.append(data)
        return original(data)

    link.send_datagram = keep  # type: ignore[method-assign]  # observes
    await room.flowing("bob", "ann")
    link.send_datagram = original  # type: ignore[method-assign]  # restores
    before = (await room.engine.stats(ROOM)).peers["ann"].received[Kind.AUDIO].packets
    refused = await room.dropped("srtp")
    for data in sent * 3:
        ann.send_raw(data)
    async with asyncio.timeout(45):
        while await room.dropped("srtp") < refused + len(sent):  # noqa: ASYNC110 (polls the relay)
            await asyncio.sleep(0.1)
    await room.flowing("bob", "ann")
    assert (await room.engine.stats(ROOM)).peers["ann"].received[Kind.AUDIO].packets > before
    for kind in Kind:
        reception = room.reception("bob", "ann", kind)
        assert reception is not None
        assert reception.duplicates == 0
