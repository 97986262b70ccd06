"""Where things lie in the data folder."""

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
