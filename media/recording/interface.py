"""The recorder as the rest of the service sees it."""

from collections.abc import AsyncIterator, Collection, Mapping
from datetime import datetime
from typing import Protocol

from media.plan import Kind
from media.recording.entries import GapCause, RecorderEvent, SegmentClosed
from media.taps.input_socket import Address


class RecorderError(Exception):
    """`code` is stable; the text says what to do."""

    def __init__(self, code: str, advice: str) -> None:
        super().__init__(advice)
        self.code = code


class Recorder(Protocol):
    """Records the seats of one hearing. It taps nothing itself: the relay sends to the addresses it gives."""

    async def start(self) -> None:
        """Be ready for requests. Safe to call twice. Raises RecorderError (recorder_down); it may be called again."""

    async def start_seat(self, seat: str, kinds: Collection[Kind]) -> Mapping[Kind, Address]:
        """Record `kinds` of `seat`, and return the address the relay has to send each stream to.

        Starting a started seat adds kinds and changes nothing else. Addresses stay the same when the recorder is
        restarted. Raises RecorderError (bad_seat_name, write_failed, recorder_down).
        """
        ...

    async def stop_seat(self, seat: str) -> None:
        """End the seat's files. Stopping a stopped seat changes nothing."""

    async def expect(self, seat: str, kind: Kind, *, is_sending: bool, cause: GapCause) -> None:
        """Say that the seat does (not) send `kind` from now on, and why: mute, camera_off, not_recorded.

        What arrives while it should not is thrown away. Raises RecorderError (seat_not_recorded, recorder_down).
        """

    async def pause(self, reason: str) -> None:
        """Record nothing of anybody. When this returns, all files are ended. `reason` goes into the gap."""

    async def resume(self) -> None: ...

    async def mark_gap(self, seat: str, kind: Kind, cause: GapCause, opened_at: datetime, closed_at: datetime) -> None:
        """Write down a gap that the recorder cannot know of, as when the relay died."""

    async def segments(self) -> tuple[SegmentClosed, ...]:
        """Return all closed segments on disk, also those of earlier recorders: what events may have missed."""
        ...

    def events(self) -> AsyncIterator[RecorderEvent]:
        """All events, in order. One consumer. A segment may be reported twice after a restart: seat and number tell."""
        ...

    async def aclose(self) -> None:
        """End all files and stop. Safe to call twice."""
