"""The master key of the installation, which wraps the data key of every hearing."""

import hashlib
import secrets
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hearing_server.ports import StorageError
from hearing_server.storage.key_files import load_or_create_key

KEY_BYTES = 32  # AES-256
NONCE_BYTES = 12  # NIST SP 800-38D section 8.2: 96 bits


@dataclass(frozen=True, slots=True, kw_only=True)
class WrappedKey:
    master_key_id: str  # 16 hex digits that tell master keys apart and say nothing about them
    nonce: bytes
    wrapped_key: bytes


class MasterKey:
    """AES-256-GCM. A wrapped key opens only for the hearing that it was wrapped for."""

    def __init__(self, path: Path, *, may_create: bool) -> None:
        """Load the key in `path`; make it when it is not there. Raises StorageError.

        `may_create`: False when content is already encrypted, so that a lost key is not replaced unnoticed.
        """
        if not may_create and not path.exists():
            raise StorageError(f"Content is encrypted but the key file {path.name} is missing; restore it from a copy.")
        key = load_or_create_key(path, lambda: secrets.token_bytes(KEY_BYTES))
        if len(key) != KEY_BYTES:
            raise StorageError(f"The key file {path.name} has {len(key)} bytes instead of {KEY_BYTES}; restore it.")
        self._aead = AESGCM(key)
        self._id = hashlib.sha256(b"master key id" + key).hexdigest()[:16]

    def wrap(self, hearing_id: str, key: bytes) -> WrappedKey:
        nonce = secrets.token_bytes(NONCE_BYTES)
        wrapped = self._aead.encrypt(nonce, key, bound_to("data key", hearing_id))
        return WrappedKey(master_key_id=self._id, nonce=nonce, wrapped_key=wrapped)

    def unwrap(self, hearing_id: str, key: WrappedKey) -> bytes:
        """Raises StorageError when the key was wrapped by another master key, for another hearing, or altered."""
        try:
            return self._aead.decrypt(key.nonce, key.wrapped_key, bound_to("data key", hearing_id))
        except InvalidTag as error:
            if key.master_key_id != self._id:
                advice = f"Hearing {hearing_id} was encrypted with another master key; restore that key file."
            else:
                advice = f"The data key of hearing {hearing_id} was altered; restore the database from a copy."
            raise StorageError(advice) from error


def bound_to(*parts: str) -> bytes:
    """Associated data: what is encrypted cannot be moved to another hearing or name unnoticed."""
    return "\0".join(parts).encode()
