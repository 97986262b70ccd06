"""Checking a kept log against its chain and its checkpoints, without the service and without changing anything."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from hearing_server.domain.ids import HearingId
from hearing_server.ports import Checkpoint, LoggedEvent, StorageError
from hearing_server.records.event_chain import ChainProblem, ChainReport, verify
from hearing_server.storage.checkpoints import load_public_key, read_checkpoints
from hearing_server.storage.data_folder import public_key_file
from hearing_server.storage.database import Database
from hearing_server.storage.event_store import EVENT_COLUMNS, from_row
from hearing_server.storage.tables import event, hearing


class UnknownLogError(StorageError):
    """Nothing is known of a hearing with this id: no event and no checkpoint."""

    code = "unknown_hearing"


async def verify_kept_log(
    hearing_id: HearingId, *, data_dir: Path, database_url: str | None = None, trusted_key_file: Path | None = None
) -> ChainReport:
    """Check the whole log of `hearing_id`, while the service runs or not. Nothing is written.

    Args:
        trusted_key_file: The court's public key (PEM), best a copy kept elsewhere; default: the one in the data folder.

    Raises:
        UnknownLogError: The id names no hearing.
        StorageError: There is no database, or it or the checkpoints or the key cannot be read.
    """
    database = Database(data_dir, url=database_url, read_only=True)
    try:
        # Checkpoints first: one that is signed while we read must not speak of events that we have not seen.
        checkpoints = await read_checkpoints(database, data_dir, hearing_id)
        async with database.read() as connection:
            recorded = await _recorded(connection, hearing_id)
            events, unreadable_seq = await _events(connection, hearing_id)
    finally:
        await database.aclose()
    if recorded is None and not events and not checkpoints:
        raise UnknownLogError(f"No hearing has the id {hearing_id}; look at the ids in the links or in the database.")
    trusted = await asyncio.to_thread(_trusted_keys, checkpoints, trusted_key_file or public_key_file(data_dir))
    if unreadable_seq is None:
        return verify(events, checkpoints, trusted_keys=trusted, recorded=recorded)
    report = verify(events, [one for one in checkpoints if one.size <= len(events)], trusted_keys=trusted)
    return report if not report.ok else _with_unreadable(report, unreadable_seq)


def _trusted_keys(checkpoints: Sequence[Checkpoint], key_file: Path) -> tuple[str, ...]:
    return (load_public_key(key_file),) if checkpoints or key_file.exists() else ()


def _with_unreadable(report: ChainReport, seq: int) -> ChainReport:
    return ChainReport(ok=False, events=report.events, head=report.head, first_bad=(seq, ChainProblem.UNREADABLE))


async def _recorded(connection: AsyncConnection, hearing_id: HearingId) -> tuple[int, str] | None:
    row = (await connection.execute(select(hearing.c.seq, hearing.c.head).where(hearing.c.id == hearing_id))).first()
    return None if row is None else (row.seq, row.head)


async def _events(connection: AsyncConnection, hearing_id: HearingId) -> tuple[list[LoggedEvent], int | None]:
    """Return the events, up to the first that cannot be read as one, and the number of that one."""
    query = select(*EVENT_COLUMNS).where(event.c.hearing_id == hearing_id).order_by(event.c.seq)
    try:
        return [from_row(row) for row in await connection.execute(query)], None
    except (ValueError, TypeError):  # a body that is no JSON, a time that is none: look for it row by row
        pass
    read: list[LoggedEvent] = []
    numbers = select(event.c.seq).where(event.c.hearing_id == hearing_id).order_by(event.c.seq)
    for seq in (await connection.scalars(numbers)).all():
        try:
            read.append(from_row((await connection.execute(query.where(event.c.seq == seq))).one()))
        except (ValueError, TypeError):
            return read, seq
    return read, None
