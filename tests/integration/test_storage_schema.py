"""Tables and migrations agree, and the databases run with the settings that the record needs."""

import asyncio
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, text
from sqlalchemy.exc import DBAPIError

from hearing_server.ports import StorageError
from hearing_server.storage.database import Database
from hearing_server.storage.stores import Stores, open_stores
from hearing_server.storage.tables import refusal

pytest_plugins = ("tests.contract.storage_backends",)


async def test_the_migrations_make_the_tables(sql_stores: Stores) -> None:
    assert await sql_stores.database.schema_differences() == []
    column: Column[int] = Column("forgotten", Integer, nullable=True)
    refusal.append_column(column)
    try:
        [difference] = await sql_stores.database.schema_differences()
    finally:
        refusal._columns.remove(column)  # SQLAlchemy has no public way back
    assert difference[0] == "add_column"
    assert await sql_stores.database.schema_differences() == []


async def test_processes_that_start_together_make_the_tables_once(tmp_path: Path) -> None:
    databases = [Database(tmp_path) for _ in range(4)]
    await asyncio.gather(*(database.upgrade() for database in databases))
    assert await databases[0].schema_differences() == []
    for database in databases:
        await database.aclose()
        await database.aclose()


async def test_an_upgrade_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "hearing.db") as foreign:
        foreign.execute("CREATE TABLE refusal (id INTEGER)")  # the migration makes this table last
    database = Database(tmp_path)
    with pytest.raises(StorageError, match="refusal"):
        await database.upgrade()
    await database.aclose()
    with sqlite3.connect(tmp_path / "hearing.db") as foreign:
        tables = foreign.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    assert tables == [("refusal",)]


async def test_a_database_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    stores = await open_stores(tmp_path)
    async with stores.database.write() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    await stores.aclose()
    with pytest.raises(StorageError, match="newer version"):
        await open_stores(tmp_path)


async def test_sqlite_runs_with_the_settings_of_the_record(tmp_path: Path) -> None:
    stores = await open_stores(tmp_path)
    async with stores.database.write() as connection:
        settings = {
            name: (await connection.exec_driver_sql(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout", "secure_delete")
        }
    assert settings == {
        "journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 5000, "secure_delete": 1,
    }  # fmt: skip
    await stores.aclose()


async def test_readers_cannot_write(sql_stores: Stores) -> None:
    statement = text(
        "INSERT INTO refusal (hearing_id, at, person_id, message_type, code) VALUES ('h', :at, 'p', 'm', 'c')"
    )
    at = "2026-11-22 09:00:00" if sql_stores.database.is_sqlite else None
    if at is None:
        statement = text("DELETE FROM refusal")
    with pytest.raises(StorageError):
        async with sql_stores.database.read() as connection:
            await connection.execute(statement, {"at": at} if at else {})
    async with sql_stores.database.write() as connection:
        await connection.execute(statement, {"at": at} if at else {})


async def test_an_event_needs_its_hearing(sql_stores: Stores) -> None:
    statement = text(
        "INSERT INTO event (hearing_id, seq, prev, at, actor, type, body, hash) "
        "VALUES ('nobody', 1, '', CURRENT_TIMESTAMP, 'p', 't', '{}', '')"
    )
    with pytest.raises(StorageError) as refused:
        async with sql_stores.database.write() as connection:
            await connection.execute(statement)
    assert isinstance(refused.value.__cause__, DBAPIError)
    assert "foreign key" in str(refused.value).lower()
