"""The relay's sockets in Python and in compiled code: what they take for media, hand over, and send where."""

import asyncio
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from media.plan import Kind
from media.sfu import compiled, fast_path
from media.sfu.compiled import CompiledHostSocket
from media.sfu.fast_path_build import build
from media.sfu.forward import Forward, OutStream
from media.sfu.host_socket import HostSocket, PythonHostSocket, Route
from media.sfu.source import Source
from tests.unit.test_media_fast_path import SSRC, Ear, emptied, inbox, session
from tests.unit.test_media_source import Clock

pytestmark = pytest.mark.skipif(not build(), reason="the fast path was not compiled: no C compiler here")


class Listening:
    """What a host socket hands over."""

    def __init__(self) -> None:
        self.rtp: list[bytes] = []
        self.datagrams: list[tuple[bytes, tuple[str, int]]] = []
        self.counts: Counter[str] = Counter()

    def take_rtp(self, packet: bytes, at_s: float) -> None:
        if packet.endswith(b"raise"):
            raise ValueError("a peer's packet")
        self.rtp.append(packet)

    def take_datagram(self, host: HostSocket, data: bytes, address: tuple[str, int]) -> None:
        self.datagrams.append((data, address))

    def count(self, reason: str, times: int = 1) -> None:
        self.counts[reason] += times


@pytest.fixture(params=[PythonHostSocket, lambda *given: CompiledHostSocket(compiled.load(), *given)])
async def make_host(request: pytest.FixtureRequest) -> AsyncIterator[Callable[..., HostSocket]]:
    made: list[HostSocket] = []

    def make(*given: Any) -> HostSocket:
        made.append(request.param(*given))
        return made[-1]

    yield make
    for one in made:
        one.close()
        one.close()


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
async def test_a_socket_decrypts_what_it_expects_and_hands_over_the_rest(
    make_host: Callable[..., HostSocket], address: str
) -> None:
    heard = Listening()
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        peer, stranger = (inbox(family, (address, 0)) for _ in range(2))
    except OSError:
        pytest.skip("no IPv6 here")
    host = make_host(address, 0, heard)
    protocol = asyncio.DatagramProtocol()
    host.open(protocol)
    at = peer.getsockname()[:2]
    speaks = session(receives=False)

    def rtp(sequence: int, payload: bytes = b"sound") -> bytes:
        return bytes(speaks.protect(struct.pack("!BBHLL", 0x80, 111, sequence, 7, SSRC) + payload))

    async def settled(expected: int) -> None:
        async with asyncio.timeout(20):
            while len(heard.rtp) + len(heard.datagrams) + sum(heard.counts.values()) < expected:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)

    early = rtp(1)
    peer.sendto(early, host.address)
    await settled(1)
    assert heard.datagrams == [(early, at)], "media before there are keys"
    heard.datagrams.clear()

    hears = session(receives=True)
    host.expect_media(hears._srtp[0], at)
    assert host.last_heard_s == 0
    media, foreign, replayed = rtp(2), rtp(3), rtp(4)
    others = [
        b"\x00\x01stun of twenty bytes",
        b"\x80\xc9rtcp" + bytes(20),
        b"\x80\x6f" + bytes(9),
        b"\x80\x6f" + bytes(1480),
    ]
    peer.sendto(media, host.address)
    stranger.sendto(foreign, host.address)
    for one in others:
        peer.sendto(one, host.address)
    peer.sendto(replayed, host.address)
    peer.sendto(replayed, host.address)
    peer.sendto(b"\x80\x6f" + bytes(40), host.address)
    peer.sendto(rtp(5, b"raise"), host.address)
    peer.sendto(rtp(6), host.address)
    await settled(7 + len(others))
    assert [one[2:4] for one in heard.rtp] == [b"\0\2", b"\0\4", b"\0\6"]
    assert heard.rtp[0][12:] == b"sound"
    assert heard.counts == {"srtp": 2, "bad_packet": 1}
    assert heard.datagrams == [(foreign, stranger.getsockname()[:2]), *((one, at) for one in others)]
    assert host.last_heard_s > 0

    host.expect_media(None, None)
    late = rtp(7)
    peer.sendto(late, host.address)
    await settled(8 + len(others))
    assert heard.datagrams[-1] == (late, at), "nothing is decrypted any more"
    host.sendto(b"\x00\x01answer", at)
    assert peer.recv(100) == b"\x00\x01answer"
    for one in (peer, stranger):
        one.close()


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
async def test_the_way_to_a_peer_is_a_socket_of_its_own_and_the_port_stays_ours(
    make_host: Callable[..., HostSocket], address: str
) -> None:
    heard = Listening()
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        first, second, stranger = (inbox(family, (address, 0)) for _ in range(3))
    except OSError:
        pytest.skip("no IPv6 here")
    host = make_host(address, 0, heard)
    host.open(asyncio.DatagramProtocol())

    async def arrives(sender: socket.socket, data: bytes) -> None:
        sender.sendto(data, host.address)
        async with asyncio.timeout(20):
            while (data, sender.getsockname()[:2]) not in heard.datagrams:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)

    def is_taken() -> bool:
        thief = socket.socket(family, socket.SOCK_DGRAM)
        thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            thief.bind(host.address)
        except OSError:
            return True
        finally:
            thief.close()
        return False

    assert is_taken()
    route = host.route_to(first.getsockname()[:2])
    assert route.is_connected
    assert host.route_to(first.getsockname()[:2]) is route
    assert is_taken(), "also while two sockets of ours share it"
    route.send(b"\x00\x01to first")
    async with asyncio.timeout(20):
        while not (got := emptied(first)):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
    assert got == [b"\x00\x01to first"]
    await arrives(first, b"\x00\x01from first")
    await arrives(stranger, b"\x00\x01from a stranger")

    moved = host.route_to(second.getsockname()[:2])
    assert route.socket.fileno() == -1
    moved.send(b"\x00\x01to second")
    await arrives(second, b"\x00\x01from second")
    await arrives(first, b"\x00\x01from first again")
    assert emptied(second) == [b"\x00\x01to second"]
    assert not emptied(first)
    number, port = host.socket.fileno(), host.address
    host.close()
    assert moved.socket.fileno() == host.socket.fileno() == -1 != number
    again = inbox(family, port)
    for one in (first, second, stranger, again):
        one.close()


@pytest.mark.parametrize("is_connected", [True, False])
async def test_what_comes_at_once_goes_out_as_single_packets_in_order(
    monkeypatch: pytest.MonkeyPatch, make_host: Callable[..., HostSocket], is_connected: bool
) -> None:
    """Packets of one size leave in one call of the kernel (UDP_SEGMENT): receivers must not notice."""
    line, peer, speaks, hears = Ear(), inbox(), session(receives=False), session(receives=True)
    owner = Listening()
    host = make_host("127.0.0.1", 0, owner)
    monkeypatch.setattr(fast_path, "_library", None if isinstance(host, PythonHostSocket) else compiled.load())
    host.expect_media(hears._srtp[0], peer.getsockname())
    source = Source(Kind.VIDEO, SSRC, None, (96,), line, Clock())  # type: ignore[arg-type]
    host.carry([source.path])
    owner.take_rtp = source.take  # type: ignore[method-assign]  # as its uplink would
    ears = [Ear() for _ in range(3)]
    for number, ear in enumerate(ears):
        if is_connected:
            ear.out.connect(ear.box.getsockname())
            ear.route = Route(ear.box.getsockname(), ear.out, True, ear.out.send)
        out = OutStream(
            kind=Kind.VIDEO, mid=b"v%02d" % number, ssrc=number + 1, rtx_ssrc=9, cname="s", is_accepted=True
        )
        source.attach(Forward(source, out, ear))  # type: ignore[arg-type]
    source.publish(True)
    sizes = [900, 900, 900, 400, 400, 900, 901, 901, 3, 0, 900, 900] + [700] * 40
    payloads = [bytes((index,)) * size for index, size in enumerate(sizes)]

    def rtp(sequence: int, payload: bytes) -> bytes:
        head = struct.pack("!BBHLL", 0x90, 96, sequence, 90 * sequence, SSRC) + b"\xbe\xde\x00\x01\x12upv"
        return bytes(speaks.protect(head + payload))

    source.take(bytes(hears.unprotect(rtp(1, b"\x10\x00key frame"))), 1.0)
    for ear in ears:
        assert len(emptied(ear.box)) == 1
    for sequence, payload in enumerate(payloads, start=2):
        peer.sendto(rtp(sequence, payload), host.address)
    host.open(asyncio.DatagramProtocol())  # reads them all, some at a time
    got: list[list[bytes]] = [[] for _ in ears]
    async with asyncio.timeout(20):
        while min(len(one) for one in got) < len(sizes):
            await asyncio.sleep(0.01)
            for one, ear in zip(got, ears, strict=True):
                one.extend(emptied(ear.box))
    for number, one in enumerate(got):
        plain = [session(receives=True).unprotect(packet) for packet in one]
        assert [packet[20:] for packet in plain] == payloads
        assert {packet[17:20] for packet in plain} == {b"v%02d" % number}
        numbers = [int.from_bytes(packet[2:4], "big") for packet in plain]
        assert numbers == list(range(numbers[0], numbers[0] + len(sizes)))
        assert [packet[4:8] for packet in plain] == [(90 * n).to_bytes(4, "big") for n in range(2, len(sizes) + 2)]
    source.path.collect()
    assert not line.counts
    source.close()
    host.close()
    for one in (line, *ears, peer):
        one.close()
