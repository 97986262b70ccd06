"""Personal content, encrypted: one data key for each hearing, wrapped by the master key of the installation."""

import asyncio
import hashlib
import secrets
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Row, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from hearing_server.domain.ids import HearingId
from hearing_server.ports import ContentErasedError, StorageError
from hearing_server.records.commitment import SALT_BYTES, commitment_holds
from hearing_server.records.commitment import commitment as make_commitment
from hearing_server.records.text_rules import UnstorableValueError, check_id, check_text
from hearing_server.storage.database import Database
from hearing_server.storage.key_files import load_or_create_key
from hearing_server.storage.tables import MAX_NAME_CHARS, data_key
from hearing_server.storage.tables import content as content_table

MAX_CONTENT_BYTES = 16 * 1024 * 1024
_KEY_BYTES = 32  # AES-256
_NONCE_BYTES = 12  # NIST SP 800-38D section 8.2: 96 bits


class SqlContentStore:
    """Implements `ContentStore`. Make one with `open`."""

    def __init__(self, database: Database, master_key: bytes) -> None:
        if len(master_key) != _KEY_BYTES:
            raise StorageError(f"The master key has {len(master_key)} bytes instead of {_KEY_BYTES}; restore its file.")
        self._database = database
        self._master = AESGCM(master_key)
        self._master_id = hashlib.sha256(b"master key id" + master_key).hexdigest()[:16]

    @classmethod
    async def open(cls, database: Database, master_key_file: Path) -> "SqlContentStore":
        """Load the master key, or make it when nothing has been encrypted yet. Raises StorageError."""
        async with database.read() as connection:
            is_in_use = (await connection.execute(select(data_key.c.hearing_id).limit(1))).first() is not None
        return cls(database, await asyncio.to_thread(_master_key, master_key_file, is_in_use))

    async def put(self, hearing_id: HearingId, name: str, content: bytes) -> str:
        salt, nonce = secrets.token_bytes(SALT_BYTES), secrets.token_bytes(_NONCE_BYTES)
        async with self._database.write() as connection:
            check_id(hearing_id, where="hearing_id")
            check_text(name, where="name", max_chars=MAX_NAME_CHARS)
            if len(content) > MAX_CONTENT_BYTES:
                raise UnstorableValueError(f"{name} has {len(content)} bytes; at most {MAX_CONTENT_BYTES} fit.")
            key = await self._key_for_writing(connection, hearing_id)
            sealed = key.encrypt(nonce, salt + content, _bound_to("content", hearing_id, name))
            row = {"hearing_id": hearing_id, "name": name, "nonce": nonce, "ciphertext": sealed}
            dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
            statement = dialect.insert(content_table).values(row)
            await connection.execute(
                statement.on_conflict_do_update(
                    index_elements=[content_table.c.hearing_id, content_table.c.name],
                    set_={"nonce": statement.excluded.nonce, "ciphertext": statement.excluded.ciphertext},
                )
            )
        return make_commitment(salt, content)

    async def get(self, hearing_id: HearingId, name: str) -> bytes | None:
        opened = await self._open(hearing_id, name)
        return None if opened is None else opened[1]

    async def matches(self, hearing_id: HearingId, name: str, commitment: str) -> bool:
        opened = await self._open(hearing_id, name)
        return opened is not None and commitment_holds(commitment, *opened)

    async def erase(self, hearing_id: HearingId) -> None:
        async with self._database.write() as connection:
            if (await connection.execute(select(data_key).where(data_key.c.hearing_id == hearing_id))).first() is None:
                return
            await connection.execute(
                update(data_key).where(data_key.c.hearing_id == hearing_id).values(nonce=None, wrapped_key=None)
            )
            await connection.execute(delete(content_table).where(content_table.c.hearing_id == hearing_id))
        await self._database.forget_deleted()

    async def _open(self, hearing_id: HearingId, name: str) -> tuple[bytes, bytes] | None:
        """Return salt and content, or None when there is none (any more)."""
        query = select(content_table).where(content_table.c.hearing_id == hearing_id, content_table.c.name == name)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).first()
            key = None if row is None else await self._key(connection, hearing_id)
        if row is None or key is None:
            return None
        try:
            opened = key.decrypt(row.nonce, row.ciphertext, _bound_to("content", hearing_id, name))
        except InvalidTag as error:
            raise StorageError(f"Stored content of hearing {hearing_id} was altered; restore it.") from error
        return opened[:SALT_BYTES], opened[SALT_BYTES:]

    async def _key(self, connection: AsyncConnection, hearing_id: HearingId) -> AESGCM | None:
        """Return the hearing's data key, or None when it has none yet. Raises ContentErasedError, StorageError."""
        row = (await connection.execute(select(data_key).where(data_key.c.hearing_id == hearing_id))).first()
        return None if row is None else self._unwrap(row)

    def _unwrap(self, row: "Row[Any]") -> AESGCM:
        hearing_id: str = row.hearing_id
        if row.wrapped_key is None:
            raise ContentErasedError(f"The content of hearing {hearing_id} was erased; nothing can be added to it.")
        try:
            return AESGCM(self._master.decrypt(row.nonce, row.wrapped_key, _bound_to("data key", hearing_id)))
        except InvalidTag as error:
            why = "is not the one" if row.master_key_id != self._master_id else "does not open the data key"
            raise StorageError(f"The master key {why} that hearing {hearing_id} was encrypted with.") from error

    async def _key_for_writing(self, connection: AsyncConnection, hearing_id: HearingId) -> AESGCM:
        """Return the hearing's data key, made now when it has none. It cannot be erased before the commit."""
        key, nonce = AESGCM.generate_key(bit_length=8 * _KEY_BYTES), secrets.token_bytes(_NONCE_BYTES)
        new = {
            "hearing_id": hearing_id,
            "master_key_id": self._master_id,
            "nonce": nonce,
            "wrapped_key": self._master.encrypt(nonce, key, _bound_to("data key", hearing_id)),
        }
        dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
        await connection.execute(dialect.insert(data_key).values(new).on_conflict_do_nothing())
        query = select(data_key).where(data_key.c.hearing_id == hearing_id).with_for_update(read=True)
        return self._unwrap((await connection.execute(query)).one())


def _master_key(path: Path, is_in_use: bool) -> bytes:
    if is_in_use and not path.exists():
        raise StorageError(f"Content is encrypted but {path.name} is missing; restore it from a copy.")
    return load_or_create_key(path, lambda: secrets.token_bytes(_KEY_BYTES))


def _bound_to(*parts: str) -> bytes:
    """Associated data: what is encrypted cannot be moved to another hearing or name unnoticed."""
    return "\0".join(parts).encode()
