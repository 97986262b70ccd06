"""Both paths of a stream send the same bytes; a relay does without a compiler."""

import socket
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pylibsrtp import Policy, Session

from media.sfu import fast_path
from media.sfu.compiled import PURE_VARIABLE, CompiledStreamPath, load
from media.sfu.fast_path_build import build, describe
from media.sfu.host_socket import Route
from media.sfu.stream_path import PythonStreamPath, StreamPath

KEY = bytes(range(44))
PACKET = bytes.fromhex("9060000100000064deadbeef" + "bede0002") + b"\x12upv\x32abc" + b"payload" * 20
MID_AT = 17
_has_compiler = build()


def session(*, receives: bool = False) -> Session:
    return Session(
        Policy(
            key=KEY,
            ssrc_type=Policy.SSRC_ANY_INBOUND if receives else Policy.SSRC_ANY_OUTBOUND,
            srtp_profile=Policy.SRTP_PROFILE_AEAD_AES_256_GCM,
        )
    )


def way(through: socket.socket, address: tuple[str, int]) -> Route:
    return Route(address, through, False, lambda data: through.sendto(data, address))


class Receiver:
    """One receiver: what a fan-out needs of a forward, and the other end of its socket."""

    def __init__(self, number: int, host: str) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.inbox = socket.socket(family, socket.SOCK_DGRAM)
        self.inbox.bind((host, 0))
        self.inbox.settimeout(20)
        self.out = socket.socket(family, socket.SOCK_DGRAM)
        self.out.setblocking(False)
        sends = session()
        address = self.inbox.getsockname()[:2]
        route = way(self.out, address)
        self.opens = session(receives=True)
        self.forward: Any = SimpleNamespace(
            transport=SimpleNamespace(tx=sends._srtp[0], tx_session=sends, route=route),
            sequence_offset=number - 70_000,
            timestamp_offset=2**32 - number,
            out=SimpleNamespace(ssrc=1000 + number, mid=b"v%02d" % number),
        )

    def take(self) -> bytes:
        return bytes(self.opens.unprotect(self.inbox.recv(2000)))

    def close(self) -> None:
        self.inbox.close()
        self.out.close()


@pytest.fixture(params=["pure", "compiled"])
def make(request: pytest.FixtureRequest) -> Callable[[Counter[str]], StreamPath]:
    if request.param == "compiled" and not _has_compiler:
        pytest.skip("no C compiler here")

    def made(counts: Counter[str]) -> StreamPath:
        def count(reason: str, times: int) -> None:
            counts[reason] += times

        if request.param == "pure":
            return PythonStreamPath((96,), 90_000, count)
        return CompiledStreamPath(load(), 0xDEADBEEF, (96,), 90_000, count)

    return made


@pytest.fixture
def receivers() -> Iterator[list[Receiver]]:
    made = [Receiver(number, "127.0.0.1") for number in range(3)]
    yield made
    for one in made:
        one.close()


def test_everybody_gets_the_packet_with_own_numbers(
    make: Callable[[Counter[str]], StreamPath], receivers: list[Receiver]
) -> None:
    counts: Counter[str] = Counter()
    path = make(counts)
    path.prepare([one.forward for one in receivers])
    number, timestamp = 65_530 * 3 + 7, 2**32 - 1
    path.send(PACKET, number, timestamp, MID_AT)
    path.send(PACKET, number + 1, timestamp, 0)
    for index, one in enumerate(receivers):
        data = one.take()
        sequence = (number + index - 70_000) & 0xFFFF
        assert data[:2] == PACKET[:2]
        assert data[2:12] == sequence.to_bytes(2, "big") + (2**32 - 1 - index).to_bytes(4, "big") + (
            1000 + index
        ).to_bytes(4, "big")
        assert data[12:] == PACKET[12:].replace(b"upv", b"v%02d" % index)
        assert one.take()[12:] == PACKET[12:], "no MID, nothing rewritten"
    assert not counts


def test_ipv6_receivers(make: Callable[[Counter[str]], StreamPath]) -> None:
    try:
        one = Receiver(1, "::1")
    except OSError:
        pytest.skip("no IPv6 here")
    path = make(Counter())
    path.prepare([one.forward])
    path.send(PACKET, 70_001, 1, MID_AT)
    assert one.take()[12:] == PACKET[12:].replace(b"upv", b"v01")
    one.close()


def test_one_that_cannot_be_reached_is_counted_and_the_others_get_theirs(
    make: Callable[[Counter[str]], StreamPath], receivers: list[Receiver]
) -> None:
    counts: Counter[str] = Counter()
    path = make(counts)
    unroutable = receivers[0].forward.transport
    unroutable.route = way(unroutable.route.socket, ("255.255.255.255", 9))  # needs SO_BROADCAST
    receivers[1].forward.transport.route = None
    path.prepare([one.forward for one in receivers])
    path.send(PACKET, 70_010, 1, MID_AT)
    receivers[2].take()
    assert counts == {"send_failed": 1}
    path.send(PACKET, 70_010, 1, MID_AT)  # the same number again: libsrtp refuses
    assert counts["protect_failed"] == 2
    path.prepare([])
    path.send(PACKET, 70_011, 1, MID_AT)
    assert sum(counts.values()) == 3


def test_python_is_used_where_it_is_wanted_or_nothing_was_compiled(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert load(tmp_path / "none.so") is None
    (tmp_path / "broken.so").write_bytes(b"no library")
    assert load(tmp_path / "broken.so") is None
    monkeypatch.setattr(fast_path, "_library", None)
    assert isinstance(fast_path.new_path(1, (96,), 90_000, lambda reason, times: None), PythonStreamPath)
    monkeypatch.setenv(PURE_VARIABLE, "1")
    assert load() is None


def test_what_python_knows_of_the_shared_memory_is_what_the_header_says(tmp_path: Path) -> None:
    describe(target=tmp_path / "fast_path_ffi.py")
    kept = Path(str(fast_path.__file__)).with_name("fast_path_ffi.py")
    assert (tmp_path / "fast_path_ffi.py").read_text() == kept.read_text(), "run fast_path_build.py --describe"


@pytest.mark.skipif(not _has_compiler, reason="no C compiler here")
def test_a_library_of_another_header_is_not_used(tmp_path: Path) -> None:
    here = Path(str(fast_path.__file__)).parent
    header = (here / "fast_path.h").read_text()
    for name, text in (("fast_path.h", header.replace("double jitter;", "")), ("same.h", header)):
        (folder := tmp_path / name).mkdir()
        (folder / "fast_path.h").write_text(text)
        source = (here / "fast_path.c").read_text()
        source = source if name == "same.h" else source.replace("stream->jitter +=", "stream->transit +=")
        source = source.replace("stream->jitter)", "stream->transit)") if name != "same.h" else source
        (folder / "fast_path.c").write_text(source)
        assert build(folder / "fast_path.c", folder / "made.so")
    assert load(tmp_path / "fast_path.h" / "made.so") is None
    assert load(tmp_path / "same.h" / "made.so") is not None, "control"


def test_a_build_without_a_working_compiler_is_quiet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    source, library = tmp_path / "fast_path.c", tmp_path / "_fast_path.so"
    source.write_text("this is no C")
    monkeypatch.setenv("CC", "no-such-compiler")
    assert not build(source, library)
    monkeypatch.setenv("CC", "cc")
    assert not build(source, library)
    assert list(tmp_path.iterdir()) == [source]
    if _has_compiler:
        source.write_text("int drain(void) { return 0; }")
        assert build(source, library)
        assert library.exists()
