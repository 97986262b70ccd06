"""Fixtures: every implementation of the stores, each fresh and empty. A pytest plugin of the tests that name it."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import delete

from hearing_server.storage.stores import Stores, open_stores
from hearing_server.storage.tables import metadata
from tests.fakes.storage import AnyStores, FakeStores
from tests.postgres_cluster import NoPostgresError, postgres_cluster


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL database of this test run; skipped with the reason where there is none."""
    try:
        cluster = postgres_cluster()
        url = cluster.__enter__()
    except NoPostgresError as error:
        pytest.skip(str(error))
    yield url
    cluster.__exit__(None, None, None)


async def _open(data_dir: Path, url: str | None) -> Stores:
    stores = await open_stores(data_dir, url)
    if url is not None:  # shared by the whole run
        async with stores.database.write() as connection:
            for table in reversed(metadata.sorted_tables):
                await connection.execute(delete(table))
    return stores


@pytest.fixture(params=["sqlite", "postgresql"])
async def sql_stores(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stores]:
    """The real stores, on each database."""
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else None
    stores = await _open(tmp_path / "data", url)
    yield stores
    await stores.aclose()


@pytest.fixture(params=["fake", "sqlite", "postgresql"])
async def stores(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[AnyStores]:
    """The real stores, on each database, and the fake ones."""
    if request.param == "fake":
        yield FakeStores()
        return
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else None
    opened = await _open(tmp_path / "data", url)
    yield opened
    await opened.aclose()
