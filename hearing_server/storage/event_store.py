"""The event log in the database: appended in one transaction, never changed."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from hearing_server.domain.ids import HearingId
from hearing_server.ports import ConcurrentAppendError, LoggedEvent, NewEvent
from hearing_server.records.event_chain import GENESIS, check_event, seal_all
from hearing_server.records.text_rules import check_id
from hearing_server.storage.database import Database
from hearing_server.storage.tables import event, hearing

EVENT_COLUMNS = (event.c.seq, event.c.prev, event.c.at, event.c.actor, event.c.type, event.c.body, event.c.hash)


class SqlEventStore:
    """Implements `EventStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def append(self, hearing_id: HearingId, after_seq: int, events: Sequence[NewEvent]) -> Sequence[LoggedEvent]:
        if not events:
            return ()
        return await self._database.finish(self._append(hearing_id, after_seq, events))

    async def _append(self, hearing_id: HearingId, after_seq: int, events: Sequence[NewEvent]) -> Sequence[LoggedEvent]:
        async with self._database.write() as connection:
            check_id(hearing_id, where="hearing_id")
            for new in events:
                check_event(new)
            if after_seq == 0:
                await _begin_log(connection, hearing_id, events[0])
            # PostgreSQL holds the row until the commit; SQLite has locked the whole database already.
            row = (
                await connection.execute(select(hearing).where(hearing.c.id == hearing_id).with_for_update())
            ).first()
            if (0 if row is None else row.seq) != after_seq or row is None:
                raise ConcurrentAppendError(f"The log does not end at event {after_seq}; read it again, then decide.")
            sealed = seal_all(row.head, after_seq, events)
            try:
                await connection.execute(insert(event), [_to_row(hearing_id, entry) for entry in sealed])
            except IntegrityError as error:
                raise ConcurrentAppendError(f"Event {after_seq + 1} exists; read the log again.") from error
            await connection.execute(
                update(hearing).where(hearing.c.id == hearing_id).values(head=sealed[-1].hash, seq=sealed[-1].seq)
            )
        return sealed

    async def read(self, hearing_id: HearingId, after_seq: int = 0) -> Sequence[LoggedEvent]:
        query = select(*EVENT_COLUMNS).where(event.c.hearing_id == hearing_id, event.c.seq > after_seq)
        async with self._database.read() as connection:
            return tuple(from_row(row) for row in await connection.execute(query.order_by(event.c.seq)))

    async def hearing_ids(self) -> Sequence[HearingId]:
        async with self._database.read() as connection:
            ids = await connection.scalars(select(hearing.c.id).order_by(hearing.c.created_at, hearing.c.id))
            return tuple(HearingId(hearing_id) for hearing_id in ids)


async def _begin_log(connection: AsyncConnection, hearing_id: HearingId, first: NewEvent) -> None:
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    row = {"id": hearing_id, "head": GENESIS, "seq": 0, "created_at": first.at}
    await connection.execute(dialect.insert(hearing).values(row).on_conflict_do_nothing())


def _to_row(hearing_id: HearingId, entry: LoggedEvent) -> dict[str, object]:
    return {
        "hearing_id": hearing_id,
        "seq": entry.seq,
        "prev": entry.prev,
        "at": entry.at,
        "actor": entry.actor,
        "type": entry.type,
        "body": entry.body,
        "hash": entry.hash,
    }


def from_row(row: "Row[*tuple[Any, ...]]") -> LoggedEvent:
    """Return the event in a row of EVENT_COLUMNS."""
    return LoggedEvent(
        seq=row.seq, prev=row.prev, at=row.at, actor=row.actor, type=row.type, body=row.body, hash=row.hash
    )
