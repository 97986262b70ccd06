"""Makes one file for each seat of a closed hearing, in a process of its own, and logs what came of it.

Plain and repeatable instead of a workflow engine: the log says which segments there are and which results were made of
them, so that a job that was killed at any moment is simply run again.
"""

import asyncio
import logging
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from pathlib import Path

import msgspec

from hearing_server.domain.commands import SYSTEM
from hearing_server.domain.composition import CompositionProblem, RecordComposed, RecordNotComposed, uncomposed
from hearing_server.domain.hearing import Hearing
from hearing_server.domain.ids import HearingId, SeatId
from hearing_server.domain.lifecycle import HearingState
from hearing_server.domain.recording import RecordingSegmentClosed
from hearing_server.ports import StorageError
from hearing_server.services.hearing_service import HearingService
from media.recording.compose_messages import Composed, Composing, Job, NotComposed, Report, result_path

logger = logging.getLogger(__name__)

MAX_REPORT_BYTES = 1 << 20
_REPORTS = msgspec.json.Decoder(Report)


class NotClosedError(Exception):
    """A hearing that is not closed still records. Close it first."""

    code = "hearing_not_closed"


class ComposeFailedError(Exception):
    """The process that composes ended before it was done. Run it again; its own words are on standard error."""

    code = "compose_failed"


Progress = Callable[[Composing], None]


async def compose_recording(
    hearing_id: HearingId,
    folder: Path,
    *,
    hearings: HearingService,
    on_progress: Progress = lambda progress: None,
) -> tuple[Composed | NotComposed, ...]:
    """Compose every seat of the hearing below `folder` and log what came of each.

    Raises UnknownHearingError, NotClosedError, ComposeFailedError, StorageError.
    """
    if (await hearings.find(hearing_id)).state is not HearingState.CLOSED:
        raise NotClosedError(f"Hearing {hearing_id} is not closed; close it first.")
    segments: dict[SeatId, dict[int, str]] = {}
    for event in await hearings.logged(hearing_id, RecordingSegmentClosed):
        segments.setdefault(event.segment.seat_id, {})[event.segment.number] = event.segment.sha256
    if not segments:
        return ()
    results: list[Composed | NotComposed] = []
    job = Job(directory=str(folder), seats={str(seat_id): numbers for seat_id, numbers in segments.items()})
    async with aclosing(_reports(job)) as reports:
        async for report in reports:
            if isinstance(report, Composing):
                on_progress(report)
                continue
            numbers = tuple(sorted(segments[SeatId(report.seat)]))
            await hearings.submit(hearing_id, _command(report, numbers), by=SYSTEM)
            results.append(report)
    return tuple(results)


def _command(report: Composed | NotComposed, segments: tuple[int, ...]) -> RecordComposed | RecordNotComposed:
    seat_id = SeatId(report.seat)
    if isinstance(report, NotComposed):
        problem = CompositionProblem(report.code)
        return RecordNotComposed(seat_id=seat_id, segments=segments, problem=problem, number=report.number)
    return RecordComposed(
        seat_id=seat_id,
        segments=segments,
        sha256=report.sha256,
        size_bytes=report.size_bytes,
        starts_at=report.starts_at,
    )


async def _reports(job: Job) -> AsyncGenerator[Report]:
    """Run the worker. Raises ComposeFailedError."""
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "media.recording.compose_worker",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, start_new_session=True, limit=MAX_REPORT_BYTES,
    )  # fmt: skip
    assert worker.stdin is not None, "asked for above"
    assert worker.stdout is not None, "asked for above"
    try:
        with suppress(ConnectionError):  # a worker that died at once says so below
            worker.stdin.write(msgspec.json.encode(job))
            await worker.stdin.drain()
        worker.stdin.close()
        while line := await worker.stdout.readline():
            yield _REPORTS.decode(line)
        if await worker.wait() != 0:
            raise ComposeFailedError(f"The composing process ended with {worker.returncode}; run it again.")
    finally:
        if worker.returncode is None:
            with suppress(ProcessLookupError):
                worker.kill()
            await worker.wait()


class CompositionJobs:
    """Composes one hearing after the other, for as long as the service runs. `folder_of`: where a recording lies."""

    def __init__(self, *, hearings: HearingService, folder_of: Callable[[HearingId], Path]) -> None:
        self._hearings = hearings
        self._folder_of = folder_of
        self._waiting: asyncio.Queue[HearingId] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin with the closed hearings whose files are missing or were made of other segments."""
        for hearing_id in self._hearings.hearing_ids():
            if self._is_due(self._hearings.hearing(hearing_id)):
                self.add(hearing_id)
        self._task = asyncio.create_task(self._run(), name="composition")

    def add(self, hearing_id: HearingId) -> None:
        """The recording of this hearing has ended."""
        self._waiting.put_nowait(hearing_id)

    async def aclose(self) -> None:
        """Stop; what is half done is done again at the next start. Safe to call twice."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    def _is_due(self, hearing: Hearing) -> bool:
        if hearing.state is not HearingState.CLOSED:
            return False
        folder = self._folder_of(hearing.hearing_id)
        lost = [
            seat_id
            for seat_id, made in hearing.compositions.items()
            if made.sha256 is not None and not result_path(folder, seat_id).exists()
        ]
        return bool(uncomposed(hearing) or lost) and folder.exists()

    async def _run(self) -> None:
        while True:
            hearing_id = await self._waiting.get()
            if not self._is_due(self._hearings.hearing(hearing_id)):
                continue
            try:
                results = await compose_recording(hearing_id, self._folder_of(hearing_id), hearings=self._hearings)
            except (ComposeFailedError, StorageError, OSError):
                logger.exception("a recording was not composed", extra={"hearing_id": hearing_id})
                continue
            for result in results:
                if isinstance(result, NotComposed):
                    logger.error("a seat was not composed: %s", result.code, extra={"seat_id": result.seat})
