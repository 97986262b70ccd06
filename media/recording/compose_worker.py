"""Makes one file a seat, in a process of its own that yields to hearings: `python -m media.recording.compose_worker`.

A `Job` as JSON on standard input; a `Report` as one line of JSON for each thing that happens on standard output. It
may be killed at any moment and run again.
"""

import fcntl
import os
import sys
from pathlib import Path

import msgspec

from media.recording import compose
from media.recording.compose_messages import Composed, Composing, Job, NotComposed, Report, result_path

NICE = 15
LOCK = ".compose.lock"


class _Progress:
    def __init__(self, all_bytes: int) -> None:
        self._all_bytes = all_bytes
        self._done_bytes = 0

    def add(self, size_bytes: int) -> None:
        self._done_bytes = min(self._all_bytes, self._done_bytes + size_bytes)
        _tell(Composing(done_bytes=self._done_bytes, all_bytes=self._all_bytes))


def run(job: Job) -> None:
    directory = Path(job.directory)
    with (directory / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another one makes the same files: what it makes is kept
        for left in directory.glob(".*.part"):
            left.unlink(missing_ok=True)
        progress = _Progress(2 * sum(compose.size_bytes(directory / seat, job.seats[seat]) for seat in job.seats))
        for seat, logged in job.seats.items():
            _tell(_compose(directory, seat, logged, progress))


def _compose(directory: Path, seat: str, logged: dict[int, str], progress: _Progress) -> Composed | NotComposed:
    try:
        made = compose.compose_seat(directory / seat, result_path(directory, seat), logged, progress.add)
    except compose.ComposeError as error:
        return NotComposed(seat=seat, code=error.code, advice=str(error), number=error.number)
    except ValueError as error:
        return NotComposed(seat=seat, code="nothing_recorded", advice=str(error))
    except OSError as error:
        return NotComposed(seat=seat, code="write_failed", advice=f"Free space on the disk and try again: {error}")
    return Composed(
        seat=seat, file=str(made.path), starts_at=made.starts_at, size_bytes=made.size_bytes, sha256=made.sha256
    )


def _tell(report: Report) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(report) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    os.nice(NICE)
    run(msgspec.json.decode(sys.stdin.buffer.read(), type=Job))
