"""Personal content, encrypted: one data key for each hearing, wrapped by the master key of the installation."""

import asyncio
import secrets
from dataclasses import asdict
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
from hearing_server.storage.data_folder import master_key_file
from hearing_server.storage.database import Database
from hearing_server.storage.master_key import KEY_BYTES, NONCE_BYTES, MasterKey, WrappedKey, bound_to
from hearing_server.storage.tables import MAX_NAME_CHARS, data_key
from hearing_server.storage.tables import content as content_table

MAX_CONTENT_BYTES = 16 * 1024 * 1024


class SqlContentStore:
    """Implements `ContentStore`."""

    def __init__(self, database: Database, data_dir: Path) -> None:
        """The master key lies in `data_dir`; it is made when the first content of all is stored."""
        self._database = database
        self._key_file = master_key_file(data_dir)
        self._master: MasterKey | None = None

    async def put(self, hearing_id: HearingId, name: str, content: bytes) -> str:
        return await self._database.finish(self._put(hearing_id, name, content))

    async def _put(self, hearing_id: HearingId, name: str, content: bytes) -> str:
        salt, nonce = secrets.token_bytes(SALT_BYTES), secrets.token_bytes(NONCE_BYTES)
        async with self._database.write() as connection:
            check_id(hearing_id, where="hearing_id")
            check_text(name, where="name", max_chars=MAX_NAME_CHARS)
            if len(content) > MAX_CONTENT_BYTES:
                raise UnstorableValueError(f"{name} has {len(content)} bytes; at most {MAX_CONTENT_BYTES} fit.")
            key = await self._key_for_writing(connection, hearing_id)
            sealed = key.encrypt(nonce, salt + content, bound_to("content", hearing_id, name))
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
        await self._database.finish(self._erase(hearing_id))

    async def _erase(self, hearing_id: HearingId) -> None:
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
        query = (
            select(content_table.c.ciphertext, content_table.c.nonce.label("content_nonce"), data_key)
            .join(data_key, data_key.c.hearing_id == content_table.c.hearing_id)
            .where(content_table.c.hearing_id == hearing_id, content_table.c.name == name)
        )
        async with self._database.read() as connection:
            row = (await connection.execute(query)).first()
        if row is None or row.wrapped_key is None:
            return None
        key = await self._unwrap(row)
        try:
            opened = key.decrypt(row.content_nonce, row.ciphertext, bound_to("content", hearing_id, name))
        except InvalidTag as error:
            raise StorageError(f"Content of hearing {hearing_id} was altered; restore it from a copy.") from error
        return opened[:SALT_BYTES], opened[SALT_BYTES:]

    async def _unwrap(self, row: "Row[*tuple[Any, ...]]") -> AESGCM:
        if self._master is None:
            self._master = await asyncio.to_thread(MasterKey, self._key_file, may_create=False)
        key = WrappedKey(master_key_id=row.master_key_id, nonce=row.nonce, wrapped_key=row.wrapped_key)
        return AESGCM(self._master.unwrap(row.hearing_id, key))

    async def _key_for_writing(self, connection: AsyncConnection, hearing_id: HearingId) -> AESGCM:
        """Return the hearing's data key, made now when it has none. It cannot be erased before the commit."""
        query = select(data_key).where(data_key.c.hearing_id == hearing_id).with_for_update(read=True)
        row = (await connection.execute(query)).first()
        if row is None:
            await self._make_key(connection, hearing_id)
            row = (await connection.execute(query)).one()
        if row.wrapped_key is None:
            raise ContentErasedError(f"The content of hearing {hearing_id} was erased; nothing can be added to it.")
        return await self._unwrap(row)

    async def _make_key(self, connection: AsyncConnection, hearing_id: HearingId) -> None:
        if self._master is None:
            is_first = (await connection.execute(select(data_key.c.hearing_id).limit(1))).first() is None
            self._master = await asyncio.to_thread(MasterKey, self._key_file, may_create=is_first)
        wrapped = self._master.wrap(hearing_id, AESGCM.generate_key(bit_length=8 * KEY_BYTES))
        row = {"hearing_id": hearing_id, **asdict(wrapped)}
        dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
        # Another process may have made the hearing's key in this moment: then that one is used.
        await connection.execute(dialect.insert(data_key).values(row).on_conflict_do_nothing())
