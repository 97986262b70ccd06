"""A caller that goes away in the middle of a write leaves a whole log and a store that works."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime

from hearing_server.domain.ids import HearingId
from hearing_server.ports import ConcurrentAppendError, NewEvent
from hearing_server.records.event_chain import verify
from hearing_server.storage.stores import Stores

pytest_plugins = ("tests.contract.storage_backends",)

HEARING = HearingId("h-1")
AT = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


async def test_cancelled_writes_leave_a_whole_log_and_a_working_store(sql_stores: Stores) -> None:
    events = sql_stores.events
    batch = [NewEvent(at=AT, actor="p-1", type="t", body={"n": n}) for n in range(3)]
    cancelled = 0
    for steps in range(40):
        task = asyncio.create_task(events.append(HEARING, await _end(sql_stores), batch))
        for _ in range(steps):  # a little further each time: through the queue, BEGIN, each statement, COMMIT
            await asyncio.sleep(0)
        await asyncio.sleep(0.0002 * steps)
        task.cancel()
        [outcome] = await asyncio.gather(task, return_exceptions=True)
        cancelled += isinstance(outcome, asyncio.CancelledError)
        # The one before may still be committing: then this one came too early, and nothing else may go wrong.
        assert isinstance(outcome, tuple | asyncio.CancelledError | ConcurrentAppendError), outcome
    assert cancelled > 5, "nothing was interrupted"
    await asyncio.wait_for(_append_at_the_end(sql_stores), 30)
    log = await sql_stores.events.read(HEARING)
    assert len(log) % 3 == 1, "half of a batch was kept"
    assert verify(log).ok


async def _append_at_the_end(stores: Stores) -> None:
    """What was cancelled may still be committing: try until nobody is in between."""
    while True:
        with suppress(ConcurrentAppendError):
            await stores.events.append(HEARING, await _end(stores), [NewEvent(at=AT, actor="p-1", type="t", body={})])
            return


async def _end(stores: Stores) -> int:
    """The length of the log once nobody is writing any more."""
    async with stores.database.write():
        return len(await stores.events.read(HEARING))


async def test_reads_that_are_cancelled_leave_a_working_store(sql_stores: Stores) -> None:
    await sql_stores.events.append(HEARING, 0, [NewEvent(at=AT, actor="p-1", type="t", body={})])
    for steps in range(40):
        task = asyncio.create_task(sql_stores.events.read(HEARING))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert len(await asyncio.wait_for(sql_stores.events.read(HEARING), 30)) == 1


async def test_many_cancelled_at_once_do_not_block_the_next(sql_stores: Stores) -> None:
    async def append(number: int) -> None:
        with suppress(ConcurrentAppendError):
            await sql_stores.events.append(HEARING, 0, [NewEvent(at=AT, actor="p-1", type="t", body={"n": number})])

    tasks = [asyncio.create_task(append(number)) for number in range(30)]
    await asyncio.sleep(0.01)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.wait_for(_append_at_the_end(sql_stores), 30)
    log = await sql_stores.events.read(HEARING)
    assert len(log) in (1, 2)
    assert verify(log).ok
