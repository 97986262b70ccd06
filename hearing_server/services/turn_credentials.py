"""Time-limited TURN credentials (draft-uberti-behave-turn-rest-00, as coturn's `use-auth-secret` checks them)."""

import base64
import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta

from hearing_server.domain.ids import SeatId
from hearing_server.signalling.notices import IceServer

VALID_FOR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class TurnServers:
    """The court's TURN servers and the secret shared with them. No `urls`: browsers connect directly only."""

    urls: tuple[str, ...] = ()
    secret: str = ""

    def for_seat(self, seat_id: SeatId, *, at: datetime) -> tuple[IceServer, ...]:
        """Return what the seat's browser needs; the credential ends an hour after `at` and names only the seat."""
        if not self.urls:
            return ()
        username = f"{int((at + VALID_FOR).timestamp())}:{seat_id}"
        # HMAC-SHA1 is what the protocol asks for; as a MAC it has no known weakness.
        digest = hmac.new(self.secret.encode(), username.encode(), hashlib.sha1).digest()
        return (IceServer(urls=self.urls, username=username, credential=base64.b64encode(digest).decode()),)
