"""Records one hearing: keeps its recorder to what the hearing says, and logs what the recorder reports."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from hearing_server.domain.commands import SYSTEM, SystemCommand
from hearing_server.domain.hearing import Hearing
from hearing_server.domain.ids import HearingId, SeatId
from hearing_server.domain.permissions import ReasonCode
from hearing_server.domain.recording import RecorderProblemCode, RecordRecorderProblem, RecordRecorderRecovered
from hearing_server.domain.rooms import StreamKind
from hearing_server.ports import StorageError, UnstorableError
from hearing_server.services.hearing_service import HearingService
from hearing_server.services.media_service import MediaService
from hearing_server.services.recording_plan import (
    OVER,
    Expect,
    Pause,
    Resume,
    StartSeat,
    Step,
    Stream,
    Told,
    command_of,
    steps,
)
from media.engine import TapAddress
from media.plan import Kind
from media.recording.entries import GapCause, KeyframeWanted, ProblemCode, RecorderProblem, RecorderStarted
from media.recording.interface import Recorder, RecorderError

logger = logging.getLogger(__name__)

START_PATIENCE_S: Final = 4.0
"""A recorder that is not up by then is a problem that the judge is told of."""

RETRY_S: Final = 1.0
ENDING_S: Final = 15.0
LAST_EVENTS_S: Final = 0.2
MAX_UNLOGGED: Final = 10_000


class HearingRecording:
    """One recorder and the three tasks around it: one steers it, one reads its events, one logs them.

    A log that cannot be written never stops the recorder: what it says waits, and `segments` has what was dropped.
    `aclose` ends the files when the service stops; when the hearing is over they end by themselves, and `on_over` is
    called when the log has all of them.
    """

    def __init__(
        self,
        hearing_id: HearingId,
        recorder: Recorder,
        *,
        hearings: HearingService,
        media: MediaService,
        on_over: Callable[[HearingId], None] = lambda hearing_id: None,
    ) -> None:
        self._hearing_id = hearing_id
        self._recorder = recorder
        self._hearings = hearings
        self._media = media
        self._on_over = on_over
        self._told = Told()
        self._inputs: dict[Stream, TapAddress] = {}
        self._wake = asyncio.Event()
        self._unlogged: asyncio.Queue[SystemCommand | RecorderStarted | None] = asyncio.Queue(MAX_UNLOGGED)
        self._must_list_segments = True
        self._is_started = False
        self._ending: asyncio.Task[None] | None = None
        self._keyframes: set[asyncio.Task[None]] = set()
        name = f"recording {hearing_id}"
        self._reading = asyncio.create_task(self._read(), name=f"{name} events")
        self._logging = asyncio.create_task(self._log(), name=f"{name} log")
        self._steering = asyncio.create_task(self._steer(), name=f"{name} steering")
        for task in (self._reading, self._logging, self._steering):
            task.add_done_callback(_report)

    def wake(self) -> None:
        """The hearing has changed."""
        self._wake.set()

    async def aclose(self) -> None:
        """End all files and stop. Safe to call twice."""
        await _cancel(self._steering)
        ending = self._end()
        await asyncio.wait([ending], timeout=ENDING_S)
        await _cancel(ending, self._reading, self._logging, *self._keyframes)
        await self._recorder.aclose()

    @property
    def _hearing(self) -> Hearing:
        return self._hearings.hearing(self._hearing_id)

    # The recorder follows the hearing

    async def _steer(self) -> None:
        if self._hearing.state in OVER:  # of a service before this one: a recorder says what there is
            with suppress(RecorderError):
                await self._start()
        while self._hearing.state not in OVER:
            self._wake.clear()
            try:
                await self._catch_up()
            except RecorderError as error:
                logger.warning("the recorder cannot follow: %s", error.code, extra={"room": self._hearing_id})
                await asyncio.sleep(RETRY_S)
            else:
                await self._wake.wait()
        await asyncio.wait([self._end()])
        await _cancel(self._reading)
        self._on_over(self._hearing_id)

    async def _catch_up(self) -> None:
        """Raises RecorderError; what was done until then stays, and the next call goes on."""
        if not self._is_started:
            await self._start()
        while (step := next(steps(self._hearing, self._told), None)) is not None:
            await self._do(step)
            self._told.add(step)
        if self._must_list_segments:
            self._must_list_segments = False
            await self._list_segments()

    async def _start(self) -> None:
        starting = asyncio.create_task(self._recorder.start(), name=f"recorder start {self._hearing_id}")
        try:
            done, _ = await asyncio.wait([starting], timeout=START_PATIENCE_S)
            if not done:
                self._tell(RecordRecorderProblem(code=RecorderProblemCode.NOT_RESPONDING))
            await starting
        finally:
            await _cancel(starting)
        self._is_started = True
        self._tell(RecordRecorderRecovered(code=RecorderProblemCode.NOT_RESPONDING))

    async def _do(self, step: Step) -> None:
        match step:
            case StartSeat(seat_id=seat_id):
                for kind, address in (await self._recorder.start_seat(seat_id, list(Kind))).items():
                    self._inputs[seat_id, StreamKind(kind.value)] = address
                self._media.record_to(self._hearing_id, self._inputs)
            case Expect(seat_id=seat_id, kind=kind, absence=absence):
                is_sending, cause = absence is None, absence or GapCause.NOT_RECORDED
                await self._recorder.expect(seat_id, Kind(kind.value), is_sending=is_sending, cause=cause)
            case Pause(reason=reason):
                await self._recorder.pause(reason)
            case Resume():
                await self._recorder.resume()
                self._count_silence_anew()

    def _count_silence_anew(self) -> None:
        """After a pause a recorder says again who is silent, but not who no longer is."""
        for code, seat_id in self._hearing.recording.problems:
            if code is RecorderProblemCode.STALLED_INPUT:
                self._tell(RecordRecorderRecovered(code=code, seat_id=seat_id))

    async def _list_segments(self) -> None:
        """Log the segments whose reports were lost with a recorder or with this service."""
        known = self._hearing.recording.segments
        for segment in await self._recorder.segments():
            if segment.number not in known.get(SeatId(segment.seat), ()) and (command := command_of(segment)):
                self._tell(command)

    def _end(self) -> asyncio.Task[None]:
        if self._ending is None:
            self._ending = asyncio.create_task(self._end_files(), name=f"recording {self._hearing_id} end")
            self._ending.add_done_callback(_report)
        return self._ending

    async def _end_files(self) -> None:
        self._media.record_to(self._hearing_id, {})
        if self._is_started:
            with suppress(RecorderError):
                for person in self._hearing.people.values():
                    await self._recorder.stop_seat(person.seat_id)
                await self._list_segments()
        await self._recorder.aclose()
        await asyncio.sleep(LAST_EVENTS_S)  # what it said last has been received, and is being read
        await self._unlogged.put(None)
        await asyncio.wait([self._logging])

    # The log follows the recorder

    async def _read(self) -> None:
        async for event in self._recorder.events():
            match event:
                case KeyframeWanted(seat=seat):
                    self._want_keyframe(SeatId(seat))
                case RecorderStarted():
                    self._tell(event)
                case RecorderProblem(code=ProblemCode.RESTARTED):
                    self._must_list_segments = True
                    self._wake.set()
                case _:
                    if (command := command_of(event)) is not None:
                        self._tell(command)

    def _want_keyframe(self, seat_id: SeatId) -> None:
        task = asyncio.create_task(self._media.want_keyframe(self._hearing_id, seat_id), name=f"key frame {seat_id}")
        self._keyframes.add(task)
        task.add_done_callback(self._keyframes.discard)

    def _tell(self, report: SystemCommand | RecorderStarted) -> None:
        try:
            self._unlogged.put_nowait(report)
        except asyncio.QueueFull:
            logger.error("the log does not keep up with the recorder", extra={"room": self._hearing_id})
            self._must_list_segments = True

    async def _log(self) -> None:
        while (report := await self._unlogged.get()) is not None:
            if isinstance(report, RecorderStarted):
                for command in self._ended_by_new_recorder():
                    await self._submit(command)
            else:
                await self._submit(report)

    def _ended_by_new_recorder(self) -> list[SystemCommand]:
        """A new recorder says of itself what is wrong; that it responds is known when it has all its seats again."""
        return [
            RecordRecorderRecovered(code=code, seat_id=seat_id)
            for code, seat_id in self._hearing.recording.problems
            if code is not RecorderProblemCode.NOT_RESPONDING
        ]

    async def _submit(self, command: SystemCommand) -> None:
        while True:
            try:
                refusal = await self._hearings.submit(self._hearing_id, command, by=SYSTEM)
            except UnstorableError:
                logger.exception("%s can never be logged", command.type, extra={"room": self._hearing_id})
            except StorageError:
                logger.exception("%s is not logged yet; trying again", command.type, extra={"room": self._hearing_id})
                await asyncio.sleep(RETRY_S)
                continue
            else:
                if refusal is not None and refusal.code is not ReasonCode.NO_CHANGE:
                    logger.error("%s was refused: %s", command.type, refusal.code, extra={"room": self._hearing_id})
            return


async def _cancel(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.error("%s failed", task.get_name(), exc_info=error)
