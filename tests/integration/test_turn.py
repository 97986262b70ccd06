"""Our credentials open a real coturn, and wrong ones do not."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import aioice
import pytest

from hearing_server.domain.ids import SeatId
from hearing_server.services.turn_credentials import TurnServers
from tests.integration.conftest import free_port

SECRET = "a secret shared with the TURN server"


@pytest.fixture
async def turn_port(tmp_path: Path) -> AsyncIterator[int]:
    """A coturn on loopback, TCP and UDP."""
    program = shutil.which("turnserver")
    if program is None:
        pytest.skip("coturn is not installed (apt-get install coturn)")
    port = free_port()
    options = [
        "--listening-ip=127.0.0.1", "--relay-ip=127.0.0.1", "--allow-loopback-peers", f"--listening-port={port}",
        "--use-auth-secret", f"--static-auth-secret={SECRET}", "--realm=court.example", "--no-cli", "--no-tls",
        "--no-dtls", f"--userdb={tmp_path / 'turn.db'}", f"--pidfile={tmp_path / 'turn.pid'}", "--log-file=stdout",
    ]  # fmt: skip
    server = await asyncio.create_subprocess_exec(program, "-n", *options, stdout=asyncio.subprocess.DEVNULL)
    try:
        async with asyncio.timeout(20):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    break
                except OSError:
                    await asyncio.sleep(0.1)
        yield port
    finally:
        server.terminate()
        await server.wait()


async def relayed(port: int, transport: str, username: str, credential: str) -> list[str]:
    """The relayed candidates that the server grants."""
    connection = aioice.Connection(
        ice_controlling=True,
        turn_server=("127.0.0.1", port),
        turn_username=username,
        turn_password=credential,
        turn_transport=transport,
    )
    try:
        await connection.gather_candidates()
        return [one.host for one in connection.local_candidates if one.type == "relay"]
    finally:
        await connection.close()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_coturn_takes_our_credentials(turn_port: int, transport: str) -> None:
    urls = (f"turn:127.0.0.1:{turn_port}?transport={transport}",)
    (good,) = TurnServers(urls, SECRET).for_seat(SeatId("s-1"), at=datetime.now(UTC))
    assert await relayed(turn_port, transport, good.username, good.credential) == ["127.0.0.1"]
    (wrong,) = TurnServers(urls, "another secret").for_seat(SeatId("s-1"), at=datetime.now(UTC))
    assert await relayed(turn_port, transport, wrong.username, wrong.credential) == []
