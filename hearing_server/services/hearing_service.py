"""Runs hearings: decide, write to the log, evolve, tell everybody. The only writer of a hearing."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar

from hearing_server.clock import Clock
from hearing_server.domain.deadlines import next_deadline
from hearing_server.domain.hearing import (
    EVENT_TYPES,
    SYSTEM,
    Command,
    Event,
    Hearing,
    Refusal,
    Tick,
    decide,
    evolve,
    initial,
)
from hearing_server.domain.ids import HearingId, PersonId
from hearing_server.ports import (
    AuditLog,
    CheckpointStore,
    ConcurrentAppendError,
    EventStore,
    NewEvent,
    StorageError,
    UnstorableError,
)
from hearing_server.records.event_codec import decode_event, encode_event
from hearing_server.services.event_bus import EventBus, HearingChanged
from hearing_server.services.refusal_log import RefusalLog

logger = logging.getLogger(__name__)

_RETRY_AFTER_STORAGE_ERROR_S = 1.0
_E = TypeVar("_E", bound=Event)


class UnknownHearingError(Exception):
    """No hearing has this id. Check the link."""

    code = "unknown_hearing"


class HearingService:
    """Every hearing of this process, rebuilt from its log at start."""

    def __init__(
        self, *, events: EventStore, checkpoints: CheckpointStore, audit: AuditLog, bus: EventBus, clock: Clock
    ) -> None:
        self._events = events
        self._checkpoints = checkpoints
        self._refusals = RefusalLog(audit)
        self._bus = bus
        self._clock = clock
        self._hearings: dict[HearingId, Hearing] = {}
        self._heads: dict[HearingId, str] = {}
        self._locks: dict[HearingId, asyncio.Lock] = {}
        self._timers: dict[HearingId, asyncio.TimerHandle] = {}
        self._ticks: set[asyncio.Task[None]] = set()
        self._closed = False

    async def restore(self) -> None:
        """Rebuild every hearing, and the timer of its next deadline, from the log."""
        for hearing_id in await self._events.hearing_ids():
            await self._load(hearing_id)
        logger.info("hearings restored", extra={"count": len(self._hearings)})

    def hearing_ids(self) -> Sequence[HearingId]:
        """All hearings, oldest first."""
        return tuple(self._hearings)

    def hearing(self, hearing_id: HearingId) -> Hearing:
        """Raises UnknownHearingError."""
        try:
            return self._hearings[hearing_id]
        except KeyError:
            raise UnknownHearingError(hearing_id) from None

    async def find(self, hearing_id: HearingId) -> Hearing:
        """Like `hearing`, but also finds one that was scheduled by another process. Raises UnknownHearingError."""
        if hearing_id not in self._hearings:
            async with self._locks.setdefault(hearing_id, asyncio.Lock()):
                if hearing_id not in self._hearings and await self._events.read(hearing_id):
                    await self._load(hearing_id)
        return self.hearing(hearing_id)

    async def logged(self, hearing_id: HearingId, event_type: type[_E]) -> Sequence[_E]:
        """All events of one type in the hearing's log, in order. Raises StorageError."""
        return tuple(
            event
            for logged in await self._events.read(hearing_id)
            if logged.type == event_type.type
            and isinstance(event := decode_event(logged.type, logged.body, EVENT_TYPES), event_type)
        )

    async def check(self) -> None:
        """Raises StorageError when the log cannot be read."""
        await self._events.hearing_ids()

    def now(self) -> datetime:
        return self._clock.now()

    async def schedule(self, hearing_id: HearingId, command: Command) -> None:
        """Begin the log of a new hearing with `command` (ScheduleHearing). Raises ValueError when it is refused."""
        self._hearings[hearing_id] = initial(hearing_id)
        refusal = await self.submit(hearing_id, command, by=SYSTEM)
        if refusal is not None:
            del self._hearings[hearing_id]
            raise ValueError(f"The hearing cannot be scheduled: {refusal.code}")

    async def submit(
        self, hearing_id: HearingId, command: Command, *, by: PersonId, message_type: str | None = None
    ) -> Refusal | None:
        """Decide `command` and log what follows. None: done. Refusals of people go to the audit log.

        Raises UnknownHearingError; StorageError, and then nothing has changed.
        """
        self.hearing(hearing_id)
        # Shielded: a caller that is cancelled half-way must not leave the memory behind the log.
        refusal = await asyncio.shield(asyncio.ensure_future(self._decide_and_append(hearing_id, command, by)))
        if refusal is not None and by != SYSTEM:
            name = message_type or type(command).__name__
            await self._refusals.record(hearing_id, self._clock.now(), by, name, refusal.code)
        return refusal

    async def _decide_and_append(self, hearing_id: HearingId, command: Command, by: PersonId) -> Refusal | None:
        async with self._locks.setdefault(hearing_id, asyncio.Lock()):
            for is_last_try in (False, True):
                hearing, at = self._hearings[hearing_id], self._clock.now()
                decided = decide(hearing, command, by=by, at=at)
                if isinstance(decided, Refusal):
                    return decided
                if not decided:
                    return None
                try:
                    await self._append(hearing, decided, by, at)
                    return None
                except ConcurrentAppendError:
                    if is_last_try:
                        raise
                    await self._load(hearing_id)
        return None

    async def refuse(self, hearing_id: HearingId, by: PersonId, message_type: str, code: str) -> None:
        """Log a refusal that was decided outside the hearing (an unreadable message, a stream not in the plan)."""
        await self._refusals.record(hearing_id, self._clock.now(), by, message_type, code)

    async def aclose(self) -> None:
        """Stop the timers. Safe to call twice."""
        self._closed = True
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        if self._ticks:
            await asyncio.wait(self._ticks)

    async def _load(self, hearing_id: HearingId) -> None:
        hearing = initial(hearing_id)
        for logged in await self._events.read(hearing_id):
            event = decode_event(logged.type, logged.body, EVENT_TYPES)
            hearing = evolve(hearing, event, at=logged.at, seq=logged.seq)
            self._heads[hearing_id] = logged.hash
        self._hearings[hearing_id] = hearing
        self._set_timer(hearing)

    async def _append(self, hearing: Hearing, events: Sequence[Event], by: PersonId, at: datetime) -> None:
        hearing_id = hearing.hearing_id
        new = [NewEvent(at=at, actor=by, type=event.type, body=encode_event(event)) for event in events]
        logged = await self._events.append(hearing_id, hearing.seq, new)
        after = hearing
        for event, entry in zip(events, logged, strict=True):
            after = evolve(after, event, at=at, seq=entry.seq)
        self._hearings[hearing_id] = after
        self._heads[hearing_id] = logged[-1].hash
        self._set_timer(after)
        # Told before the checkpoint is signed: a released witness must not wait for a second disk write.
        self._bus.publish(HearingChanged(before=hearing, after=after, events=events))
        if after.state is not hearing.state or hearing.seq == 0:
            await self._sign_checkpoint(after, at)

    async def _sign_checkpoint(self, hearing: Hearing, at: datetime) -> None:
        try:
            await self._checkpoints.sign(hearing.hearing_id, hearing.seq, self._heads[hearing.hearing_id], at)
        except (StorageError, OSError):
            # The events are safe; the next change of state signs a checkpoint that covers them too.
            logger.exception("checkpoint not signed", extra={"hearing_id": hearing.hearing_id, "seq": hearing.seq})

    def _set_timer(self, hearing: Hearing) -> None:
        hearing_id = hearing.hearing_id
        if (timer := self._timers.pop(hearing_id, None)) is not None:
            timer.cancel()
        deadline = next_deadline(hearing)
        if deadline is not None and not self._closed:
            self._set_timer_in(hearing_id, (deadline - self._clock.now()).total_seconds())

    def _set_timer_in(self, hearing_id: HearingId, delay_s: float) -> None:
        loop = asyncio.get_running_loop()
        # At least 1 ms, so that a loop timer that fires a hair early cannot spin.
        self._timers[hearing_id] = loop.call_later(max(0.001, delay_s), self._start_tick, hearing_id)

    def _start_tick(self, hearing_id: HearingId) -> None:
        task = asyncio.create_task(self._tick(hearing_id), name=f"tick {hearing_id}")
        self._ticks.add(task)
        task.add_done_callback(self._ticks.discard)

    async def _tick(self, hearing_id: HearingId) -> None:
        seq = self._hearings[hearing_id].seq
        try:
            await self.submit(hearing_id, Tick(), by=SYSTEM)
        except UnstorableError:
            # Trying again would never succeed: the deadline waits for the next change or restart.
            logger.exception("a deadline cannot be logged", extra={"hearing_id": hearing_id})
            return
        except StorageError:
            logger.exception("a deadline could not be logged; trying again", extra={"hearing_id": hearing_id})
            self._set_timer_in(hearing_id, _RETRY_AFTER_STORAGE_ERROR_S)
            return
        if self._hearings[hearing_id].seq == seq:
            self._set_timer(self._hearings[hearing_id])
