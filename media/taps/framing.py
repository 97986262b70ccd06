"""Messages on a byte stream between processes of one machine: four bytes of length (big endian), then msgpack."""

import asyncio
from typing import Any, Final

import msgspec

LENGTH_BYTES: Final = 4
MAX_MESSAGE_BYTES: Final = 16 * 1024 * 1024

_ENCODER: Final = msgspec.msgpack.Encoder()


def framed(message: msgspec.Struct) -> bytes:
    """Return `message` as it goes over the wire."""
    body = _ENCODER.encode(message)
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


async def read_message(reader: asyncio.StreamReader, decoder: msgspec.msgpack.Decoder[Any]) -> Any:
    """Return the next message.

    Raises EOFError at the end of the stream (also in the middle of a message), msgspec.DecodeError for anything else
    that is not a message.
    """
    size = int.from_bytes(await reader.readexactly(LENGTH_BYTES), "big")
    if size > MAX_MESSAGE_BYTES:
        raise msgspec.DecodeError(f"A message of {size} bytes is over the limit of {MAX_MESSAGE_BYTES}.")
    return decoder.decode(await reader.readexactly(size))
