"""TURN credentials as coturn checks them."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime

from hearing_server.domain.ids import SeatId
from hearing_server.services.turn_credentials import TurnServers

AT = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_credential_names_the_seat_and_ends_within_the_hour() -> None:
    (server,) = TurnServers(("turns:turn.example:443?transport=tcp",), "secret").for_seat(SeatId("s-1"), at=AT)
    expiry, _, seat = server.username.partition(":")
    assert int(expiry) - AT.timestamp() == 3600
    assert seat == "s-1"
    expected = hmac.new(b"secret", server.username.encode(), hashlib.sha1).digest()
    assert base64.b64decode(server.credential) == expected


def test_without_servers_there_is_nothing_to_tell() -> None:
    assert TurnServers().for_seat(SeatId("s-1"), at=AT) == ()
