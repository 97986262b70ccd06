"""What is said to a composing process and what it says. Apart, so that a service need not load FFmpeg to talk to it."""

from datetime import datetime
from pathlib import Path

import msgspec


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """`seats`: seat -> segment number -> its SHA-256 in the log."""

    directory: str
    seats: dict[str, dict[int, str]]


class Composing(msgspec.Struct, frozen=True, kw_only=True, tag="composing"):
    """Of the whole job."""

    done_bytes: int
    all_bytes: int


class Composed(msgspec.Struct, frozen=True, kw_only=True, tag="composed"):
    """`starts_at`: the room's time of 0 in the file."""

    seat: str
    file: str
    starts_at: datetime
    size_bytes: int
    sha256: str


class NotComposed(msgspec.Struct, frozen=True, kw_only=True, tag="not_composed"):
    seat: str
    code: str
    advice: str
    number: int | None = None


Report = Composing | Composed | NotComposed


def result_path(directory: Path, seat: str) -> Path:
    """Beside the seat's folder, never in it."""
    return directory / f"{seat}.mkv"
