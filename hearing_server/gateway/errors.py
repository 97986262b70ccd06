"""The one place where an exception becomes something a client sees: a stable code, advice, an HTTP status."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from hearing_server.domain.hearing import Refusal
from hearing_server.ports import ConcurrentAppendError, LinkRefusedError, StorageError
from hearing_server.services.attendance_service import EntryRefusedError
from hearing_server.services.hearing_service import UnknownHearingError
from hearing_server.services.ingest_service import SeatCannotSendError, TooManyIngestsError, UnknownIngestError
from hearing_server.services.media_service import StreamNotAllowedError
from hearing_server.signalling.codec import BadMessageError
from media.engine import (
    BadSdpError,
    EngineDownError,
    MediaError,
    PeerNotConnectedError,
    RoomNotOpenError,
    StaleNegotiationError,
)


@dataclass(frozen=True, slots=True)
class ErrorText:
    """What a client is told. `message` is English, for tools; pages have their own text for `code`."""

    code: str
    message: str
    status: int
    parameters: Mapping[str, str] = field(default_factory=dict)


def bad_request(code: str, message: str) -> ErrorText:
    """Return an error of the client's own making."""
    return ErrorText(code, message, HTTPStatus.BAD_REQUEST)


_LINK_ADVICE: Mapping[str, tuple[str, HTTPStatus]] = {
    "link_unknown": ("This link is not known. Check that it was copied whole.", HTTPStatus.NOT_FOUND),
    "link_used": ("This link has been used. Ask the clerk for a new one.", HTTPStatus.GONE),
    "link_expired": ("This link has expired. Ask the clerk for a new one.", HTTPStatus.GONE),
    "link_revoked": ("A newer link has replaced this one. Use the newer one.", HTTPStatus.GONE),
}

_ADVICE: Mapping[type[Exception], tuple[str, str, HTTPStatus]] = {
    UnknownHearingError: ("unknown_hearing", "No such hearing. Open your personal link again.", HTTPStatus.NOT_FOUND),
    StreamNotAllowedError: ("stream_not_allowed", "This seat may not receive that stream now.", HTTPStatus.FORBIDDEN),
    SeatCannotSendError: ("seat_cannot_send", "This link opens a seat that only watches.", HTTPStatus.FORBIDDEN),
    TooManyIngestsError: (
        "too_many_ingests",
        "Too many publishers are connected. Try again later; the link is still good.",
        HTTPStatus.SERVICE_UNAVAILABLE,
    ),
    UnknownIngestError: ("unknown_ingest", "This session has ended. Publish again.", HTTPStatus.NOT_FOUND),
    StorageError: (
        "storage_failed",
        "The record cannot be written now, so nothing was changed. Try again.",
        HTTPStatus.SERVICE_UNAVAILABLE,
    ),
    ConcurrentAppendError: ("concurrent_append", "Somebody acted at the same moment. Try again.", HTTPStatus.CONFLICT),
    BadSdpError: ("bad_sdp", "This is not an answer to the server's offer. Send open_media.", HTTPStatus.BAD_REQUEST),
    StaleNegotiationError: ("stale_negotiation", "A newer offer was sent. Answer that one.", HTTPStatus.CONFLICT),
    PeerNotConnectedError: (
        "media_peer_unknown",
        "This seat has no media. Send open_media.",
        HTTPStatus.CONFLICT,
    ),
    RoomNotOpenError: (
        "media_room_not_open",
        "This hearing has no media. Send open_media.",
        HTTPStatus.CONFLICT,
    ),
    EngineDownError: ("media_down", "Media is being restarted; new offers will come.", HTTPStatus.SERVICE_UNAVAILABLE),
    MediaError: ("media_error", "The media server could not do this. Send open_media.", HTTPStatus.CONFLICT),
}

_UNEXPECTED = ErrorText(
    "internal_error",
    "The server failed; nothing was changed. Try again, then tell the court.",
    HTTPStatus.INTERNAL_SERVER_ERROR,
)


def error_text(error: Exception) -> ErrorText:
    """Return what a client may know of `error`. Total: an unknown exception is `internal_error`, without its text."""
    if isinstance(error, LinkRefusedError):
        message, status = _LINK_ADVICE.get(error.code, _LINK_ADVICE["link_unknown"])
        return ErrorText(error.code, message, status)
    if isinstance(error, EntryRefusedError):
        return ErrorText(error.code.value, "This seat cannot be entered now.", HTTPStatus.CONFLICT)
    if isinstance(error, BadMessageError):
        return ErrorText(error.code, str(error), HTTPStatus.BAD_REQUEST)
    for kind in type(error).__mro__:
        if kind in _ADVICE:
            code, message, status = _ADVICE[kind]
            return ErrorText(code, message, status)
    return _UNEXPECTED


def refusal_text(refusal: Refusal) -> ErrorText:
    """Return a hearing's refusal as an error."""
    details = ", ".join(f"{key} {value}" for key, value in sorted(refusal.parameters.items()))
    message = f"Not allowed: {refusal.code.value}" + (f" ({details})." if details else ".")
    return ErrorText(refusal.code.value, message, HTTPStatus.CONFLICT, refusal.parameters)
