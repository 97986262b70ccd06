"""Text on the wire <-> typed messages. Nothing that arrives here can raise anything but `BadMessageError`."""

import json

import msgspec

from hearing_server.signalling.messages import MAX_MESSAGE_BYTES, ClientMessage, Message
from hearing_server.signalling.notices import Notice, ServerNotice


class BadMessageError(Exception):
    """What arrived is not a message. `code`: message_too_large, malformed_message, unknown_message."""

    def __init__(self, code: str, advice: str, message_id: int | None = None) -> None:
        super().__init__(advice)
        self.code = code
        self.message_id = message_id


_message_decoder: msgspec.json.Decoder[Message] = msgspec.json.Decoder(ClientMessage)
_notice_decoder: msgspec.json.Decoder[Notice] = msgspec.json.Decoder(ServerNotice)
_notice_encoder = msgspec.json.Encoder()
_message_encoder = msgspec.json.Encoder()


def decode_message(text: str | bytes) -> Message:
    """Return the client message in `text`. Raises BadMessageError with the message's id when it can be read."""
    raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    if len(raw) > MAX_MESSAGE_BYTES:
        raise BadMessageError("message_too_large", f"A message may have at most {MAX_MESSAGE_BYTES} bytes.")
    try:
        return _message_decoder.decode(raw)
    except msgspec.ValidationError as error:
        code = "unknown_message" if "`$.type`" in str(error) or "`type`" in str(error) else "malformed_message"
        raise BadMessageError(code, f"Not a message this server knows: {error}.", _id_of(raw)) from None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise BadMessageError("malformed_message", "A message must be one JSON object in UTF-8.") from None


def _id_of(raw: bytes) -> int | None:
    try:
        message_id = json.loads(raw).get("id")
    except (ValueError, AttributeError, RecursionError):
        return None
    return message_id if isinstance(message_id, int) and not isinstance(message_id, bool) else None


def encode_message(message: Message) -> str:
    return _message_encoder.encode(message).decode()


def encode_notice(notice: Notice) -> str:
    return _notice_encoder.encode(notice).decode()


def decode_notice(text: str | bytes) -> Notice:
    """For clients written in Python. Raises msgspec.DecodeError."""
    return _notice_decoder.decode(text)
