"""Refusals of people in a hearing, in the database; not part of the chain."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import insert, select

from hearing_server.domain.ids import HearingId, PersonId
from hearing_server.records.text_rules import check_id, check_text
from hearing_server.storage.database import Database
from hearing_server.storage.tables import MAX_NAME_CHARS, refusal


class SqlAuditLog:
    """Implements `AuditLog`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record_refusal(
        self, hearing_id: HearingId, at: datetime, person_id: PersonId, message_type: str, code: str
    ) -> None:
        await self._database.finish(self._record(hearing_id, at, person_id, message_type, code))

    async def _record(
        self, hearing_id: HearingId, at: datetime, person_id: PersonId, message_type: str, code: str
    ) -> None:
        async with self._database.write() as connection:
            check_id(hearing_id, where="hearing_id")
            check_id(person_id, where="person_id")
            check_text(message_type, where="message_type", max_chars=MAX_NAME_CHARS)
            check_text(code, where="code", max_chars=MAX_NAME_CHARS)
            await connection.execute(
                insert(refusal).values(
                    hearing_id=hearing_id, at=at, person_id=person_id, message_type=message_type, code=code
                )
            )

    async def refusals(self, hearing_id: HearingId) -> Sequence[tuple[datetime, PersonId, str, str]]:
        """All refusals in the order in which they were recorded: time, person, message type, code."""
        query = select(refusal).where(refusal.c.hearing_id == hearing_id).order_by(refusal.c.id)
        async with self._database.read() as connection:
            rows = await connection.execute(query)
            return tuple((row.at, PersonId(row.person_id), row.message_type, row.code) for row in rows)
