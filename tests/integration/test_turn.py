"""Our credentials open a real coturn, and wrong ones do not."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import aioice
import pytest

from hearing_server.domain.ids import SeatId
from hearing_server.services.turn_credentials import TurnServers
from tests.turn_server import SECRET, TurnServer, turn_server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[TurnServer]:
    with turn_server(tmp_path) as running:
        yield running


async def relayed(port: int, transport: str, username: str, credential: str, *, is_tls: bool) -> list[str]:
    """The relayed candidates that the server grants."""
    connection = aioice.Connection(
        ice_controlling=True,
        turn_server=("127.0.0.1", port),
        turn_username=username,
        turn_password=credential,
        turn_transport=transport,
        turn_ssl=is_tls,
    )
    try:
        await connection.gather_candidates()
        return [one.host for one in connection.local_candidates if one.type == "relay"]
    finally:
        await connection.close()


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
async def test_coturn_takes_our_credentials(
    server: TurnServer, transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(server.certificate))  # the authority that the client trusts
    is_tls = transport == "tls"
    scheme, port = ("turns", server.tls_port) if is_tls else ("turn", server.port)
    carrier = "tcp" if is_tls else transport
    urls = (f"{scheme}:127.0.0.1:{port}?transport={carrier}",)
    (good,) = TurnServers(urls, SECRET).for_seat(SeatId("s-1"), at=datetime.now(UTC))
    assert await relayed(port, carrier, good.username, good.credential, is_tls=is_tls) == ["127.0.0.1"]
    (wrong,) = TurnServers(urls, "another secret").for_seat(SeatId("s-1"), at=datetime.now(UTC))
    assert await relayed(port, carrier, wrong.username, wrong.credential, is_tls=is_tls) == []
