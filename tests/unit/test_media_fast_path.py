"""The compiled fast path does what Python does, packet by packet: the same stories, told to both."""

import random
import socket
import struct
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from pylibsrtp import Policy, Session

from media.plan import Kind
from media.sfu import compiled, fast_path, forward
from media.sfu.fast_path_build import build
from media.sfu.forward import Forward, OutStream
from media.sfu.host_socket import Route
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
