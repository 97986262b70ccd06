"""Checkpoints: signed with the court's key, kept in the database and in an append-only file beside it."""

import asyncio
import json
import os
from collections.abc import Sequence
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
from hearing_server.records.text_rules import UnstorableValueError, check_id
from hearing_server.storage.database import Database
from hearing_server.storage.failures import advice
from hearing_server.storage.key_files import load_or_create_key, sync_folder
from hearing_server.storage.tables import checkpoint


class SignedCheckpoints:
    """Implements `CheckpointStore`."""

    def __init__(self, database: Database, *, key: Ed25519PrivateKey, folder: Path) -> None:
        self._database = database
        self._key = key
        self._folder = folder
        self._one_at_a_time = asyncio.Lock()

    async def sign(self, hearing_id: HearingId, size: int, head: str, at: datetime) -> Checkpoint:
        signed = sign_checkpoint(self._key, hearing_id, size, head, at)
        async with self._one_at_a_time:
            # The file first: it is the copy that does not follow when somebody changes the database.
            await asyncio.to_thread(append_to_file, checkpoint_file(self._folder, hearing_id), signed)
            async with self._database.write() as connection:
                await connection.execute(
                    insert(checkpoint).values(
                        hearing_id=hearing_id,
                        size=size,
                        head=head,
                        at=at,
                        public_key=signed.public_key,
                        signature=signed.signature,
                    )
                )
        return signed

    async def read(self, hearing_id: HearingId) -> Sequence[Checkpoint]:
        """All checkpoints from both places, smallest first, each once."""
        return await read_checkpoints(self._database, self._folder, hearing_id)


async def read_checkpoints(database: Database, folder: Path, hearing_id: HearingId) -> Sequence[Checkpoint]:
    """Return the checkpoints in the database and in the file, smallest first, each once. Raises StorageError."""
    in_file = await asyncio.to_thread(read_file, checkpoint_file(folder, hearing_id))
    query = select(checkpoint).where(checkpoint.c.hearing_id == hearing_id).order_by(checkpoint.c.id)
    async with database.read() as connection:
        in_database = [
            Checkpoint(
                hearing_id=hearing_id,
                size=row.size,
                head=row.head,
                at=row.at,
                public_key=row.public_key,
                signature=row.signature,
            )
            for row in await connection.execute(query)
        ]
    return tuple(sorted(dict.fromkeys([*in_file, *in_database]), key=lambda signed: signed.size))


def checkpoint_file(folder: Path, hearing_id: HearingId) -> Path:
    """Return where the checkpoints of `hearing_id` lie. Raises StorageError for an id that cannot be a file name."""
    try:
        check_id(hearing_id, where="hearing_id")
    except UnstorableValueError as error:
        raise StorageError(str(error)) from error
    if hearing_id.startswith(".") or not all(char.isalnum() or char in "-_." for char in hearing_id):
        raise StorageError(f"{hearing_id!r} cannot be a file name; ids have letters, digits, '-', '_' and '.'.")
    return folder / f"{hearing_id}.jsonl"


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
            fields = json.loads(line)
            found.append(checkpoint_from_json(fields if isinstance(fields, dict) else {}))
        except ValueError as error:
            raise StorageError(f"Line {number} of {path.name} is not a checkpoint; restore the file.") from error
    return found


def load_or_create_signing_key(path: Path) -> Ed25519PrivateKey:
    """Return the court's signing key (PEM, PKCS 8), made at the first start; its public half lies beside it.

    Raises StorageError.
    """
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
    public_file = public_key_file(path)
    if not public_file.exists():
        public_file.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return key


def public_key_file(signing_key_file: Path) -> Path:
    """Return where the public half of the signing key lies."""
    return signing_key_file.with_suffix(".pub.pem")


def load_public_key(path: Path) -> str:
    """Return the public key in `path` (PEM) as checkpoints name it. Raises StorageError."""
    try:
        key = load_pem_public_key(path.read_bytes())
    except OSError as error:
        raise StorageError(f"The public key {path} cannot be read ({error.strerror}).") from error
    except ValueError as error:
        raise StorageError(f"{path} is not a public key in PEM.") from error
    if not isinstance(key, Ed25519PublicKey):
        raise StorageError(f"{path} is not an Ed25519 public key.")
    return public_key_text(key)
