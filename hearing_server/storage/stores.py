"""Everything that is stored, opened and closed together."""

from dataclasses import dataclass
from pathlib import Path

from hearing_server.storage.audit_log import SqlAuditLog
from hearing_server.storage.checkpoints import SignedCheckpoints, load_or_create_signing_key
from hearing_server.storage.content_store import SqlContentStore
from hearing_server.storage.database import Database, sqlite_url
from hearing_server.storage.entry_tokens import SqlEntryTokens
from hearing_server.storage.event_store import SqlEventStore


@dataclass(frozen=True, slots=True)
class DataFolder:
    """Where things lie in the data folder."""

    root: Path

    @property
    def master_key_file(self) -> Path:
        return self.root / "keys" / "master.key"

    @property
    def signing_key_file(self) -> Path:
        return self.root / "keys" / "checkpoint_signing.pem"

    @property
    def checkpoints(self) -> Path:
        return self.root / "checkpoints"

    def database_url(self, database_url: str | None) -> str:
        return database_url or sqlite_url(self.root)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """Implementations of the Protocols in `ports`, all on one database."""

    database: Database
    events: SqlEventStore
    contents: SqlContentStore
    tokens: SqlEntryTokens
    checkpoints: SignedCheckpoints
    audit: SqlAuditLog

    async def aclose(self) -> None:
        """Close the database. Safe to call twice."""
        await self.database.aclose()


async def open_stores(data_dir: Path, database_url: str | None = None) -> Stores:
    """Open the stores; at the first start make the folder, the keys and the tables. Raises StorageError."""
    folder = DataFolder(data_dir)
    database = Database(folder.database_url(database_url))
    try:
        await database.upgrade()
        return Stores(
            database=database,
            events=SqlEventStore(database),
            contents=await SqlContentStore.open(database, folder.master_key_file),
            tokens=SqlEntryTokens(database),
            checkpoints=SignedCheckpoints(
                database, key=load_or_create_signing_key(folder.signing_key_file), folder=folder.checkpoints
            ),
            audit=SqlAuditLog(database),
        )
    except BaseException:
        await database.aclose()
        raise
