"""Processes that are killed, and disks that are full, lose nothing that was acknowledged."""

import asyncio
import random
from pathlib import Path

import pytest

from hearing_server.storage.log_verification import verify_kept_log
from hearing_server.storage.stores import open_stores
from tests.integration.endless_writer import BATCH, HEARING, writer

pytest_plugins = ("tests.contract.storage_backends",)


@pytest.mark.parametrize(("backend", "kills"), [("sqlite", 5), ("postgresql", 3)])
async def test_a_killed_writer_loses_no_acknowledged_event(
    request: pytest.FixtureRequest, tmp_path: Path, backend: str, kills: int
) -> None:
    url = request.getfixturevalue("postgres_url") if backend == "postgresql" else None
    if url is not None:
        await _empty(tmp_path, url)
    acknowledged = 0
    for _ in range(kills):
        with writer(tmp_path, url) as process:
            said = [await process.next() for _ in range(random.randint(1, 25))]
            process.kill()
            said += await process.rest()
        assert isinstance(said[0], int)
        assert said[0] > acknowledged, "the writer must go on where the killed one stopped"
        assert isinstance(said[-1], int)
        acknowledged = said[-1]
        report = await verify_kept_log(HEARING, data_dir=tmp_path, database_url=url)
        assert report.ok, report
        # One batch more may have been committed without anybody being told; no half of a batch.
        assert report.events in (acknowledged, acknowledged + BATCH)


async def _empty(data_dir: Path, url: str) -> None:
    stores = await open_stores(data_dir, url)
    async with stores.database.write() as connection:
        for table in ("event", "hearing", "checkpoint"):
            await connection.exec_driver_sql(f"DELETE FROM {table}")
    await stores.aclose()


async def test_a_file_that_may_not_grow_is_a_storage_error_and_loses_nothing(tmp_path: Path) -> None:
    with writer(tmp_path, file_limit_bytes=400_000) as process:
        *acknowledged, refused, recovered = await asyncio.wait_for(process.rest(), 120)
    assert len(acknowledged) > 3
    assert "disk" in str(refused)
    assert "then try again" in str(refused)
    report = await verify_kept_log(HEARING, data_dir=tmp_path)
    assert report.ok
    assert report.events == recovered
    assert [*acknowledged, recovered] == list(range(BATCH, report.events + 1, BATCH))


async def test_what_a_killed_writer_left_is_recovered(tmp_path: Path) -> None:
    with writer(tmp_path) as process:
        for _ in range(5):
            await process.next()
        process.kill()
    assert (tmp_path / "hearing.db-wal").stat().st_size > 0, "the kill left nothing to recover"
    stores = await open_stores(tmp_path)
    try:
        assert [event.seq for event in await stores.events.read(HEARING)][: 5 * BATCH] == list(range(1, 5 * BATCH + 1))
        assert await stores.database.schema_differences() == []
    finally:
        await stores.aclose()
