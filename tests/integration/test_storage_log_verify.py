"""A log that somebody changed behind the service's back is found wanting, at the first event that was changed."""

import json
import sqlite3
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from hearing_server.domain.ids import HearingId
from hearing_server.ports import LoggedEvent, NewEvent, StorageError
from hearing_server.records.checkpoint import CheckpointProblem
from hearing_server.records.event_chain import GENESIS, ChainProblem, ChainReport, seal_all
from hearing_server.records.utc_text import utc_text
from hearing_server.storage.data_folder import checkpoint_file, public_key_file, signing_key_file
from hearing_server.storage.log_verification import UnknownLogError, verify_kept_log
from hearing_server.storage.stores import Stores, open_stores

pytest_plugins = ("tests.contract.storage_backends",)

HEARING, OTHER = HearingId("h-1"), HearingId("h-2")
AT = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
Tamper = Callable[[sqlite3.Connection], object]


def new_events(count: int, text: str = "") -> list[NewEvent]:
    return [
        NewEvent(at=AT + timedelta(seconds=n), actor="p-1", type="t", body={"n": n, "x": text}) for n in range(count)
    ]


async def keep_a_log(stores: Stores) -> None:
    """Ten events of two hearings; checkpoints after the third and the eighth."""
    for hearing_id in (HEARING, OTHER):
        log = await stores.events.append(hearing_id, 0, new_events(10))
        for size in (3, 8):
            await stores.checkpoints.sign(hearing_id, size, log[size - 1].hash, AT)


@pytest.fixture
async def data_dir(tmp_path: Path) -> AsyncIterator[Path]:
    stores = await open_stores(tmp_path)
    await keep_a_log(stores)
    await stores.aclose()
    yield tmp_path
    assert (await verify_kept_log(OTHER, data_dir=tmp_path)).ok, "the neighbour was not touched"


async def after(data_dir: Path, *statements: str, **options: Path) -> ChainReport:
    with sqlite3.connect(data_dir / "hearing.db") as database:
        for statement in statements:
            database.execute(statement)
    database.close()
    return await verify_kept_log(HEARING, data_dir=data_dir, trusted_key_file=options.get("key"))


async def test_a_log_that_nobody_touched_is_whole(data_dir: Path) -> None:
    before = (data_dir / "hearing.db").read_bytes()
    report = await verify_kept_log(HEARING, data_dir=data_dir)
    assert (report.ok, report.events, report.first_bad) == (True, 10, None)
    assert (data_dir / "hearing.db").read_bytes() == before


MINE = "hearing_id = 'h-1'"


@pytest.mark.parametrize(
    ("statements", "first_bad"),
    [
        ([f"UPDATE event SET body = '{{\"n\": 3, \"x\": \"!\"}}' WHERE {MINE} AND seq = 4"], (4, ChainProblem.ALTERED)),
        ([f"UPDATE event SET at = '2026-11-22 09:00:03.000001' WHERE {MINE} AND seq = 4"], (4, ChainProblem.ALTERED)),
        ([f"UPDATE event SET actor = 'p-2' WHERE {MINE} AND seq = 10"], (10, ChainProblem.ALTERED)),
        (
            [
                f"UPDATE event SET seq = -1 WHERE {MINE} AND seq = 5",
                f"UPDATE event SET seq = 5 WHERE {MINE} AND seq = 6",
                f"UPDATE event SET seq = 6 WHERE {MINE} AND seq = -1",
            ],
            (5, ChainProblem.OUT_OF_ORDER),
        ),
        ([f"DELETE FROM event WHERE {MINE} AND seq = 6"], (6, ChainProblem.MISSING)),
        ([f"DELETE FROM event WHERE {MINE} AND seq = 10"], (10, ChainProblem.CUT_OFF)),
        ([f"UPDATE event SET body = '{{\"n\":' WHERE {MINE} AND seq = 7"], (7, ChainProblem.UNREADABLE)),
        ([f"UPDATE event SET at = 'yesterday' WHERE {MINE} AND seq = 2"], (2, ChainProblem.UNREADABLE)),
        ([f"UPDATE event SET body = '[]' WHERE {MINE} AND seq = 7"], (7, ChainProblem.ALTERED)),
        ([f"UPDATE event SET body = 'null' WHERE {MINE} AND seq = 7"], (7, ChainProblem.ALTERED)),
        ([f"UPDATE checkpoint SET size = 7 WHERE {MINE} AND size = 8"], (7, CheckpointProblem.FORGED)),
    ],
    ids=[
        "body", "time", "actor", "swapped", "missing", "last", "no_json", "no_time", "list", "null", "checkpoint",
    ],
)  # fmt: skip
async def test_the_first_changed_event_is_named(
    data_dir: Path, statements: list[str], first_bad: tuple[int, ChainProblem]
) -> None:
    report = await after(data_dir, *statements)
    assert not report.ok
    assert report.first_bad == first_bad


async def test_a_tail_cut_off_with_all_its_traces_is_caught_by_the_file_of_checkpoints(data_dir: Path) -> None:
    [sixth] = [event for event in await _log(data_dir) if event.seq == 6]
    report = await after(
        data_dir,
        f"DELETE FROM event WHERE {MINE} AND seq > 6",
        f"UPDATE hearing SET seq = 6, head = '{sixth.hash}' WHERE id = 'h-1'",
        f"DELETE FROM checkpoint WHERE {MINE} AND size > 6",
    )
    assert report.first_bad == (7, ChainProblem.CUT_OFF)
    checkpoint_file(data_dir, HEARING).unlink()
    assert (await after(data_dir)).ok, "without a checkpoint a shortened log looks whole"


async def test_a_log_deleted_whole_is_not_an_unknown_one(data_dir: Path) -> None:
    report = await after(
        data_dir,
        f"DELETE FROM event WHERE {MINE}",
        "DELETE FROM hearing WHERE id = 'h-1'",
        f"DELETE FROM checkpoint WHERE {MINE}",
    )
    assert report.first_bad == (1, ChainProblem.CUT_OFF)


async def test_a_log_written_anew_with_another_key_is_found_by_the_court_s_key(data_dir: Path) -> None:
    forged = seal_all(GENESIS, 0, new_events(10, text="forged"))
    theirs = await _signed_by_others(data_dir.parent / "others", forged)
    rows = [f"UPDATE event SET {_as_sql(event)} WHERE {MINE} AND seq = {event.seq}" for event in forged]
    head = f"UPDATE hearing SET head = '{forged[-1].hash}' WHERE id = 'h-1'"
    assert (await after(data_dir, *rows, head)).first_bad == (3, ChainProblem.REWRITTEN)
    lines = checkpoint_file(theirs, HEARING).read_bytes()
    checkpoint_file(data_dir, HEARING).write_bytes(lines)
    report = await after(data_dir, f"DELETE FROM checkpoint WHERE {MINE}")
    assert report.first_bad == (3, CheckpointProblem.UNTRUSTED)
    assert (await after(data_dir, key=public_key_file(theirs))).ok, "to their own key it looks whole"


async def _signed_by_others(folder: Path, log: tuple[LoggedEvent, ...]) -> Path:
    stores = await open_stores(folder)
    for size in (3, 8):
        await stores.checkpoints.sign(HEARING, size, log[size - 1].hash, AT)
    await stores.aclose()
    return folder


def _as_sql(event: LoggedEvent) -> str:
    return f"body = '{json.dumps(event.body)}', prev = '{event.prev}', hash = '{event.hash}'"


async def _log(data_dir: Path) -> tuple[LoggedEvent, ...]:
    stores = await open_stores(data_dir)
    log = tuple(await stores.events.read(HEARING))
    await stores.aclose()
    return log


async def test_a_log_is_checked_while_it_is_written(data_dir: Path) -> None:
    stores = await open_stores(data_dir)
    [last] = await stores.events.append(HEARING, 10, new_events(1))
    report = await verify_kept_log(HEARING, data_dir=data_dir)
    assert (report.ok, report.events, report.head) == (True, 11, last.hash)
    await stores.events.append(HEARING, 11, new_events(1))
    await stores.aclose()


async def test_nothing_to_check_is_an_error_of_its_own(data_dir: Path) -> None:
    for unknown in ("h-3", "H-1"):
        with pytest.raises(UnknownLogError, match="No hearing has the id"):
            await verify_kept_log(HearingId(unknown), data_dir=data_dir)
    with pytest.raises(StorageError, match="not the id"):
        await verify_kept_log(HearingId("../h-1"), data_dir=data_dir)
    with pytest.raises(StorageError, match="cannot be opened"):
        await verify_kept_log(HEARING, data_dir=data_dir / "nothing")
    assert not (data_dir / "nothing").exists()


async def test_without_the_public_key_nothing_is_claimed(data_dir: Path) -> None:
    public_key_file(data_dir).unlink()
    with pytest.raises(StorageError, match="public key"):
        await verify_kept_log(HEARING, data_dir=data_dir)
    with pytest.raises(StorageError, match="not a public key"):
        await verify_kept_log(HEARING, data_dir=data_dir, trusted_key_file=signing_key_file(data_dir))
    await (await open_stores(data_dir)).aclose()  # the service makes it again from its signing key
    assert (await verify_kept_log(HEARING, data_dir=data_dir)).ok


async def test_the_record_can_be_checked_by_hand(data_dir: Path) -> None:
    """Every line of the file is what anybody can verify with the public key; times are in the text that was signed."""
    lines = [json.loads(line) for line in checkpoint_file(data_dir, HEARING).read_text().splitlines()]
    assert [(line["log"], line["size"], line["at"]) for line in lines] == [
        ("h-1", 3, utc_text(AT)),
        ("h-1", 8, utc_text(AT)),
    ]


async def test_on_every_database_a_change_is_found(sql_stores: Stores, tmp_path: Path) -> None:
    await keep_a_log(sql_stores)
    url = sql_stores.database.url.render_as_string(hide_password=False)
    data = tmp_path / "data"
    assert (await verify_kept_log(HEARING, data_dir=data, database_url=url)).ok
    async with sql_stores.database.write() as connection:
        await connection.execute(text(f"UPDATE event SET body = '{{}}' WHERE {MINE} AND seq = 4"))
    report = await verify_kept_log(HEARING, data_dir=data, database_url=url)
    assert report.first_bad == (4, ChainProblem.ALTERED)
