"""The compiled fast path does what Python does, packet by packet: the same stories, told to both."""

import asyncio
import random
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from pylibsrtp import Policy, Session

from media.plan import Kind
from media.sfu import compiled, fast_path, forward
from media.sfu.compiled import CompiledHostSocket
from media.sfu.fast_path_build import build
from media.sfu.forward import Forward, OutStream
from media.sfu.host_socket import HostSocket, PythonHostSocket, Route
from media.sfu.reception import PythonFlow
from media.sfu.rtcp import SenderReport
from media.sfu.source import Source
from media.sfu.srtp import LENGTH, OUT, OUT_C, protect
from media.sfu.tap import TapSockets
from tests.unit.test_media_source import Clock

KEY = bytes(range(44))
SSRC, RTX_SSRC = 0xDEADBEEF, 0xDEADBEF0
STORIES, STEPS = 40, 250

pytestmark = pytest.mark.skipif(not build(), reason="the fast path was not compiled: no C compiler here")


def session(*, receives: bool) -> Session:
    kind = Policy.SSRC_ANY_INBOUND if receives else Policy.SSRC_ANY_OUTBOUND
    policy = Policy(key=KEY, ssrc_type=kind, srtp_profile=Policy.SRTP_PROFILE_AEAD_AES_256_GCM)
    policy.allow_repeat_tx = True  # as aiortc sets it: sound is sent again under its own number
    return Session(policy)


def inbox(family: socket.AddressFamily = socket.AF_INET, address: Any = ("127.0.0.1", 0)) -> socket.socket:
    made = socket.socket(family, socket.SOCK_DGRAM)
    made.setblocking(False)
    made.bind(address)
    return made


def emptied(box: socket.socket) -> list[bytes]:
    found = []
    while True:
        try:
            found.append(box.recv(3000))
        except BlockingIOError:
            return found


class Ear:
    """The connection of one receiver, over a real socket. What it got stays encrypted: equal keys, equal bytes."""

    def __init__(self) -> None:
        self.box, self.out = inbox(), inbox()
        to = self.box.getsockname()
        self.tx_session = session(receives=False)
        self.tx = self.tx_session._srtp[0]
        self.route: Route | None = Route(to, self.out, False, lambda data: self.out.sendto(data, to))
        self.is_connected = True
        self.sent_packets = 0
        self.rtcp: list[bytes] = []
        self.counts: Counter[str] = Counter()

    def send_rtp(self, size: int) -> None:
        LENGTH[0] = size
        if protect(self.tx, OUT_C, LENGTH):
            self.counts["protect_failed"] += 1  # sound too old to be sent again
            return
        self.sent_packets += 1
        self.out.sendto(bytes(OUT[0 : LENGTH[0]]), self.box.getsockname())

    def send_rtcp(self, packet: bytes) -> None:
        self.rtcp.append(packet)

    def count(self, reason: str, times: int = 1) -> None:
        self.counts[reason] += times

    def close(self) -> None:
        self.box.close()
        self.out.close()


class Side:
    """A source with three receivers and two taps, all of it in Python, or on the fast path."""

    def __init__(self, kind: Kind, seed: int, folder: Path, *, is_compiled: bool, monkeypatch: Any) -> None:
        monkeypatch.setattr(fast_path, "_library", compiled.load() if is_compiled else None)
        monkeypatch.setattr(forward, "_random", random.Random(seed))
        self.random = random.Random(seed)
        self.clock = Clock()
        self.line = Ear()
        rtx = RTX_SSRC if kind is Kind.VIDEO else None
        types = (96, 97) if kind is Kind.VIDEO else (111,)
        self.source = Source(kind, SSRC, rtx, types, self.line, self.clock)
        self.kind, self.type = kind, types[0]
        self.ears = [Ear() for _ in range(3)]
        self.outs = [
            OutStream(kind=kind, mid=b"v%02d" % n, ssrc=n + 1, rtx_ssrc=n + 11, cname="s", is_accepted=True)
            for n in range(3)
        ]
        self.forwards: dict[int, Forward] = {}
        path = str(folder / f"{is_compiled}")
        self.boxes = [inbox(), inbox(socket.AF_UNIX, path)]
        sockets = TapSockets(self.line.count)
        self.taps = [sockets.sender(self.boxes[0].getsockname()), sockets.sender(path)]
        self.sockets = sockets
        self.sequence, self.timestamp = self.random.choice((0, 40_000, 65_400)), 4_000_000_000
        self.taken = self.taken_by_path = 0
        take = self.source.path.take

        def counting(packet: bytes, at_s: float) -> bool:
            is_taken = take(packet, at_s)
            self.taken_by_path += is_taken
            return is_taken

        self.source.path.take = counting  # type: ignore[method-assign]
        self.numbers: dict[tuple[int, bytes, bytes], bytes] = {}

    def close(self) -> None:
        self.source.close()
        self.sockets.close()
        for one in (self.line, *self.ears, *self.boxes):
            one.close()

    def step(self) -> None:
        choose = self.random
        action = choose.choices(
            ("next", "gap", "late", "rtx", "publish", "attach", "detach", "pause", "tap", "resend", "report", "wait"),
            (60, 6, 4, 4, 2, 4, 2, 3, 3, 4, 3, 6),
        )[0]
        getattr(self, "do_" + action)(choose)

    def do_next(self, choose: random.Random) -> None:
        self.sequence += 1
        self.timestamp += choose.choice((0, 0, 3000))
        self.take(choose, self.sequence)

    def do_gap(self, choose: random.Random) -> None:
        self.sequence += choose.choice((1, 2, 5, 300, 4000))
        self.do_next(choose)

    def do_late(self, choose: random.Random) -> None:
        self.take(choose, self.sequence - choose.choice((0, 1, 2, 3, 600)))

    def do_rtx(self, choose: random.Random) -> None:
        if self.kind is Kind.VIDEO:
            sequence = (self.sequence - choose.randrange(6)) & 0xFFFF
            head = struct.pack("!BBHLL", 0x80, 97, choose.randrange(65536), self.timestamp & 0xFFFFFFFF, RTX_SSRC)
            self.source.take_rtx(head + struct.pack("!H", sequence) + self.payload(choose), self.clock.now_s)

    def do_publish(self, choose: random.Random) -> None:
        self.source.publish(choose.random() < 0.7)

    def do_attach(self, choose: random.Random) -> None:
        number = choose.randrange(3)
        if number not in self.forwards:
            made = Forward(self.source, self.outs[number], self.ears[number])  # type: ignore[arg-type]
            self.forwards[number] = made
            self.source.attach(made)

    def do_detach(self, choose: random.Random) -> None:
        made = self.forwards.pop(choose.randrange(3), None)
        if made is not None:
            self.source.detach(made)

    def do_pause(self, choose: random.Random) -> None:
        made = self.forwards.get(choose.randrange(3))
        if made is not None:
            made.pause(choose.random() < 0.5)

    def do_tap(self, choose: random.Random) -> None:
        tap = choose.choice(self.taps)
        if tap in self.source.taps:
            self.source.remove_tap(tap)
        else:
            self.source.add_tap(tap)

    def do_resend(self, choose: random.Random) -> None:
        for number, made in self.forwards.items():
            made.settle()
            newest = self.outs[number].sequence
            made.resend(tuple((newest - choose.randrange(600)) & 0xFFFF for _ in range(3)), self.clock.now_s)

    def do_report(self, choose: random.Random) -> None:
        ntp = int(self.clock.now_s * 2**32)
        self.source.take_sender_report(SenderReport(SSRC, ntp, self.timestamp, 1, 1), self.clock.now_s)
        block = self.source.report_block(self.clock.now_s)
        self.line.rtcp.append(repr(block).encode())

    def do_wait(self, choose: random.Random) -> None:
        self.clock.advance(choose.choice((0.01, 0.2, 1.0)))

    def payload(self, choose: random.Random) -> bytes:
        if self.kind is Kind.AUDIO:
            return choose.randbytes(choose.randrange(40))
        return choose.choice((b"\x10\x00", b"\x10\x01", b"\x00\x01")) + choose.randbytes(choose.choice((3, 900)))

    def take(self, choose: random.Random, sequence: int) -> None:
        extensions = choose.choice(
            (
                b"",
                b"\xbe\xde\x00\x02\x12upv\x32abc",
                b"\xbe\xde\x00\x01\x32abc",
                b"\xbe\xde\x00\x02\x20\x7f\x00\x32abc\x00",
                b"\xbe\xde\x00\x01\x50\x01\x00\x00",  # one the relay did not offer
                b"\xbe\xde\x00\x01\x13upv",  # cut off
                b"\x10\x00\x00\x01abcd",  # two-byte form
            )
        )
        csrcs = choose.choice((0, 0, 0, 2))
        payload_type = choose.choices((self.type, 120), (30, 1))[0]
        first = 0x80 | (0x10 if extensions else 0) | csrcs
        head = struct.pack("!BBHLL", first, payload_type, sequence & 0xFFFF, self.timestamp & 0xFFFFFFFF, SSRC)
        packet = head + b"csrc" * csrcs + extensions + self.payload(choose)
        self.taken += 1
        self.source.take(packet, self.clock.now_s)

    def heard(self, receiver: int, packets: list[bytes]) -> list[bytes]:
        """One number with two contents would be one key stream used twice (RFC 3711, section 9.1)."""
        for packet in packets:
            assert self.numbers.setdefault((receiver, packet[2:4], packet[8:12]), packet) == packet
        return packets

    def outcome(self) -> dict[str, Any]:
        """Everything that anybody can see of what happened."""
        self.source.path.collect()
        flow = self.source.path.flow
        names = [name for name in PythonFlow.__slots__ if name not in ("jitter", "transit")]
        for made in self.forwards.values():
            made.settle()
        totals = zip(self.ears, self.outs, strict=True)
        return {
            "flow": {name: getattr(flow, name) for name in names} | {"jitter": pytest.approx(flow.jitter)},
            "sent": [self.heard(number, emptied(one.box)) for number, one in enumerate(self.ears)],
            "tapped": [emptied(one) for one in self.boxes],
            "rtcp": [one.rtcp for one in (self.line, *self.ears)],
            "counts": [one.counts for one in (self.line, *self.ears)],
            "totals": [(one.sent_packets, out.packets, out.octets) for one, out in totals],
        }


@pytest.mark.parametrize("kind", list(Kind))
def test_the_same_story_has_the_same_outcome(kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told, carried, tapped, by_c = 0, 0, 0, 0
    for seed in range(STORIES):
        (folder := tmp_path / str(seed)).mkdir()
        pure = Side(kind, seed, folder, is_compiled=False, monkeypatch=monkeypatch)
        with_c = Side(kind, seed, folder, is_compiled=True, monkeypatch=monkeypatch)
        for number in range(STEPS):
            for side in (pure, with_c):
                monkeypatch.setattr(forward, "_random", random.Random(seed * STEPS + number))
                side.step()
            was, now = pure.outcome(), with_c.outcome()
            assert now == was, f"story {seed}, step {number}"
            carried += sum(len(one) for one in was["sent"])
            tapped += sum(len(one) for one in was["tapped"])
        told, by_c = told + with_c.taken, by_c + with_c.taken_by_path
        assert pure.taken_by_path == with_c.taken_by_path
        pure.close()
        with_c.close()
    assert by_c > told / 5, "control: compiled code took part"
    assert carried > told / 2, "control: receivers got something to compare"
    assert tapped > told / 10


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
            while len(heard.rtp) + len(heard.datagrams) + sum(heard.counts.values()) < expected:  # noqa: ASYNC110
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


@pytest.mark.parametrize("is_connected", [True, False])
async def test_what_comes_at_once_goes_out_as_single_packets_in_order(
    monkeypatch: pytest.MonkeyPatch, is_connected: bool
) -> None:
    """Packets of one size leave in one call of the kernel (UDP_SEGMENT): receivers must not notice."""
    monkeypatch.setattr(fast_path, "_library", compiled.load())
    line, peer, speaks, hears = Ear(), inbox(), session(receives=False), session(receives=True)
    host = CompiledHostSocket(compiled.load(), "127.0.0.1", 0, Listening())
    host.expect_media(hears._srtp[0], peer.getsockname())
    source = Source(Kind.VIDEO, SSRC, None, (96,), line, Clock())  # type: ignore[arg-type]
    host.carry([source.path])
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
            while (data, sender.getsockname()[:2]) not in heard.datagrams:  # noqa: ASYNC110
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
        while not (got := emptied(first)):  # noqa: ASYNC110
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
