"""Key files: made once, complete or not at all, readable by the service alone."""

import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path

from hearing_server.ports import StorageError


def load_or_create_key(path: Path, make: Callable[[], bytes]) -> bytes:
    """Return what is in `path`; when it does not exist, `make` its content first. Mode 0600 in a folder of mode 0700.

    Of two processes that start together one makes the key and both use it. Raises StorageError when others may read
    the file or it cannot be made.
    """
    try:
        if not path.exists():
            _create(path, make())
        return load_key(path)
    except OSError as error:
        raise StorageError(f"The key file {path.name} cannot be read or made ({error.strerror}).") from error


def load_key(path: Path) -> bytes:
    """Return what is in `path`. Raises StorageError when other users may read it, OSError when it is not there."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise StorageError(f"Others may read the key file {path.name} (mode {mode:o}); run `chmod 600` on it.")
    return path.read_bytes()


def _create(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)  # unlike a rename, never replaces a key that another process has just made
        except FileExistsError:
            return
        sync_folder(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make the names of new files in `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
