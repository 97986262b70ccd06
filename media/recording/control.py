"""What a recorder process and its owner say to each other: length-prefixed msgpack on a Unix stream socket."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from media.plan import Kind
from media.recording.entries import GapCause, RecorderEvent, SegmentClosed
from media.taps.input_socket import Address

CONTROL_LEASE_S: Final = 10.0
"""So long a recorder goes on without an owner; then it ends all files and leaves."""

HEARTBEAT_S: Final = 1.0


class _Request(msgspec.Struct, frozen=True, kw_only=True):
    request: int = 0
    """Comes back in the reply; the proxy counts them."""


class StartSeat(_Request, frozen=True, kw_only=True, tag="start_seat"):
    """Record `kinds` of `seat`. `inputs`: addresses to bind where the relay already sends to them."""

    seat: str
    kinds: tuple[Kind, ...]
    inputs: Mapping[Kind, Address] = {}


class StopSeat(_Request, frozen=True, kw_only=True, tag="stop_seat"):
    seat: str


class Expect(_Request, frozen=True, kw_only=True, tag="expect"):
    seat: str
    kind: Kind
    is_sending: bool
    cause: GapCause


class Pause(_Request, frozen=True, kw_only=True, tag="pause"):
    reason: str


class Resume(_Request, frozen=True, kw_only=True, tag="resume"):
    pass


class MarkGap(_Request, frozen=True, kw_only=True, tag="mark_gap"):
    seat: str
    kind: Kind
    cause: GapCause
    opened_at: datetime
    closed_at: datetime


class ListSegments(_Request, frozen=True, kw_only=True, tag="list_segments"):
    """Ask for every closed segment of the directory."""


class CloseRecorder(_Request, frozen=True, kw_only=True, tag="close"):
    """End all files and leave."""


Request = StartSeat | StopSeat | Expect | Pause | Resume | MarkGap | ListSegments | CloseRecorder


class Done(msgspec.Struct, frozen=True, kw_only=True, tag="done"):
    request: int
    inputs: dict[Kind, Address] = {}
    segments: tuple[SegmentClosed, ...] = ()


class Refused(msgspec.Struct, frozen=True, kw_only=True, tag="refused"):
    request: int
    code: str
    advice: str


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True, tag="heartbeat"):
    """What has come to all inputs, and what of it was too large, from somebody else, or nothing a seat can send."""

    datagrams: int
    refused: int


Reply = Done | Refused
FromRecorder = Done | Refused | Heartbeat | RecorderEvent

REQUESTS: Final[msgspec.msgpack.Decoder[Any]] = msgspec.msgpack.Decoder(Request)
ANSWERS: Final[msgspec.msgpack.Decoder[Any]] = msgspec.msgpack.Decoder(FromRecorder)


def is_seat_name(seat: str) -> bool:
    """Whether `seat` can be a folder name: 1-64 ASCII letters, digits, hyphens and underscores."""
    return 0 < len(seat) <= 64 and seat.isascii() and seat.replace("-", "").replace("_", "a").isalnum()


def seat_directory(directory: Path, seat: str) -> Path:
    return directory / seat
