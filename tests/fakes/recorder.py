"""A recorder that writes nothing: it keeps what it was told, and says what the test lets it say."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from datetime import datetime

from media.plan import Kind
from media.recording.control import is_seat_name
from media.recording.entries import GapCause, GapClosed, GapOpened, KeyframeWanted, RecorderEvent, SegmentClosed
from media.recording.interface import RecorderError
from media.taps.input_socket import Address


class FakeRecorder:
    """`emit` sends an event as a real recorder would; a `SegmentClosed` is also what `segments` returns."""

    def __init__(self) -> None:
        self.seats: dict[str, dict[Kind, Address]] = {}
        self.absent: dict[tuple[str, Kind], GapCause] = {}
        self.pause_reason: str | None = None
        self.is_started = False
        self.is_closed = False
        self._gaps = 0
        self._ports = 40_000
        self._closed: list[SegmentClosed] = []
        self._events: asyncio.Queue[RecorderEvent] = asyncio.Queue()

    async def start(self) -> None:
        self.is_started = True

    async def start_seat(self, seat: str, kinds: Collection[Kind]) -> Mapping[Kind, Address]:
        if not is_seat_name(seat):
            raise RecorderError("bad_seat_name", "Use 1 to 64 ASCII letters, digits, hyphens and underscores.")
        inputs = self.seats.setdefault(seat, {})
        for kind in kinds:
            if kind not in inputs:
                self._ports += 1
                inputs[kind] = ("127.0.0.1", self._ports)
        if Kind.VIDEO in inputs:
            self.emit(KeyframeWanted(seat=seat))
        return dict(inputs)

    async def stop_seat(self, seat: str) -> None:
        self.seats.pop(seat, None)
        self.absent = {key: cause for key, cause in self.absent.items() if key[0] != seat}

    async def expect(self, seat: str, kind: Kind, *, is_sending: bool, cause: GapCause) -> None:
        self._check(seat)
        if is_sending:
            self.absent.pop((seat, kind), None)
        else:
            self.absent[seat, kind] = cause

    async def pause(self, reason: str) -> None:
        self.pause_reason = reason

    async def resume(self) -> None:
        self.pause_reason = None

    async def mark_gap(self, seat: str, kind: Kind, cause: GapCause, opened_at: datetime, closed_at: datetime) -> None:
        self._check(seat)
        self._gaps += 1
        self.emit(GapOpened(seat=seat, gap=self._gaps, kind=kind, cause=cause, at=opened_at))
        self.emit(GapClosed(seat=seat, gap=self._gaps, kind=kind, cause=cause, opened_at=opened_at, at=closed_at))

    async def segments(self) -> tuple[SegmentClosed, ...]:
        return tuple(self._closed)

    async def events(self) -> AsyncIterator[RecorderEvent]:
        while True:
            yield await self._events.get()

    async def aclose(self) -> None:
        self.is_closed = True

    def emit(self, event: RecorderEvent) -> None:
        if isinstance(event, SegmentClosed):
            self._closed.append(event)
        self._events.put_nowait(event)

    def _check(self, seat: str) -> None:
        if seat not in self.seats:
            raise RecorderError("seat_not_recorded", "Start the seat first.")
