"""The text beside the media: one JSON object a line, appended and never changed."""

import os
from collections import deque
from pathlib import Path
from typing import Final

import msgspec

from media.recording.entries import Entry

FILE_NAME: Final = "sidecar.jsonl"
MAX_PENDING: Final = 10_000

_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(Entry)


class Sidecar:
    """Appends entries. A line that cannot be written is kept and tried again; memory is bounded by MAX_PENDING lines.

    Raises OSError from the constructor only.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
        self._pending: deque[bytes] = deque()
        self._dropped = 0
        self._end_torn_line()

    def _end_torn_line(self) -> None:
        """A writer that was killed or a full disk may leave half a line; the next one must not continue it."""
        size = os.fstat(self._file).st_size
        with self.path.open("rb") as content:
            content.seek(max(0, size - 1))
            if content.read(1) not in (b"", b"\n"):
                self._pending.append(b"\n")

    def append(self, entry: Entry) -> None:
        if len(self._pending) >= MAX_PENDING:
            self._dropped += 1
            return
        self._pending.append(_ENCODER.encode(entry) + b"\n")
        self.retry()

    def retry(self) -> bool:
        """Write what is pending. Returns whether nothing is pending any more."""
        while self._pending:
            line = self._pending[0]
            try:
                written = os.write(self._file, line)
            except OSError:
                return False
            if written < len(line):
                self._pending[0] = line[written:]
                continue
            self._pending.popleft()
        return True

    def fileno(self) -> int:
        return self._file

    def close(self) -> None:
        """Safe to call twice."""
        if self._file >= 0:
            self.retry()
            os.close(self._file)
            self._file = -1


def read(path: Path) -> list[Entry]:
    """Return all whole entries of the sidecar at `path`, in order; lines torn by a crash are left out."""
    entries: list[Entry] = []
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return entries
    for line in content.split(b"\n"):
        if not line:
            continue
        try:
            entries.append(_DECODER.decode(line))
        except msgspec.DecodeError:
            continue
    return entries
