"""Where things lie in the data folder."""

import hashlib
import os
import tempfile
from pathlib import Path

from sqlalchemy import URL, make_url


def database_url(data_dir: Path, url: str | None = None) -> URL:
    """Return `url`, or the one of the SQLite file in the folder."""
    return make_url(url) if url else URL.create("sqlite+aiosqlite", database=str(data_dir / "hearing.db"))


def master_key_file(data_dir: Path) -> Path:
    """32 bytes that wrap the data key of every hearing. Without it all content is lost: keep a copy elsewhere."""
    return data_dir / "keys" / "master.key"


def signing_key_file(data_dir: Path) -> Path:
    """The Ed25519 key that signs checkpoints (PEM, PKCS 8)."""
    return data_dir / "keys" / "checkpoint_signing.pem"


def public_key_file(data_dir: Path) -> Path:
    """The public half of the signing key (PEM). Keep a copy elsewhere: it tells the court's checkpoints from others."""
    return data_dir / "keys" / "checkpoint_signing.pub.pem"


def checkpoint_file(data_dir: Path, hearing_id: str) -> Path:
    """One checkpoint in JSON a line, only ever added to."""
    return data_dir / "checkpoints" / f"{hearing_id}.jsonl"


def recording_folder(data_dir: Path, hearing_id: str) -> Path:
    """One folder for each seat, with its Matroska segments and a sidecar that says what they hold."""
    return data_dir / "recordings" / hearing_id


def recorder_socket_folder() -> Path:
    """The folder of the sockets on which recorders are spoken to; made, for this user only.

    It is the same after a restart of the service, so that a recorder that ran on is found again, and short, as a
    socket's path must be. Raises PermissionError when it belongs to somebody else.
    """
    folder = Path(tempfile.gettempdir()) / f"hearing-recorders-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to another user: remove it.")
    folder.chmod(0o700)
    return folder


def recorder_socket(data_dir: Path, hearing_id: str) -> Path:
    """Raises PermissionError, as `recorder_socket_folder`."""
    name = hashlib.sha256(f"{data_dir.resolve()}\n{hearing_id}".encode()).hexdigest()[:24]
    return recorder_socket_folder() / f"{name}.sock"
