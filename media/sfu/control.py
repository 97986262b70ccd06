"""The language between the service and a relay process: msgpack values, each after its 32-bit length."""

import asyncio
from typing import TypeVar

import msgspec

from media.engine import (
    ConnectionName,
    EngineEvent,
    HealthChanged,
    OfferMade,
    PeerStateChanged,
    RoomStats,
    SlotsChanged,
    TapAddress,
)
from media.plan import Kind, Plan

MAX_FRAME_BYTES = 4 << 20


class Ping(msgspec.Struct, frozen=True, tag=True):
    """The service lives."""


class OpenRoom(msgspec.Struct, frozen=True, tag=True):
    room: str


class CloseRoom(msgspec.Struct, frozen=True, tag=True):
    room: str


class OpenPeer(msgspec.Struct, frozen=True, tag=True):
    room: str
    peer: str
    epoch: int
    sends: bool
    slots: int


class ClosePeer(msgspec.Struct, frozen=True, tag=True):
    room: str
    peer: str


class OpenIngest(msgspec.Struct, frozen=True, tag=True):
    room: str
    peer: str
    epoch: int
    offer_sdp: str


class TakeAnswer(msgspec.Struct, frozen=True, tag=True):
    room: str
    peer: str
    connection: ConnectionName
    epoch: int
    negotiation: int
    sdp: str


class TakeCandidate(msgspec.Struct, frozen=True, tag=True):
    room: str
    peer: str
    connection: ConnectionName
    epoch: int
    candidate: str


class ApplyPlan(msgspec.Struct, frozen=True, tag=True):
    room: str
    plan: Plan


class RequestKeyframe(msgspec.Struct, frozen=True, tag=True):
    room: str
    source: str


class StartTap(msgspec.Struct, frozen=True, tag=True):
    room: str
    source: str
    kind: Kind
    address: TapAddress


class StopTap(msgspec.Struct, frozen=True, tag=True):
    room: str
    source: str
    kind: Kind
    address: TapAddress


class GetStats(msgspec.Struct, frozen=True, tag=True):
    room: str


PeerRequest = OpenPeer | ClosePeer | TakeAnswer | TakeCandidate
StreamRequest = ApplyPlan | RequestKeyframe | StartTap | StopTap
Request = Ping | OpenRoom | CloseRoom | GetStats | OpenIngest | PeerRequest | StreamRequest


class Call(msgspec.Struct, frozen=True, tag=True):
    number: int
    request: Request


class Reply(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """`error` is a code of media.engine; `stats` answers GetStats, `sdp` OpenIngest."""

    number: int
    error: str | None = None
    text: str = ""
    stats: RoomStats | None = None
    sdp: str | None = None


class Offered(msgspec.Struct, frozen=True, tag=True):
    event: OfferMade


class Seated(msgspec.Struct, frozen=True, tag=True):
    event: SlotsChanged


class Moved(msgspec.Struct, frozen=True, tag=True):
    event: PeerStateChanged


class Measured(msgspec.Struct, frozen=True, tag=True):
    event: HealthChanged


FromWorker = Reply | Offered | Seated | Moved | Measured

_T = TypeVar("_T")
_encoder = msgspec.msgpack.Encoder()
calls = msgspec.msgpack.Decoder(Call)
answers: msgspec.msgpack.Decoder[FromWorker] = msgspec.msgpack.Decoder(FromWorker)


def event_frame(event: EngineEvent) -> FromWorker:
    match event:
        case OfferMade():
            return Offered(event)
        case SlotsChanged():
            return Seated(event)
        case PeerStateChanged():
            return Moved(event)
        case HealthChanged():
            return Measured(event)
        case _:
            raise TypeError(f"{type(event).__name__} is not sent by a relay process")


def frame(value: msgspec.Struct) -> bytes:
    body = _encoder.encode(value)
    return len(body).to_bytes(4, "big") + body


async def read_frame(reader: asyncio.StreamReader, decoder: msgspec.msgpack.Decoder[_T]) -> _T:
    """Raises asyncio.IncompleteReadError at the end, ValueError for what is no frame."""
    size = int.from_bytes(await reader.readexactly(4), "big")
    if size > MAX_FRAME_BYTES:
        raise ValueError(f"a frame of {size} bytes")
    return decoder.decode(await reader.readexactly(size))
