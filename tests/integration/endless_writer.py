"""A process that appends to one hearing until it is killed or the disk is full, and says each acknowledged number."""

import asyncio
import multiprocessing
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path

from hearing_server.domain.ids import HearingId
from hearing_server.ports import NewEvent, StorageError
from hearing_server.storage.stores import open_stores

HEARING = HearingId("h-1")
BATCH = 3

# Forked from a server that has imported everything once: a start takes milliseconds, and threads are never forked.
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["hearing_server.storage.stores", "pytest"])


class Writer:
    """The process, seen from the test."""

    def __init__(self, data_dir: Path, url: str | None, file_limit_bytes: int | None) -> None:
        self._said, child_end = _processes.Pipe(duplex=False)
        arguments = (child_end, data_dir, url, file_limit_bytes)
        self._process = _processes.Process(target=_run, args=arguments, daemon=True)
        self._process.start()
        child_end.close()

    async def next(self) -> int | str | None:
        """What it says next: an acknowledged number, or words; None when it has ended."""
        try:
            said: int | str = await asyncio.to_thread(self._said.recv)
        except EOFError:
            return None
        return said

    async def rest(self) -> list[int | str]:
        """Everything up to its end."""
        said = []
        while (one := await self.next()) is not None:
            said.append(one)
        return said

    def kill(self) -> None:
        """SIGKILL. Safe to call twice."""
        self._process.kill()
        self._process.join()


@contextmanager
def writer(data_dir: Path, url: str | None = None, *, file_limit_bytes: int | None = None) -> Iterator[Writer]:
    process = Writer(data_dir, url, file_limit_bytes)
    try:
        yield process
    finally:
        process.kill()


def _run(say: Connection, data_dir: Path, url: str | None, file_limit_bytes: int | None) -> None:
    asyncio.run(_write(say, data_dir, url, file_limit_bytes))


async def _write(say: Connection, data_dir: Path, url: str | None, file_limit_bytes: int | None) -> None:
    stores = await open_stores(data_dir, url)
    if file_limit_bytes is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit_bytes, resource.RLIM_INFINITY))
    seq = len(await stores.events.read(HEARING))
    while True:
        try:
            logged = await stores.events.append(HEARING, seq, _batch(seq))
        except StorageError as error:
            say.send(str(error))
            break
        seq = logged[-1].seq
        say.send(seq)
        if seq % (3 * BATCH) == 0:
            await stores.checkpoints.sign(HEARING, seq, logged[-1].hash, datetime.now(UTC))
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    say.send((await stores.events.append(HEARING, seq, _batch(seq)))[-1].seq)
    await stores.aclose()


def _batch(after_seq: int) -> list[NewEvent]:
    return [
        NewEvent(at=datetime.now(UTC), actor="system", type="t", body={"n": after_seq + n, "text": "x" * 500})
        for n in range(1, BATCH + 1)
    ]
