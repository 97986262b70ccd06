"""The database behind every store: one writer, many readers, and failures that say what to do."""

import asyncio
import os
from collections.abc import AsyncIterator, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from sqlalchemy import URL, Connection, event
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from hearing_server.ports import StorageError
from hearing_server.storage.data_folder import database_url
from hearing_server.storage.failures import as_storage_error
from hearing_server.storage.schema_migration import check_schema, upgrade_schema

_READERS = 4
_T = TypeVar("_T")


class Database:
    """Connections to one SQLite file or one PostgreSQL database. Made once for each process; `aclose` ends it.

    SQLite has one writer by nature: here writers queue for one connection and begin with BEGIN IMMEDIATE, so that no
    transaction fails half-way because another one got in between.
    """

    def __init__(
        self, data_dir: Path, *, url: str | None = None, read_only: bool = False, busy_timeout_ms: int = 5000
    ) -> None:
        """Nothing is opened yet.

        Args:
            url: postgresql+asyncpg://... or sqlite+aiosqlite:///FILE; default: hearing.db in `data_dir`.
            read_only: Nothing is ever written.
            busy_timeout_ms: How long to wait while another process writes (SQLite).
        """
        self.url = database_url(data_dir, url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._read_only = read_only
        self._busy_timeout_ms = busy_timeout_ms
        self._unfinished: set[asyncio.Task[Any]] = set()
        if self.is_sqlite:
            self._readers = _sqlite_reader(self.url, busy_timeout_ms)
            self._writer = _sqlite_writer(self.url, busy_timeout_ms)
        else:
            self._readers = self._writer = create_async_engine(self.url, pool_pre_ping=True)
        self._one_writer: AbstractAsyncContextManager[None] = asyncio.Lock() if self.is_sqlite else nullcontext()

    async def upgrade(self) -> None:
        """Bring the tables to this version of the software. Raises StorageError; then nothing has changed."""
        with as_storage_error():
            if self.is_sqlite:
                _sqlite_path(self.url).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            # An engine of its own: batch ALTER on SQLite works only while foreign keys are not enforced.
            engine = (
                _sqlite_writer(self.url, self._busy_timeout_ms, foreign_keys=False) if self.is_sqlite else self._writer
            )
            try:
                async with engine.begin() as connection:
                    await connection.run_sync(upgrade_schema)
            finally:
                if engine is not self._writer:
                    await engine.dispose()

    async def schema_differences(self) -> list[Any]:
        """Return what Alembic would still change to make the database match the tables: an empty list when nothing."""
        async with self.read() as connection:
            return await connection.run_sync(check_schema)

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """One transaction that commits at the end, or leaves nothing behind. To be awaited through `finish`.

        Raises StorageError.
        """
        if self._read_only:
            raise StorageError("This database was opened for reading only.")
        with as_storage_error():
            async with self._one_writer, self._writer.begin() as connection:
                yield connection

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """One transaction that sees the database as it is now. Raises StorageError."""
        with as_storage_error():
            async with self._readers.connect() as connection:
                if not self.is_sqlite:
                    await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
                yield connection

    async def forget_deleted(self) -> None:
        """Drop old copies of overwritten rows from the write-ahead log (SQLite), after secrets were destroyed."""
        if self.is_sqlite:
            with as_storage_error():
                async with self._one_writer, self._writer.connect() as connection:
                    raw = await connection.get_raw_connection()
                    driver: Any = raw.driver_connection  # a checkpoint cannot run inside a transaction
                    await driver.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)")

    async def finish(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Await `work`, a transaction, to its end even when the caller is cancelled.

        A driver that is interrupted between BEGIN and COMMIT gives its connection up, and SQLite keeps the lock of
        that connection for seconds: one browser that goes away at the wrong moment would stop every hearing.
        """
        task = asyncio.create_task(work)
        self._unfinished.add(task)
        task.add_done_callback(self._unfinished.discard)
        return await asyncio.shield(task)

    async def aclose(self) -> None:
        """Finish what is being written and close every connection. Safe to call twice."""
        if self._unfinished:
            await asyncio.wait(self._unfinished)
        await self._readers.dispose()
        await self._writer.dispose()


def _sqlite_path(url: URL) -> Path:
    return Path(url.database or "")


def _sqlite_writer(url: URL, busy_timeout_ms: int, *, foreign_keys: bool = True) -> AsyncEngine:
    engine = create_async_engine(url, pool_size=1, max_overflow=0)
    pragmas = (
        "journal_mode=WAL",
        "synchronous=FULL",  # NORMAL may lose the last commits when the power goes
        f"foreign_keys={'ON' if foreign_keys else 'OFF'}",
        "secure_delete=ON",  # a destroyed key is overwritten, not only unlinked
        f"busy_timeout={busy_timeout_ms}",
    )
    _prepare_sqlite(engine, pragmas, begin="BEGIN IMMEDIATE")
    return engine


def _sqlite_reader(url: URL, busy_timeout_ms: int) -> AsyncEngine:
    path = _sqlite_path(url).absolute()
    # In write-ahead mode a reader needs the -shm file; on a medium that cannot be written there is no writer either.
    query = {"mode": "ro", "uri": "true"}
    if path.exists() and not os.access(path.parent, os.W_OK) and not path.with_name(path.name + "-shm").exists():
        query["immutable"] = "1"
    engine = create_async_engine(
        url.set(database=f"file:{quote(str(path))}", query=query), pool_size=_READERS, max_overflow=0
    )
    _prepare_sqlite(engine, (f"busy_timeout={busy_timeout_ms}", "query_only=ON"), begin="BEGIN")
    return engine


def _prepare_sqlite(engine: AsyncEngine, pragmas: tuple[str, ...], *, begin: str) -> None:
    @event.listens_for(engine.sync_engine, "connect")
    def set_pragmas(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # the driver's own BEGIN is deferred and fails on read-then-write
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin_transaction(connection: Connection) -> None:
        connection.exec_driver_sql(begin)
