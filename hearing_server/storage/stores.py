"""Everything that is stored, opened and closed together."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from hearing_server.storage.audit_log import SqlAuditLog
from hearing_server.storage.checkpoints import SqlCheckpointStore
from hearing_server.storage.content_store import SqlContentStore
from hearing_server.storage.database import Database
from hearing_server.storage.entry_tokens import SqlEntryTokens
from hearing_server.storage.event_store import SqlEventStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """Implementations of the Protocols in `ports`, all on one database."""

    database: Database
    events: SqlEventStore
    contents: SqlContentStore
    tokens: SqlEntryTokens
    checkpoints: SqlCheckpointStore
    audit: SqlAuditLog

    async def aclose(self) -> None:
        """Close the database. Safe to call twice."""
        await self.database.aclose()


async def open_stores(data_dir: Path, database_url: str | None = None) -> Stores:
    """Open the stores; at the first start make the folder, the keys and the tables. Raises StorageError."""
    database = Database(data_dir, url=database_url)
    try:
        await database.upgrade()
        return Stores(
            database=database,
            events=SqlEventStore(database),
            contents=SqlContentStore(database, data_dir),
            tokens=SqlEntryTokens(database),
            checkpoints=await asyncio.to_thread(SqlCheckpointStore, database, data_dir),
            audit=SqlAuditLog(database),
        )
    except BaseException:
        await database.aclose()
        raise
