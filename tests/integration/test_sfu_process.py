"""Addresses, ports, leases and deaths of relay processes."""

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

import pytest

from media.bench.processes import has_loaded
from media.engine import OfferMade, RoomLost
from media.plan import Kind, Plan
from media.replay.clip import Clip
from media.replay.peer import ReplayPeer
from media.sfu import control
from media.taps.wire import (
    PAYLOAD_CODECS,
    Codec,
    RtpPacket,
    SenderReport,
    is_rtcp,
    parse_rtp,
    parse_sender_reports,
)
from tests.integration.sfu_room import LOOPBACK, ROOM, make_clip, plan, sfu_room, until


@pytest.fixture(scope="module")
def clip() -> Clip:
    return make_clip()


async def test_peers_whose_addresses_are_hidden_connect_by_their_own_checks(clip: Clip) -> None:
    async with sfu_room() as room:
        room.strip_candidates = True
        await room.engine.apply(ROOM, plan(("ann", "bob")))
        await asyncio.gather(room.join("ann", clip), room.join("bob"))
        await room.flowing("bob", "ann")


async def test_ports_keep_to_the_range_and_the_advertised_address_is_told(clip: Clip) -> None:
    low, high = 41_000, 41_200
    async with sfu_room(port_range=(low, high), advertise="203.0.113.7") as room:
        room.peers["ann"] = ReplayPeer(clip, addresses=LOOPBACK)
        await room.engine.open_peer(ROOM, "ann", sends=True, slots=1)
        offer = await room.until_event(OfferMade, lambda event: event.connection == "uplink")
        lines = [line.split() for line in offer.sdp.split("\r\n") if line.startswith("a=candidate")]
        assert lines
        assert {line[4] for line in lines} == {"203.0.113.7"}
        assert all(low <= int(line[5]) <= high for line in lines)


async def test_a_killed_relay_is_told_and_the_room_can_be_opened_again(clip: Clip) -> None:
    async with sfu_room() as room:
        await room.engine.apply(ROOM, plan(("ann", "bob")))
        await asyncio.gather(room.join("ann", clip), room.join("bob"))
        await room.flowing("bob", "ann")
        pid = room.engine.worker_pid(ROOM)
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        lost = await room.until_event(RoomLost, lambda event: event.room == ROOM)
        assert lost.cause == "signal 9"
        await room.engine.open_room(ROOM)
        await room.engine.apply(ROOM, plan(("ann", "bob")))
        await asyncio.gather(room.join("ann", clip), room.join("bob"))
        await room.flowing("bob", "ann")
        assert room.engine.worker_pid(ROOM) != pid


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="looks at what is loaded as Linux shows it")
async def test_no_decoder_is_in_a_process_that_strangers_send_to(clip: Clip) -> None:
    async with sfu_room() as room:
        await room.engine.apply(ROOM, plan(("ann", "bob")))
        await asyncio.gather(room.join("ann", clip), room.join("bob"))
        await room.flowing("bob", "ann")
        pid = room.engine.worker_pid(ROOM)
        assert pid is not None
        assert has_loaded(pid, "libsrtp") or has_loaded(pid, "_binding"), "control: it is the relay"
        assert has_loaded(os.getpid(), "libavcodec"), "control: this test encodes"
        assert not has_loaded(pid, "libavcodec")


async def test_rooms_may_share_a_process_and_die_together() -> None:
    async with sfu_room(rooms_per_process=2) as room:
        engine = room.engine
        await asyncio.gather(engine.open_room("court-2"), engine.open_room("court-3"))
        pids = {name: engine.worker_pid(name) for name in (ROOM, "court-2", "court-3")}
        assert len(set(pids.values())) == 2, "two and one"
        neighbours = [name for name in pids if list(pids.values()).count(pids[name]) == 2]
        await engine.close_room(neighbours[0])
        assert (await engine.stats(neighbours[1])).peers == {}, "the other room goes on"
        await engine.open_room(neighbours[0])
        assert engine.worker_pid(neighbours[0]) is not None
        pid = engine.worker_pid(neighbours[1])
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        for name in [name for name in pids if engine.worker_pid(name) == pid]:
            await room.until_event(RoomLost, lambda event, name=name: event.room == name)  # type: ignore[misc]  # bound


@pytest.mark.parametrize("closes", [True, False], ids=["gone", "hanging"])
async def test_a_relay_whose_service_is_gone_or_hangs_ends_by_itself(tmp_path: Path, closes: bool) -> None:
    path = tmp_path / "control"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "media.sfu.worker", f"--socket={path}", "--address=127.0.0.1", "--lease=3",
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert await asyncio.wait_for(process.stdout.readline(), 60) == b"ready\n"
        reader, writer = await asyncio.open_unix_connection(path)
        for number in range(10):  # the control: it stays while it is spoken to, for longer than its lease
            writer.write(control.frame(control.Call(number, control.Ping())))
            reply = await asyncio.wait_for(control.read_frame(reader, control.answers), 30)
            assert isinstance(reply, control.Reply)
            assert reply.error is None
            await asyncio.sleep(0.5)
        assert process.returncode is None
        if closes:
            writer.close()
        assert await asyncio.wait_for(process.wait(), 60) == 0
        writer.close()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


class _Tap:
    """Receives what a tap sends."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.bind(("127.0.0.1", 0))
        self.packets: list[RtpPacket] = []
        self.reports: list[SenderReport] = []

    @property
    def address(self) -> tuple[str, int]:
        return ("127.0.0.1", self.socket.getsockname()[1])

    def drain(self) -> int:
        while True:
            try:
                datagram = self.socket.recv(2000)
            except BlockingIOError:
                return len(self.packets)
            if is_rtcp(datagram):
                self.reports += parse_sender_reports(datagram)
            else:
                packet = parse_rtp(datagram)
                assert packet is not None
                self.packets.append(packet)


async def test_a_tap_gets_plain_packets_of_what_is_published_and_outlives_a_reconnect(clip: Clip) -> None:
    async with sfu_room() as room:
        published = plan(("ann", "bob"))
        await room.engine.apply(ROOM, published)
        taps = {kind: _Tap() for kind in Kind}
        for kind, tap in taps.items():
            await room.engine.tap(ROOM, "ann", kind, tap.address)
        ann, _ = await asyncio.gather(room.join("ann", clip), room.join("bob"))
        for kind, tap in taps.items():
            await until(lambda tap=tap: tap.drain() > 20 and bool(tap.reports))  # type: ignore[misc]  # bound now
            assert {packet.ssrc for packet in tap.packets} == {ann.sent_ssrcs[kind.value]}
            assert {PAYLOAD_CODECS[packet.payload_type] for packet in tap.packets} <= {Codec.OPUS, Codec.VP8}
            assert {report.ssrc for report in tap.reports} == {ann.sent_ssrcs[kind.value]}
        before = ann.sent_ssrcs["audio"]
        await room.join("ann", clip)
        audio = taps[Kind.AUDIO]
        await until(lambda: bool(audio.drain()) and audio.packets[-1].ssrc != before)
        await room.engine.apply(ROOM, Plan())  # a consultation: nobody is published, so nothing is tapped
        audio.drain()
        count = audio.drain()
        sent = ann.sent["audio"].packets
        await until(lambda: ann.sent["audio"].packets > sent + 30)
        assert audio.drain() <= count + 1
        await room.engine.apply(ROOM, published)
        await until(lambda: audio.drain() > count + 20)  # the control
        await room.engine.untap(ROOM, "ann", Kind.AUDIO, audio.address)
        audio.drain()
        count = audio.drain()
        await room.flowing("bob", "ann", more=20)
        assert audio.drain() == count
        gone = taps[Kind.VIDEO]
        gone.socket.close()  # a recorder that died: the hearing does not notice
        await room.flowing("bob", "ann", more=20)
