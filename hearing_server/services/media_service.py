"""Makes the relay match `media_plan(hearing)`, and carries offers and answers between browsers and the relay."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from hearing_server.domain.attendance import Presence
from hearing_server.domain.hearing import SYSTEM, Command, Hearing, Person
from hearing_server.domain.ids import HearingId, PersonId, SeatId
from hearing_server.domain.media_plan import media_plan
from hearing_server.domain.outages import MediaLostCause, RecordMediaLost, RecordMediaRestored
from hearing_server.domain.roles import SENDING_ROLES, sees_connection_health
from hearing_server.domain.rooms import StreamKind
from hearing_server.ports import SeatGrant, StorageError
from hearing_server.services.attendance_service import AttendanceService, SeatConnection
from hearing_server.services.event_bus import EventBus, HearingChanged
from hearing_server.services.hearing_service import HearingService
from hearing_server.services.relay_plan import Stream, relay_plan, slots, wanted_taps
from hearing_server.services.turn_credentials import TurnServers
from hearing_server.signalling.messages import Answer, Candidate, RequestStream
from hearing_server.signalling.notices import Health, MediaState, Offer, StreamLabel, Streams
from media.engine import (
    EngineDownError,
    EngineEvent,
    HealthChanged,
    IngestAnswer,
    MediaEngine,
    MediaError,
    OfferMade,
    PeerNotConnectedError,
    PeerState,
    PeerStateChanged,
    RoomLost,
    RoomStats,
    SlotsChanged,
    TapAddress,
)
from media.plan import Kind, Plan, common

logger = logging.getLogger(__name__)

_REOPEN_PAUSE_S = 0.5
_SETTLE_LIMIT_S = 0.5
_STATES: Mapping[PeerState, Literal["connecting", "connected", "failed"] | None] = {
    PeerState.CONNECTING: "connecting",
    PeerState.CONNECTED: "connected",
    PeerState.FAILED: "failed",
    PeerState.CLOSED: None,  # closed by us: the browser has been told why, or has been offered a newer connection
}


class StreamNotAllowedError(Exception):
    """The seat asked for a stream that it may not have."""

    code = "stream_not_allowed"


@dataclass(slots=True)
class _Room:
    """One hearing's courtroom at the relay."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    is_open: bool = False
    applied: Plan = field(default_factory=Plan)
    seats: set[SeatId] = field(default_factory=set)  # seats that have asked for media since they entered
    reconciling: set[asyncio.Task[None]] = field(default_factory=set)  # plans that the relay does not carry yet
    health: dict[SeatId, Health] = field(default_factory=dict)  # what was told last of each of them
    ingests: dict[SeatId, int] = field(default_factory=dict)  # of these, who makes the offer itself -> its epoch
    recorder_inputs: Mapping[Stream, TapAddress] = field(default_factory=dict)
    tapped: dict[Stream, TapAddress] = field(default_factory=dict)  # what the relay sends to the recorder now


class MediaService:
    """One relay room a hearing, opened when the first seat asks for media."""

    def __init__(
        self,
        *,
        engine: MediaEngine,
        hearings: HearingService,
        attendance: AttendanceService,
        bus: EventBus,
        turn: TurnServers | None = None,
    ) -> None:
        self._engine = engine
        self._hearings = hearings
        self._attendance = attendance
        self._turn = turn or TurnServers()
        self._rooms: dict[HearingId, _Room] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        bus.subscribe(self._on_change)

    def start(self) -> None:
        """Begin to follow the relay; it gets ready for a first courtroom."""
        self._engine.warm_up()
        self._spawn(self._follow_engine(), "media events")

    async def aclose(self) -> None:
        """Stop following the relay. Safe to call twice."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def open_media(self, hearing_id: HearingId, person_id: PersonId) -> None:
        """Begin (again) both peer connections of a seat; offers follow as notices. Raises MediaError."""
        hearing = self._hearings.hearing(hearing_id)
        person = hearing.people[person_id]
        room = self._rooms.setdefault(hearing_id, _Room())
        async with room.lock:
            await self._open_room(hearing_id, room)
            room.seats.add(person.seat_id)
            room.ingests.pop(person.seat_id, None)
            room.health.pop(person.seat_id, None)
            self._tell_known_health(hearing_id, person, room)
            await self._open_peer(hearing, person.seat_id)

    def check_offer(self, offer_sdp: str) -> None:
        """Raises BadSdpError for an offer that `open_ingest` would refuse."""
        self._engine.check_offer(offer_sdp)

    async def open_room(self, hearing_id: HearingId) -> None:
        """Make sure that there is a relay for the hearing. Raises MediaError."""
        room = self._rooms.setdefault(hearing_id, _Room())
        async with room.lock:
            await self._open_room(hearing_id, room)

    async def open_ingest(self, grant: SeatGrant, holder: SeatConnection, offer_sdp: str) -> IngestAnswer:
        """Receive from a publisher that makes the offer, if `holder` still has the seat. Raises MediaError."""
        seat_id = self._hearings.hearing(grant.hearing_id).people[grant.person_id].seat_id
        room = self._rooms.setdefault(grant.hearing_id, _Room())
        async with room.lock:
            if self._attendance.connection(grant.hearing_id, grant.person_id) is not holder:
                raise PeerNotConnectedError(seat_id)
            await self._open_room(grant.hearing_id, room)
            room.health.pop(seat_id, None)
            answer = await self._engine.ingest(grant.hearing_id, seat_id, offer_sdp)
            room.seats.add(seat_id)
            room.ingests[seat_id] = answer.epoch
            return answer

    async def close_ingest(self, hearing_id: HearingId, seat_id: SeatId, epoch: int) -> None:
        """Disconnect a publisher, unless the seat has a newer connection. Raises MediaError."""
        room = self._rooms.setdefault(hearing_id, _Room())
        async with room.lock:
            if room.ingests.get(seat_id) == epoch:
                del room.ingests[seat_id]
                room.seats.discard(seat_id)
                await self._engine.close_peer(hearing_id, seat_id)

    async def answer(self, hearing_id: HearingId, seat_id: SeatId, message: Answer) -> None:
        """Raises MediaError."""
        await self._engine.answer(
            hearing_id, seat_id, message.connection, message.epoch, message.negotiation, message.sdp
        )

    async def add_candidate(self, hearing_id: HearingId, seat_id: SeatId, message: Candidate) -> None:
        """Raises MediaError."""
        await self._engine.add_candidate(hearing_id, seat_id, message.connection, message.epoch, message.candidate)

    async def request_stream(self, hearing_id: HearingId, seat_id: SeatId, message: RequestStream) -> None:
        """Ask for a key frame of a stream the seat receives. Raises StreamNotAllowedError, MediaError."""
        plan = media_plan(self._hearings.hearing(hearing_id))
        source, kind = SeatId(message.seat_id), StreamKind(message.kind)
        if not any(edge.source == source and edge.kind is kind and edge.receiver == seat_id for edge in plan.edges):
            raise StreamNotAllowedError
        if kind is StreamKind.VIDEO:
            await self._engine.request_keyframe(hearing_id, source)

    def record_to(self, hearing_id: HearingId, inputs: Mapping[Stream, TapAddress]) -> None:
        """Say where the recorder takes each stream. What the plan taps is sent there; nothing else ever is."""
        room = self._rooms.setdefault(hearing_id, _Room())
        if room.recorder_inputs != inputs:
            room.recorder_inputs = dict(inputs)
            self._spawn(self._reconcile(hearing_id, room), f"recorder inputs {hearing_id}")

    async def want_keyframe(self, hearing_id: HearingId, seat_id: SeatId) -> None:
        """Ask a camera for a key frame on behalf of the recorder, if its pictures can come."""
        room = self._rooms.get(hearing_id)
        if room is None or not room.is_open:
            return
        try:
            await self._engine.request_keyframe(hearing_id, seat_id)
        except MediaError:
            logger.debug("no key frame can be asked for now", extra={"seat_id": seat_id})

    async def settled(self, hearing_id: HearingId) -> None:
        """Wait until the relay carries what the hearing says, but not for a relay that is down.

        A page is told that its witness is released when that is so, not when it is about to be.
        """
        room = self._rooms.get(hearing_id)
        if room is not None and room.reconciling:
            await asyncio.wait(room.reconciling, timeout=_SETTLE_LIMIT_S)

    async def stats(self, hearing_id: HearingId) -> RoomStats | None:
        room = self._rooms.get(hearing_id)
        return await self._engine.stats(hearing_id) if room is not None and room.is_open else None

    def _on_change(self, change: HearingChanged) -> None:
        hearing_id = change.after.hearing_id
        room = self._rooms.get(hearing_id)
        if room is None:
            return
        if self._gone(hearing_id, room) or media_plan(change.before) != media_plan(change.after):
            task = self._spawn(self._reconcile(hearing_id, room), f"media plan {hearing_id}")
            room.reconciling.add(task)
            task.add_done_callback(room.reconciling.discard)

    def _gone(self, hearing_id: HearingId, room: _Room) -> set[SeatId]:
        people = self._hearings.hearing(hearing_id).people.values()
        return {person.seat_id for person in people if person.presence is not Presence.PRESENT} & room.seats

    async def _reconcile(self, hearing_id: HearingId, room: _Room) -> None:
        async with room.lock:
            if not room.is_open:
                return
            try:
                await self._apply(hearing_id, room)
                for seat_id in self._gone(hearing_id, room):
                    room.seats.discard(seat_id)
                    room.health.pop(seat_id, None)
                    room.ingests.pop(seat_id, None)
                    await self._engine.close_peer(hearing_id, seat_id)
                if not room.seats:  # the next one to come opens it again; a process a hearing would add up for ever
                    await self._engine.close_room(hearing_id)
                    room.is_open = False
            except EngineDownError:
                logger.warning("the relay is down; the plan is applied when it is back", extra={"room": hearing_id})
            except MediaError:
                logger.exception("the relay refused the plan; the room is closed", extra={"room": hearing_id})
                # A relay that does not do what the hearing says must not go on carrying anything.
                await self._engine.close_room(hearing_id)
                room.is_open = False
                await self._log(hearing_id, RecordMediaLost(cause=MediaLostCause.PLAN_REFUSED))
                await self._restore(hearing_id, room)

    async def _open_room(self, hearing_id: HearingId, room: _Room) -> None:
        if room.is_open:
            return
        await self._engine.open_room(hearing_id)
        room.is_open, room.applied, room.tapped = True, Plan(), {}
        await self._apply(hearing_id, room)

    async def _apply(self, hearing_id: HearingId, room: _Room) -> None:
        plan = media_plan(self._hearings.hearing(hearing_id))
        taps = wanted_taps(plan, room.recorder_inputs)
        wanted = relay_plan(plan)
        kept = common(room.applied, wanted)
        if kept != room.applied:
            # What ends, ends first and in one step: who was released must not wait for anything else to be arranged.
            await self._engine.apply(hearing_id, kept)
            room.applied = kept
        # A tap ends before anything new is connected: a talk or a waiting room may begin with this very plan.
        for stream in [stream for stream, address in room.tapped.items() if taps.get(stream) != address]:
            seat_id, kind = stream
            await self._engine.untap(hearing_id, seat_id, Kind(kind.value), room.tapped[stream])
            del room.tapped[stream]
        if wanted != room.applied:
            await self._engine.apply(hearing_id, wanted)
            room.applied = wanted
        for stream in sorted(taps.keys() - room.tapped.keys()):
            seat_id, kind = stream
            await self._engine.tap(hearing_id, seat_id, Kind(kind.value), taps[stream])
            room.tapped[stream] = taps[stream]

    async def _open_peer(self, hearing: Hearing, seat_id: SeatId) -> None:
        role = next(person.role for person in hearing.people.values() if person.seat_id == seat_id)
        await self._engine.open_peer(hearing.hearing_id, seat_id, sends=role in SENDING_ROLES, slots=slots(hearing))

    async def _follow_engine(self) -> None:
        async for event in self._engine.events():
            if isinstance(event, RoomLost):
                self._spawn(self._on_room_lost(event), f"room lost {event.room}")
            elif isinstance(event, HealthChanged):
                self._tell_health(event)
            else:
                self._tell_seat(event)

    def _tell_health(self, event: HealthChanged) -> None:
        """Tell the seat itself and the officers of the court."""
        hearing_id, seat_id = HearingId(event.room), SeatId(event.peer)
        room = self._rooms.get(hearing_id)
        if room is None or seat_id not in room.seats:
            return
        room.health[seat_id] = notice = Health(
            seat_id=seat_id,
            uplink=None if event.uplink is None else event.uplink.value,
            downlink=None if event.downlink is None else event.downlink.value,
            is_video_paused=event.is_video_paused,
        )
        for person in self._hearings.hearing(hearing_id).people.values():
            if person.seat_id == seat_id or sees_connection_health(person.role):
                connection = self._attendance.connection(hearing_id, person.person_id)
                if connection is not None:
                    connection.send(notice)

    def _tell_known_health(self, hearing_id: HearingId, person: Person, room: _Room) -> None:
        connection = self._attendance.connection(hearing_id, person.person_id)
        if connection is not None and sees_connection_health(person.role):
            for notice in room.health.values():
                connection.send(notice)

    def _tell_seat(self, event: EngineEvent) -> None:
        if isinstance(event, RoomLost | HealthChanged):
            return
        connection = self._attendance.connection_of_seat(HearingId(event.room), SeatId(event.peer))
        if connection is None:
            return
        match event:
            case OfferMade():
                connection.send(
                    Offer(
                        connection=event.connection,
                        epoch=event.epoch,
                        negotiation=event.negotiation,
                        sdp=event.sdp,
                        ice_servers=self._turn.for_seat(SeatId(event.peer), at=self._hearings.now()),
                    )
                )
            case SlotsChanged():
                labels = tuple(
                    StreamLabel(mid=mid, seat_id=source, kind=kind.value) for mid, source, kind in event.slots
                )
                connection.send(Streams(epoch=event.epoch, streams=labels))
            case PeerStateChanged():
                if (state := _STATES[event.state]) is not None:
                    connection.send(MediaState(state=state, connection=event.connection, epoch=event.epoch))

    async def _on_room_lost(self, event: RoomLost) -> None:
        hearing_id = HearingId(event.room)
        room = self._rooms.get(hearing_id)
        if room is None:
            return
        logger.warning("media process lost", extra={"room": hearing_id, "cause": event.cause})
        async with room.lock:
            room.is_open = False
            for seat_id in room.seats:
                if (connection := self._attendance.connection_of_seat(hearing_id, seat_id)) is not None:
                    connection.send(MediaState(state="lost"))
            await self._log(hearing_id, RecordMediaLost(cause=MediaLostCause.PROCESS_DIED))
            await self._restore(hearing_id, room)

    async def _restore(self, hearing_id: HearingId, room: _Room) -> None:
        """Open the room again, for ever if need be, and offer everybody new connections."""
        self._drop_ingests(hearing_id, room)
        while True:
            try:
                await self._open_room(hearing_id, room)
                hearing = self._hearings.hearing(hearing_id)
                for seat_id in sorted(room.seats):
                    await self._open_peer(hearing, seat_id)
                break
            except MediaError:
                logger.exception("the relay does not come back; trying again", extra={"room": hearing_id})
                room.is_open = False
                await asyncio.sleep(_REOPEN_PAUSE_S)
        await self._log(hearing_id, RecordMediaRestored())

    def _drop_ingests(self, hearing_id: HearingId, room: _Room) -> None:
        """A publisher cannot be offered anything: it has to begin again."""
        for seat_id in room.ingests:
            if (connection := self._attendance.connection_of_seat(hearing_id, seat_id)) is not None:
                connection.send(MediaState(state="lost"))
        room.seats -= room.ingests.keys()
        room.ingests.clear()

    async def _log(self, hearing_id: HearingId, command: Command) -> None:
        try:
            await self._hearings.submit(hearing_id, command, by=SYSTEM)
        except StorageError:
            logger.exception("a media outage could not be logged", extra={"room": hearing_id})

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(_report(self._tasks))
        return task


def _report(tasks: set[asyncio.Task[None]]) -> Callable[[asyncio.Task[None]], None]:
    def done(task: asyncio.Task[None]) -> None:
        tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("%s failed", task.get_name(), exc_info=error)

    return done
