"""The private names of other people's packages that the relay uses. A failure here says what an upgrade took away."""

import inspect
import re
from pathlib import Path

import aioice
import aioice.ice
import pylibsrtp
import pytest
from aiortc import RTCCertificate, RTCDtlsTransport, RTCIceGatherer, RTCIceTransport
from pylibsrtp import Policy, Session, _binding

import media.sfu

SFU = Path(media.sfu.__file__ or "").parent


@pytest.fixture
async def gatherer() -> RTCIceGatherer:
    return RTCIceGatherer(iceServers=[])


@pytest.mark.parametrize(
    "name",
    [
        "_check_list", "_local_candidates", "_local_candidates_start", "_local_candidates_end", "_nominated",
        "_protocols", "_queue", "hosts",
    ],
)  # fmt: skip
async def test_aioice_connection_keeps(name: str, gatherer: RTCIceGatherer) -> None:
    has = hasattr(aioice.Connection(ice_controlling=True), name)
    assert has == (name != "hosts"), f"aioice.Connection.{name}: ours alone is `hosts`"


async def test_aioice_puts_the_nominated_pair_where_the_relay_watches_it() -> None:
    connection = aioice.Connection(ice_controlling=True)
    assert isinstance(connection._nominated, dict)
    source = inspect.getsource(aioice.Connection.check_complete)
    assert "self._nominated[pair.component] = pair" in source, "the relay learns of a new route by this assignment"
    assert "self._nominated.clear()" in inspect.getsource(aioice.Connection.close)


async def test_aioice_takes_datagrams_by_the_name_the_relay_replaces() -> None:
    names = list(inspect.signature(aioice.ice.StunProtocol.datagram_received).parameters)
    assert names == ["self", "data", "addr"]
    source = inspect.getsource(aioice.ice.StunProtocol)
    used = set(re.findall(r"self\.transport\.(\w+)", source))
    assert used == {"sendto", "close"}, "the relay's own sockets stand in for asyncio's transports"
    assert "self.__closed.set_result" in inspect.getsource(aioice.ice.StunProtocol.connection_lost), "a close awaits it"
    pair = aioice.ice.CandidatePair
    assert pair.State.SUCCEEDED is not pair.State.FAILED, "the relay takes media from pairs that have SUCCEEDED"
    assert isinstance(inspect.getattr_static(pair, "remote_addr"), property)
    assert list(inspect.signature(pair).parameters) == ["protocol", "remote_candidate"]


async def test_aioice_makes_candidates_as_the_relay_does() -> None:
    assert aioice.candidate.candidate_priority(1, "host") > 0
    assert aioice.candidate.candidate_foundation("host", "udp", "127.0.0.1")


async def test_aiortc_connects_a_gatherer_a_transport_and_dtls(gatherer: RTCIceGatherer) -> None:
    assert isinstance(gatherer._connection, aioice.Connection)
    ice = RTCIceTransport(gatherer)
    assert ice._connection is gatherer._connection, "RTCIceTransport takes over what the relay put there"
    dtls = RTCDtlsTransport(ice, [RTCCertificate.generateCertificate()])
    for name in ("_rx_srtp", "_tx_srtp"):
        assert getattr(dtls, name, "gone") is None, f"RTCDtlsTransport.{name} is empty until the handshake is done"
    dtls._set_role("server")
    assert dtls._role == "server"
    assert dtls.state == "new"


def test_libsrtp_is_reached_through_pylibsrtp() -> None:
    for name in ("srtp_protect", "srtp_unprotect", "srtp_protect_rtcp"):
        assert callable(getattr(_binding.lib, name)), f"pylibsrtp._binding.lib.{name}"
        assert int(_binding.ffi.cast("uintptr_t", _binding.ffi.addressof(_binding.lib, name))) != 0
    session = Session(Policy(key=bytes(30), ssrc_type=Policy.SSRC_ANY_OUTBOUND))
    assert session._srtp[0] != _binding.ffi.NULL, "Session._srtp[0] is the C session"


def test_libsrtp_encrypts_in_place_as_pylibsrtp_does() -> None:
    packet = b"\x80\x6f\x00\x01" + bytes(8) + b"sound"
    sessions = [Session(Policy(key=bytes(range(30)), ssrc_type=Policy.SSRC_ANY_OUTBOUND)) for _ in range(2)]
    buffer = _binding.ffi.new("char[]", 2048)
    view, length = _binding.ffi.buffer(buffer), _binding.ffi.new("int *", len(packet))
    view[0 : len(packet)] = packet
    assert _binding.lib.srtp_protect(sessions[0]._srtp[0], buffer, length) == 0
    assert view[0 : length[0]] == sessions[1].protect(packet)
    assert issubclass(pylibsrtp.Error, Exception)


def test_each_package_is_reached_into_from_one_module() -> None:
    """Where the private names are: aioice and aiortc in `transport`, pylibsrtp in `srtp`."""
    private = {
        "transport.py": (
            "._nominated",
            "._connection._",
            "._check_list",
            "._rx_srtp",
            "._tx_srtp",
            "._srtp[",
            "aioice.",
        ),
        "srtp.py": ("_binding",),
    }
    for owner, names in private.items():
        for name in names:
            users = {path.name for path in SFU.glob("*.py") if name in path.read_text("utf-8")}
            assert users == {owner}, f"{name} belongs into {owner}"
