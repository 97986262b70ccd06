"""Personal links and resume tokens. Whoever reads the database learns no token: only SHA-256 hashes are kept."""

import hashlib
import secrets
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Table, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from hearing_server.domain.ids import HearingId, PersonId
from hearing_server.ports import LinkRefusedError, SeatGrant
from hearing_server.records.text_rules import check_id
from hearing_server.storage.database import Database
from hearing_server.storage.tables import entry_link, resume_token

_TOKEN_BYTES = 32


class SqlEntryTokens:
    """Implements `EntryTokens`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def issue_link(self, grant: SeatGrant, *, at: datetime, expires_at: datetime) -> str:
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        await self._database.finish(self._issue(token, grant, at, expires_at))
        return token

    async def _issue(self, token: str, grant: SeatGrant, at: datetime, expires_at: datetime) -> None:
        async with self._database.write() as connection:
            check_id(grant.hearing_id, where="hearing_id")
            check_id(grant.person_id, where="person_id")
            await _lock_seat(connection, grant)
            await _revoke(connection, entry_link, grant, at)
            await connection.execute(
                insert(entry_link).values(**_token_row(token, grant), issued_at=at, expires_at=expires_at)
            )

    async def peek_link(self, link_token: str, *, at: datetime) -> SeatGrant:
        async with self._database.read() as connection:
            row = await _find(connection, entry_link, link_token)
        return _usable_grant(row, at)

    async def redeem_link(self, link_token: str, *, at: datetime) -> tuple[SeatGrant, str]:
        return await self._database.finish(self._redeem(link_token, at))

    async def _redeem(self, link_token: str, at: datetime) -> tuple[SeatGrant, str]:
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        usable = (
            entry_link.c.token_hash == _hash(link_token),
            entry_link.c.used_at.is_(None),
            entry_link.c.revoked_at.is_(None),
            entry_link.c.expires_at > at,
        )
        async with self._database.write() as connection:
            # The condition and the change are one statement: of two simultaneous calls one finds no row to change.
            taken = (
                await connection.execute(
                    update(entry_link)
                    .where(*usable)
                    .values(used_at=at)
                    .returning(entry_link.c.hearing_id, entry_link.c.person_id)
                )
            ).first()
            if taken is None:
                raise _refusal(await _find(connection, entry_link, link_token), at)
            grant = SeatGrant(hearing_id=HearingId(taken.hearing_id), person_id=PersonId(taken.person_id))
            await _revoke(connection, resume_token, grant, at)
            await connection.execute(insert(resume_token).values(**_token_row(token, grant), issued_at=at))
        return grant, token

    async def check_resume(self, resume_token: str) -> SeatGrant:
        async with self._database.read() as connection:
            row = await _find(connection, _RESUME, resume_token)
        if row is None:
            raise LinkRefusedError("link_unknown")
        if row.revoked_at is not None:
            raise LinkRefusedError("link_revoked")
        return SeatGrant(hearing_id=HearingId(row.hearing_id), person_id=PersonId(row.person_id))

    async def revoke_seat(self, grant: SeatGrant, *, at: datetime) -> None:
        await self._database.finish(self._revoke_seat(grant, at))

    async def _revoke_seat(self, grant: SeatGrant, at: datetime) -> None:
        async with self._database.write() as connection:
            await _lock_seat(connection, grant)
            await _revoke(connection, entry_link, grant, at)
            await _revoke(connection, resume_token, grant, at)


_RESUME = resume_token  # `check_resume` has a parameter of that name


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _token_row(token: str, grant: SeatGrant) -> dict[str, str]:
    return {"token_hash": _hash(token), "hearing_id": grant.hearing_id, "person_id": grant.person_id}


def _of_seat(table: Table, grant: SeatGrant) -> tuple[ColumnElement[bool], ...]:
    return table.c.hearing_id == grant.hearing_id, table.c.person_id == grant.person_id


async def _find(connection: AsyncConnection, table: Table, token: str) -> "Row[Any] | None":
    return (await connection.execute(select(table).where(table.c.token_hash == _hash(token)))).first()


async def _revoke(connection: AsyncConnection, table: Table, grant: SeatGrant, at: datetime) -> None:
    still_valid = (*_of_seat(table, grant), table.c.revoked_at.is_(None))
    await connection.execute(update(table).where(*still_valid).values(revoked_at=at))


async def _lock_seat(connection: AsyncConnection, grant: SeatGrant) -> None:
    """Two links made at once for one seat must not both stay valid. SQLite has locked everything already."""
    if connection.dialect.name != "sqlite":
        key = func.hashtextextended(f"{grant.hearing_id}/{grant.person_id}", 0)
        await connection.execute(select(func.pg_advisory_xact_lock(key)))


def _usable_grant(row: "Row[Any] | None", at: datetime) -> SeatGrant:
    if row is None or row.used_at is not None or row.revoked_at is not None or row.expires_at <= at:
        raise _refusal(row, at)
    return SeatGrant(hearing_id=HearingId(row.hearing_id), person_id=PersonId(row.person_id))


def _refusal(row: "Row[Any] | None", at: datetime) -> LinkRefusedError:
    if row is None:
        return LinkRefusedError("link_unknown")
    if row.used_at is not None:
        return LinkRefusedError("link_used")
    return LinkRefusedError("link_revoked" if row.revoked_at is not None else "link_expired")
