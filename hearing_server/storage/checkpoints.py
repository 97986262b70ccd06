"""Checkpoints: signed with the court's key, kept in the database and in an append-only file beside it."""

import asyncio
import json
import os
import re
from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from sqlalchemy import insert, select

from hearing_server.domain.ids import HearingId
from hearing_server.ports import Checkpoint, StorageError
from hearing_server.records.checkpoint import checkpoint_from_json, checkpoint_to_json, public_key_text, sign_checkpoint
from hearing_server.storage.data_folder import checkpoint_file, public_key_file, signing_key_file
from hearing_server.storage.database import Database
from hearing_server.storage.failures import advice
from hearing_server.storage.key_files import load_or_create_key, sync_folder
from hearing_server.storage.tables import checkpoint

_FILE_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}")


class SqlCheckpointStore:
    """Implements `CheckpointStore`."""

    def __init__(self, database: Database, data_dir: Path) -> None:
        """The signing key and the files lie in `data_dir`; the key is made at the first start. Raises StorageError."""
        self._database = database
        self._data_dir = data_dir
        self._key = load_or_create_signing_key(data_dir)
        self._one_at_a_time = asyncio.Lock()

    async def sign(self, hearing_id: HearingId, size: int, head: str, at: datetime) -> Checkpoint:
        signed = sign_checkpoint(self._key, hearing_id, size, head, at)
        await self._database.finish(self._keep(signed))
        return signed

    async def _keep(self, signed: Checkpoint) -> None:
        async with self._one_at_a_time:
            # The file first: it is the copy that does not follow when somebody changes the database.
            await asyncio.to_thread(append_to_file, _file(self._data_dir, signed.hearing_id), signed)
            async with self._database.write() as connection:
                await connection.execute(insert(checkpoint).values(asdict(signed)))

    async def read(self, hearing_id: HearingId) -> Sequence[Checkpoint]:
        """All checkpoints from both places, smallest first, each once."""
        return await read_checkpoints(self._database, self._data_dir, hearing_id)


async def read_checkpoints(database: Database, data_dir: Path, hearing_id: HearingId) -> Sequence[Checkpoint]:
    """Return the checkpoints in the database and in the file, smallest first, each once. Raises StorageError."""
    in_file = await asyncio.to_thread(read_file, _file(data_dir, hearing_id))
    columns = [checkpoint.c[field.name] for field in fields(Checkpoint)]
    query = select(*columns).where(checkpoint.c.hearing_id == hearing_id).order_by(checkpoint.c.id)
    async with database.read() as connection:
        try:
            in_database = [Checkpoint(**row._asdict()) for row in await connection.execute(query)]
            if not all(isinstance(signed.size, int) for signed in in_database):  # SQLite takes text there too
                raise ValueError("a size is not a number")
        except ValueError as error:
            raise StorageError(f"A checkpoint of {hearing_id} in the database cannot be read; restore it.") from error
    return tuple(sorted(dict.fromkeys([*in_file, *in_database]), key=lambda signed: signed.size))


def _file(data_dir: Path, hearing_id: HearingId) -> Path:
    """Raises StorageError for an id that cannot be a file name."""
    if not _FILE_NAME.fullmatch(hearing_id):
        raise StorageError(f"{hearing_id!r} is not the id of a hearing: it has letters, digits, '-', '_' and '.' only.")
    return checkpoint_file(data_dir, hearing_id)


def append_to_file(path: Path, signed: Checkpoint) -> None:
    """Add one line to `path` and wait until it is on the disk. Raises StorageError; then the line is not there."""
    line = json.dumps(checkpoint_to_json(signed), ensure_ascii=False).encode() + b"\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            size = _whole_lines_bytes((file.seek(0, os.SEEK_END) and path.read_bytes()) or b"")
            try:
                file.truncate(size)
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                file.truncate(size)
                raise
        sync_folder(path.parent)
    except OSError as error:
        raise StorageError(advice(error)) from error


def _whole_lines_bytes(text: bytes) -> int:
    """Return how many bytes are whole lines: a line that was cut short by a crash was never acknowledged."""
    return text.rfind(b"\n") + 1


def read_file(path: Path) -> list[Checkpoint]:
    """Return the checkpoints in `path`, none when it does not exist. Raises StorageError for a line that is not one."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StorageError(advice(error)) from error
    found: list[Checkpoint] = []
    for number, line in enumerate(text[: _whole_lines_bytes(text)].splitlines(), start=1):
        try:
            values = json.loads(line)
            found.append(checkpoint_from_json(values if isinstance(values, dict) else {}))
        except ValueError as error:
            raise StorageError(f"Line {number} of {path.name} is not a checkpoint; restore the file.") from error
    return found


def load_or_create_signing_key(data_dir: Path) -> Ed25519PrivateKey:
    """Return the court's signing key, made at the first start; its public half is written beside it.

    Raises StorageError.
    """
    path = signing_key_file(data_dir)
    pem = load_or_create_key(
        path,
        lambda: Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )
    try:
        key = load_pem_private_key(pem, password=None)
    except ValueError as error:
        raise StorageError(f"{path.name} is not a private key; restore it from a copy.") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise StorageError(f"{path.name} is not an Ed25519 key; restore it from a copy.")
    public_file = public_key_file(data_dir)
    if not public_file.exists():
        public_file.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return key


def load_public_key(path: Path) -> str:
    """Return the public key in `path` (PEM) in base64, as checkpoints name it. Raises StorageError."""
    try:
        key = load_pem_public_key(path.read_bytes())
    except OSError as error:
        raise StorageError(f"The public key {path.name} cannot be read ({error.strerror}); name a copy.") from error
    except ValueError as error:
        raise StorageError(f"{path.name} is not a public key in PEM; name a copy.") from error
    if not isinstance(key, Ed25519PublicKey):
        raise StorageError(f"{path.name} is not an Ed25519 public key; name a copy.")
    return public_key_text(key)
