"""The phases of one connection: authentication first, then messages whose ids increase."""

from dataclasses import dataclass, replace
from enum import StrEnum

from hearing_server.signalling.messages import Authenticate, Message


class Phase(StrEnum):
    AWAITING_AUTHENTICATION = "awaiting_authentication"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Session:
    phase: Phase = Phase.AWAITING_AUTHENTICATION
    last_id: int = 0


@dataclass(frozen=True, slots=True)
class OutOfPhase:
    """The message came at the wrong moment. `code`: not_authenticated, already_authenticated, stale_id."""

    code: str
    advice: str


def accept(session: Session, message: Message) -> Session | OutOfPhase:
    """Return the session after `message`, or why it may not come now."""
    is_authentication = isinstance(message, Authenticate)
    if session.phase is Phase.AWAITING_AUTHENTICATION and not is_authentication:
        return OutOfPhase("not_authenticated", "Send `authenticate` first.")
    if session.phase is Phase.OPEN and is_authentication:
        return OutOfPhase("already_authenticated", "This connection has its seat; open another one for another seat.")
    if message.id <= session.last_id:
        return OutOfPhase("stale_id", f"Message ids must increase; the last one was {session.last_id}.")
    return replace(session, last_id=message.id)


def authenticated(session: Session) -> Session:
    return replace(session, phase=Phase.OPEN)
