"""A database that refuses says what to do, and nothing is half written."""

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from hearing_server.domain.ids import HearingId, PersonId
from hearing_server.ports import NewEvent, StorageError
from hearing_server.records.event_chain import verify
from hearing_server.storage.data_folder import master_key_file, signing_key_file
from hearing_server.storage.database import Database
from hearing_server.storage.event_store import SqlEventStore
from hearing_server.storage.stores import open_stores

HEARING = HearingId("h-1")
AT = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def new_event(text: str = "") -> NewEvent:
    return NewEvent(at=AT, actor="p-1", type="t", body={"text": text})


async def test_a_full_disk_loses_nothing_and_is_over_when_there_is_room_again(tmp_path: Path) -> None:
    stores = await open_stores(tmp_path)
    async with stores.database.write() as connection:
        pages = (await connection.exec_driver_sql("PRAGMA page_count")).scalar_one()
        await connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 8}")
    seq = 0
    while seq < 200:
        try:
            seq = (await stores.events.append(HEARING, seq, [new_event("x" * 3000), new_event("y" * 3000)]))[-1].seq
        except StorageError as error:
            refusal = str(error)
            break
    assert 0 < seq < 200
    assert "The disk is full; free space" in refusal
    log = await stores.events.read(HEARING)
    assert len(log) == seq
    assert verify(log).ok
    with pytest.raises(StorageError, match="The disk is full"):
        await stores.contents.put(HEARING, "name", b"x" * 20_000)
    async with stores.database.write() as connection:
        await connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
    assert (await stores.events.append(HEARING, seq, [new_event()]))[0].seq == seq + 1
    await stores.aclose()


async def test_a_locked_database_is_left_as_it_was(tmp_path: Path) -> None:
    database = Database(tmp_path, busy_timeout_ms=50)
    await database.upgrade()
    events = SqlEventStore(database)
    await events.append(HEARING, 0, [new_event()])
    other = sqlite3.connect(tmp_path / "hearing.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageError, match="Another program holds the database"):
        await events.append(HEARING, 1, [new_event()])
    assert len(await events.read(HEARING)) == 1  # readers go on
    other.execute("ROLLBACK")
    other.close()
    await events.append(HEARING, 1, [new_event()])
    await database.aclose()


async def test_what_is_not_a_database_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "hearing.db").write_bytes(b"this is a letter" * 100)
    with pytest.raises(StorageError, match="not a database"):
        await open_stores(tmp_path)
    assert (tmp_path / "hearing.db").read_bytes() == b"this is a letter" * 100


async def test_a_data_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError):
        await open_stores(tmp_path / "file" / "data")


async def test_a_postgresql_that_is_not_there_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="can be reached"):
        await open_stores(tmp_path, f"postgresql+asyncpg://court@/postgres?host={tmp_path}")


async def test_a_database_opened_for_reading_is_not_written(tmp_path: Path) -> None:
    stores = await open_stores(tmp_path)
    await stores.aclose()
    read_only = Database(tmp_path, read_only=True)
    with pytest.raises(StorageError, match="reading only"):
        await SqlEventStore(read_only).append(HEARING, 0, [new_event()])
    assert await SqlEventStore(read_only).hearing_ids() == ()
    await read_only.aclose()


async def test_a_lost_master_key_is_not_replaced(tmp_path: Path) -> None:
    stores = await open_stores(tmp_path)
    await stores.contents.put(HEARING, "a", b"content")
    await stores.aclose()
    key = master_key_file(tmp_path).read_bytes()
    master_key_file(tmp_path).unlink()
    stores = await open_stores(tmp_path)
    with pytest.raises(StorageError, match="is missing; restore it"):
        await stores.contents.get(HEARING, "a")
    with pytest.raises(StorageError, match="is missing; restore it"):
        await stores.contents.put(HearingId("h-2"), "a", b"content")
    assert not master_key_file(tmp_path).exists()
    master_key_file(tmp_path).write_bytes(key)
    master_key_file(tmp_path).chmod(0o600)
    assert await stores.contents.get(HEARING, "a") == b"content"
    await stores.aclose()


async def test_another_master_key_is_recognised(tmp_path: Path) -> None:
    stores = await open_stores(tmp_path)
    await stores.contents.put(HEARING, "a", b"content")
    await stores.aclose()
    for content, message in ((bytes(32), "another master key"), (bytes(31), "31 bytes")):
        master_key_file(tmp_path).write_bytes(content)
        stores = await open_stores(tmp_path)
        with pytest.raises(StorageError, match=message):
            await stores.contents.get(HEARING, "a")
        await stores.aclose()


async def test_content_that_was_altered_or_moved_is_not_given_out(tmp_path: Path) -> None:
    stores = await open_stores(tmp_path)
    await stores.contents.put(HEARING, "person.p-1.name", b"Zhang San")
    await stores.contents.put(HEARING, "person.p-2.name", b"Li Si")
    async with stores.database.write() as connection:
        await connection.exec_driver_sql("UPDATE content SET name = 'x' WHERE name = 'person.p-1.name'")
        await connection.exec_driver_sql("UPDATE content SET name = 'person.p-1.name' WHERE name = 'person.p-2.name'")
    with pytest.raises(StorageError, match="was altered"):
        await stores.contents.get(HEARING, "person.p-1.name")
    await stores.aclose()


async def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    await (await open_stores(tmp_path)).aclose()
    signing_key_file(tmp_path).chmod(0o644)
    with pytest.raises(StorageError, match="chmod 600"):
        await open_stores(tmp_path)
    signing_key_file(tmp_path).chmod(0o600)
    await (await open_stores(tmp_path)).aclose()


@pytest.mark.parametrize("kind", ["no_pem", "another_algorithm"])
async def test_a_signing_key_that_is_none_is_refused(tmp_path: Path, kind: str) -> None:
    await (await open_stores(tmp_path)).aclose()
    key = generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    signing_key_file(tmp_path).write_bytes(b"no key" if kind == "no_pem" else key)
    with pytest.raises(StorageError, match="restore it"):
        await open_stores(tmp_path)


async def test_a_checkpoint_line_cut_short_by_a_crash_is_replaced(tmp_path: Path) -> None:
    stores = await open_stores(tmp_path)
    first = await stores.checkpoints.sign(HEARING, 1, "a" * 64, AT)
    with (tmp_path / "checkpoints" / "h-1.jsonl").open("ab") as file:
        file.write(b'{"at": "2026-')
    assert await stores.checkpoints.read(HEARING) == (first,)
    second = await stores.checkpoints.sign(HEARING, 2, "b" * 64, AT)
    assert await stores.checkpoints.read(HEARING) == (first, second)
    (tmp_path / "checkpoints" / "h-1.jsonl").write_bytes(b"a line that is no checkpoint\n")
    with pytest.raises(StorageError, match="Line 1"):
        await stores.checkpoints.read(HEARING)
    await stores.aclose()


def _checkpoint_files(folder: Path) -> list[Path]:
    return list(folder.rglob("*.jsonl"))


@pytest.mark.parametrize("hearing_id", ["../h", "a/b", "", ".", "h\0", "x" * 65])
async def test_an_id_never_leaves_the_folder_of_checkpoints(tmp_path: Path, hearing_id: str) -> None:
    stores = await open_stores(tmp_path / "data")
    with pytest.raises(StorageError, match="not the id of a hearing"):
        await stores.checkpoints.sign(HearingId(hearing_id), 1, "a" * 64, AT)
    assert not _checkpoint_files(tmp_path)
    await stores.aclose()


async def test_an_error_says_nothing_of_what_was_to_be_stored(tmp_path: Path) -> None:
    stores = await open_stores(tmp_path)
    async with stores.database.write() as connection:
        await connection.exec_driver_sql("DROP TABLE refusal")
    with pytest.raises(StorageError) as failed:
        await stores.audit.record_refusal(HEARING, AT, PersonId("p-1"), "Zhang San", "code")
    assert "Zhang San" not in str(failed.value)
    assert "no such table" in str(failed.value)
    await stores.aclose()
