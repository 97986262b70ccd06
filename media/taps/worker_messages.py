"""What a tap worker says to its owner."""

from typing import Any, Final

import msgspec

from media.taps.input_socket import Address


class Listening(msgspec.Struct, frozen=True, tag="listening"):
    """The worker is ready; the relay sends to `address`."""

    address: Address


class Alive(msgspec.Struct, frozen=True, tag="alive"):
    """Sent each second."""

    refused: int  # datagrams that were not ours or not whole


class NeedsKeyframe(msgspec.Struct, frozen=True, tag="needs_keyframe"):
    """Nothing can be decoded before a key frame comes."""


class SampledFrame(msgspec.Struct, frozen=True, tag="frame"):
    """One picture: RGB, 8 bits, rows from the top, `width` * `height` * 3 bytes. `captured_s`: Unix seconds."""

    captured_s: float
    width: int
    height: int
    rgb: bytes


class PcmChunk(msgspec.Struct, frozen=True, tag="pcm"):
    """Sound: 16 kHz, mono, signed 16 bits, little endian, at most 100 ms.

    `captured_s`: Unix seconds of its first sample by the room's clock. `is_filled`: silence put where nothing came.
    """

    captured_s: float
    is_filled: bool
    samples: bytes

    @property
    def duration_s(self) -> float:
        return len(self.samples) / 2 / PCM_HZ


PCM_HZ: Final = 16_000

WORKER_MESSAGES: Final[msgspec.msgpack.Decoder[Any]] = msgspec.msgpack.Decoder(
    Listening | Alive | NeedsKeyframe | SampledFrame | PcmChunk
)
