"""ReplayPeer against stock aiortc peer connections, over real sockets."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from typing import Literal

import aioice.ice
import numpy as np
import pytest
from aiortc import (
    AudioStreamTrack,
    MediaStreamTrack,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCPeerConnection,
    RTCSessionDescription,
    VideoStreamTrack,
)
from aiortc.rtp import RtcpPsfbPacket, pack_remb_fci

from media.replay.clip import Clip
from media.replay.encode import encode_audio, encode_video
from media.replay.peer import ReplayPeer

LOOPBACK = ["127.0.0.1"]


@pytest.fixture(autouse=True)
def _stock_peers_use_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda use_ipv4, use_ipv6: LOOPBACK)


@pytest.fixture(scope="module")
def clip() -> Clip:
    """4 s of a moving bar (320x180, 15 fps, a key frame each second) and a tone."""
    pictures = []
    for number in range(60):
        picture = np.full((180, 320, 3), 40, np.uint8)
        picture[:, number * 4 : number * 4 + 60] = (200, 120, 60)
        pictures.append(picture)
    video = encode_video(pictures, width=320, height=180, fps=15, bitrate=200_000, key_every_s=1)
    tone = 0.3 * np.sin(np.arange(4 * 48_000, dtype=np.float32) * 2 * np.pi * 440 / 48_000)
    return Clip(video, encode_audio(tone.astype(np.float32)))


@pytest.fixture
async def stock() -> AsyncIterator[Callable[[], RTCPeerConnection]]:
    opened: list[RTCPeerConnection] = []

    def make() -> RTCPeerConnection:
        opened.append(RTCPeerConnection(RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)))
        return opened[-1]

    yield make
    for connection in opened:
        await connection.close()


async def offer_to(stock: RTCPeerConnection, peer: ReplayPeer, connection: str) -> None:
    await stock.setLocalDescription(await stock.createOffer())
    answer = await peer.take_offer(connection, stock.localDescription.sdp)  # type: ignore[arg-type] # tests pass literals
    await stock.setRemoteDescription(RTCSessionDescription(answer, "answer"))


async def until(condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 (counters of a live peer have no event)
            await asyncio.sleep(0.05)


def receiving(stock: RTCPeerConnection) -> dict[str, MediaStreamTrack]:
    tracks: dict[str, MediaStreamTrack] = {}
    stock.on("track", lambda track: tracks.__setitem__(track.kind, track))
    stock.addTransceiver("audio", "recvonly")
    stock.addTransceiver("video", "recvonly")
    return tracks


async def test_a_stock_peer_decodes_what_the_replay_peer_sends(
    clip: Clip, stock: Callable[[], RTCPeerConnection]
) -> None:
    server = stock()
    tracks = receiving(server)
    async with ReplayPeer(clip, addresses=LOOPBACK) as peer:
        await offer_to(server, peer, "uplink")
        await peer.connected("uplink")
        async with asyncio.timeout(20):
            pictures = [await tracks["video"].recv() for _ in range(20)]
            sounds = [await tracks["audio"].recv() for _ in range(20)]
        assert {(picture.width, picture.height) for picture in pictures} == {(320, 180)}
        bar = [picture.to_ndarray(format="rgb24")[90, :, 0].argmax() for picture in pictures]
        assert len(set(bar)) > 5, "the bar of the clip moves"
        assert max(np.abs(sound.to_ndarray()).max() for sound in sounds) > 3000, "the tone is heard"
        await until(lambda: peer.sent["video"].reports > 0)
        assert peer.sent["video"].reported_loss == 0
        assert peer.sent["video"].rtt_s is not None


async def test_the_replay_peer_counts_what_a_stock_peer_sends(stock: Callable[[], RTCPeerConnection]) -> None:
    server = stock()
    server.addTransceiver(AudioStreamTrack(), "sendonly")
    server.addTransceiver(VideoStreamTrack(), "sendonly")
    async with ReplayPeer(addresses=LOOPBACK) as peer:
        await offer_to(server, peer, "downlink")
        await peer.connected("downlink")
        await until(lambda: all(len(peer.receptions(kind=k)) == 1 for k in ("audio", "video")))
        audio, video = peer.receptions(kind="audio")[0], peer.receptions(kind="video")[0]
        await until(lambda: audio.packets > 30 and video.frames > 15 and video.sender_reports > 0)
        assert (audio.mid, video.mid) == ("0", "1")
        assert video.key_frames >= 1
        assert audio.lost == video.lost == 0
        assert peer.unclaimed_packets == 0


async def test_renegotiation_adds_sections_on_the_same_transport(stock: Callable[[], RTCPeerConnection]) -> None:
    server = stock()
    server.addTransceiver(AudioStreamTrack(), "sendonly")
    async with ReplayPeer(addresses=LOOPBACK) as peer:
        await offer_to(server, peer, "downlink")
        await peer.connected("downlink")
        await until(lambda: peer.packets_received(mid="0") > 5)
        before = peer.local_address("downlink")
        server.addTransceiver(VideoStreamTrack(), "sendonly")
        server.addTransceiver(VideoStreamTrack(), "sendonly")
        await offer_to(server, peer, "downlink")
        await until(lambda: peer.packets_received(mid="1") > 5 and peer.packets_received(mid="2") > 5)
        assert peer.local_address("downlink") == before


async def test_lost_packets_are_sent_again(clip: Clip, stock: Callable[[], RTCPeerConnection]) -> None:
    """Both directions: the stock peer asks our ring again, and we ask a stock sender again."""
    server, sender = stock(), stock()
    receiving(server)
    sender.addTransceiver(VideoStreamTrack(), "sendonly")
    async with ReplayPeer(clip, addresses=LOOPBACK) as peer:
        await offer_to(server, peer, "uplink")
        await offer_to(sender, peer, "downlink")
        await peer.connected("uplink", "downlink")
        await until(lambda: peer.packets_received(kind="video") > 20)
        video = peer.receptions(kind="video")[0]
        assert (peer.sent["video"].resent, video.recovered) == (0, 0), "control: nothing is lost on loopback"
        peer.drop_outgoing(0.1, seed=1)
        peer.drop_incoming(0.1, seed=2)
        await until(lambda: peer.sent["video"].resent > 3 and video.recovered > 3)
        peer.drop_outgoing(0)
        peer.drop_incoming(0)
        assert video.lost_in_transit >= video.recovered > video.lost
        assert peer.dropped("uplink")["loss_out"] > 0


async def test_a_cut_line_carries_nothing_until_it_is_mended(
    clip: Clip, stock: Callable[[], RTCPeerConnection]
) -> None:
    server, sender = stock(), stock()
    receiving(server)
    sender.addTransceiver(AudioStreamTrack(), "sendonly")
    async with ReplayPeer(clip, addresses=LOOPBACK) as peer:
        await offer_to(server, peer, "uplink")
        await offer_to(sender, peer, "downlink")
        await peer.connected("uplink", "downlink")
        await until(lambda: peer.packets_received() > 5 and peer.sent["video"].reports > 0)
        peer.drop_incoming(1.0)
        peer.drop_outgoing(1.0)
        packets, reports = peer.packets_received(), peer.sent["video"].reports
        await until(lambda: peer.dropped("downlink")["loss_in"] > 50 and peer.dropped("uplink")["loss_out"] > 50)
        assert (peer.packets_received(), peer.sent["video"].reports) == (packets, reports)
        peer.drop_incoming(0)
        peer.drop_outgoing(0)
        await until(lambda: peer.packets_received() > packets and peer.sent["video"].reports > reports)


async def test_padding_probes_and_forged_reports_do_not_disturb_the_receiver(
    clip: Clip, stock: Callable[[], RTCPeerConnection]
) -> None:
    server = stock()
    tracks = receiving(server)
    async with ReplayPeer(clip, addresses=LOOPBACK) as peer:
        peer.pause_audio()
        peer.pause_video()
        await offer_to(server, peer, "uplink")
        await peer.connected("uplink")
        peer.send_padding(6)
        absurd = RtcpPsfbPacket(fmt=15, ssrc=1, media_ssrc=0, fci=pack_remb_fci(1, [peer.sent_ssrcs["video"]]))
        assert peer.send_encrypted(bytes(absurd))
        peer.pause_video(False)
        async with asyncio.timeout(20):
            picture = await tracks["video"].recv()
        assert (picture.width, picture.height) == (320, 180)


async def test_a_pli_brings_a_key_frame_soon(clip: Clip, stock: Callable[[], RTCPeerConnection]) -> None:
    server = stock()
    receiving(server)
    one_key = Clip(
        encode_video(
            [np.zeros((64, 64, 3), np.uint8)] * 90, width=64, height=64, fps=15, bitrate=50_000, key_every_s=60
        ),
        None,
    )
    async with ReplayPeer(one_key, addresses=LOOPBACK) as peer:
        await offer_to(server, peer, "uplink")
        await peer.connected("uplink")
        await until(lambda: peer.sent["video"].frames > 10 and peer.sent["video"].plis == 0)
        keys, frames = peer.sent["video"].key_frames, peer.sent["video"].frames
        receiver = next(t.receiver for t in server.getTransceivers() if t.kind == "video")
        await receiver._send_rtcp_pli(peer.sent_ssrcs["video"])
        await until(lambda: peer.sent["video"].key_frames > keys)
        assert peer.sent["video"].plis == 1
        assert peer.sent["video"].frames < frames + 60, "long before the clip's only key frame comes round"


async def test_pauses_and_restart(clip: Clip, stock: Callable[[], RTCPeerConnection]) -> None:
    server = stock()
    receiving(server)
    async with ReplayPeer(clip, addresses=LOOPBACK) as peer:
        peer.pause_video()
        await offer_to(server, peer, "uplink")
        await peer.connected("uplink")
        await until(lambda: peer.sent["audio"].packets > 20)
        assert peer.sent["video"].packets == 0
        peer.pause_video(False)
        await until(lambda: peer.sent["video"].frames > 3)
        assert peer.sent["video"].key_frames >= 1
        peer.pause_audio()
        packets = peer.sent["audio"].packets
        await asyncio.sleep(0.3)
        assert peer.sent["audio"].packets == packets
        old = peer.sent_ssrcs
        await peer.restart()
        assert peer.state("uplink") == "new"
        again = stock()
        receiving(again)
        await offer_to(again, peer, "uplink")
        await peer.connected("uplink")
        await until(lambda: peer.sent["video"].frames > 3)
        assert peer.sent["audio"].packets == 0, "a pause outlives a restart"
        assert set(old.values()).isdisjoint(peer.sent_ssrcs.values())


async def test_bad_datagrams_do_not_close_the_replay_peer(clip: Clip, stock: Callable[[], RTCPeerConnection]) -> None:
    """Stock aiortc dies of one datagram of more than 1500 bytes that looks like RTP."""
    sender = stock()
    sender.addTransceiver(VideoStreamTrack(), "sendonly")
    async with ReplayPeer(clip, addresses=LOOPBACK) as peer:
        await offer_to(sender, peer, "downlink")
        await peer.connected("downlink")
        await until(lambda: peer.packets_received() > 5)
        address = peer.local_address("downlink")
        assert address is not None
        loop = asyncio.get_running_loop()
        stranger, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=address)
        dice = random.Random(7)
        for size in (1501, 1501, 9000, 1, 0, 11, 12, 1472):
            stranger.sendto(b"\x80" + dice.randbytes(max(0, size - 1)))
        stranger.close()
        pair = next(iter(sender.getTransceivers())).sender.transport.transport._connection._nominated[1]
        for first in (0x80, 0xBF):
            pair.protocol.transport.sendto(bytes((first, 0x61)) + dice.randbytes(200), pair.remote_addr)
            pair.protocol.transport.sendto(bytes((first, 0xC8)) + dice.randbytes(200), pair.remote_addr)
            pair.protocol.transport.sendto(bytes((first, 0x61)) + dice.randbytes(1499), pair.remote_addr)
        await until(lambda: {"length", "address", "srtp", "srtcp"} <= set(peer.dropped("downlink")))
        packets = peer.packets_received()
        await until(lambda: peer.packets_received() > packets + 20)
        assert peer.state("downlink") == "connected"


@pytest.mark.parametrize("receive", ["all", "headers"])
async def test_stamps_measure_latency_through_a_forwarder(
    receive: Literal["all", "headers"], clip: Clip, stock: Callable[[], RTCPeerConnection]
) -> None:
    inward, outward = stock(), stock()
    receiving(inward)
    outward.addTransceiver("audio", "sendonly")
    outward.addTransceiver("video", "sendonly")
    transport_in, transport_out = (pc.getTransceivers()[1].sender.transport for pc in (inward, outward))
    out_ssrc = outward.getTransceivers()[1].sender._ssrc

    async def forward(data: bytes, arrival_time_ms: int) -> None:
        if data[1] & 0x7F == 97 and outward.connectionState == "connected":
            await transport_out._send_rtp(data[:8] + out_ssrc.to_bytes(4, "big") + data[12:])

    transport_in._handle_rtp_data = forward
    async with (
        ReplayPeer(clip, addresses=LOOPBACK, stamps=True) as sender,
        ReplayPeer(addresses=LOOPBACK, stamps=True, receive=receive) as receiver,
    ):
        await offer_to(outward, receiver, "downlink")
        await receiver.connected()
        await offer_to(inward, sender, "uplink")
        await until(lambda: any(len(stream.latencies_s) > 10 for stream in receiver.receptions()))
        (stream,) = receiver.receptions()
        assert (stream.mid, stream.ssrc, stream.kind) == ("1", out_ssrc, "video")
        assert all(0 < latency < 20 for latency in stream.latencies_s)
        assert stream.frames >= len(stream.latencies_s)
        assert stream.lost == 0
