"""Encoded packets into Matroska as they came: no encoder, append only, and readable when the writer is killed.

FFmpeg's muxer does not fit: while a VP8 track brings nothing (a camera that is off) it keeps the sound in memory, for
as long as that lasts, and a kill would take it (libavformat/mux.c, ff_interleave_packet_per_dts).
"""

import errno
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from media.recording import ebml
from media.recording.entries import VideoTrack
from media.taps.wire import Codec

CLUSTER_MS: Final = 300
"""A cluster is written when it is whole: this much may be lost when the process is killed."""

_MAX_OFFSET_MS: Final = 0x7FFF


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenFile:
    size_bytes: int
    sha256: str  # hex, over all bytes of the file


class MatroskaWriter:
    """One segment: an Opus track, and a video track when `video` is given. Times are milliseconds from its start.

    `key_frame`: the first video frame; H264 takes its parameter sets from there. A failed write never raises: what
    came before it stays, `failure` says what happened, later frames are dropped. Raises OSError when the file cannot
    be made or exists.
    """

    def __init__(self, path: Path, video: VideoTrack | None, key_frame: bytes = b"") -> None:
        self._video = video
        try:
            header = ebml.header(video, key_frame)
        except ValueError as error:
            raise OSError(f"Matroska header could not be written: {error}") from error
        self._sink = _HashingSink(path)
        self._last_ms = {ebml.VIDEO_TRACK: 0, ebml.AUDIO_TRACK: 0}
        self._cluster_ms = 0
        self._blocks: list[bytes] = []
        self._sink.write(header)
        if self._sink.failure is not None:
            self._sink.close()
            raise self._sink.failure
        self._sink.has_header = True

    @property
    def failure(self) -> OSError | None:
        """Why writing stopped, None while it works."""
        return self._sink.failure

    @property
    def size_bytes(self) -> int:
        return self._sink.size_bytes

    def fileno(self) -> int:
        return self._sink.fileno()

    def write_video(self, data: bytes, at_ms: int, *, is_key: bool) -> None:
        if self._video is None:
            raise ValueError("This segment has no video track; open another one with `video`.")
        content = data if self._video.codec is Codec.VP8 else ebml.h264_block(data)
        if is_key:
            self.flush()  # players seek to clusters
        self._write(ebml.VIDEO_TRACK, content, at_ms, is_key=is_key)

    def write_audio(self, data: bytes, at_ms: int) -> None:
        self._write(ebml.AUDIO_TRACK, data, at_ms, is_key=True)

    def _write(self, track: int, data: bytes, at_ms: int, *, is_key: bool) -> None:
        if self._sink.failure is not None:
            return
        # Players want times that do not go back within a track; a sender's may, by a lie or a bug.
        at_ms = self._last_ms[track] = max(at_ms, self._last_ms[track])
        if self._blocks and not -_MAX_OFFSET_MS <= at_ms - self._cluster_ms < CLUSTER_MS:
            self.flush()
        if not self._blocks:
            self._cluster_ms = at_ms
        self._blocks.append(ebml.simple_block(track, at_ms - self._cluster_ms, data, is_key=is_key))

    def flush(self) -> None:
        """Hand what is in memory to the system, in one write: who is killed leaves whole clusters."""
        blocks, self._blocks = self._blocks, []
        if blocks:
            self._sink.write(ebml.cluster(self._cluster_ms, blocks))

    def close(self) -> WrittenFile:
        """End the file and return what is in it. Safe to call twice."""
        self.flush()
        self._sink.close()
        return WrittenFile(size_bytes=self._sink.size_bytes, sha256=self._sink.hexdigest())


def unnamed(path: Path) -> Path:
    """Where a segment lies until its first cluster is whole."""
    return path.with_name(f".{path.name}.new")


class _HashingSink:
    """Appends and hashes; never seeks.

    The file gets its name with the first cluster: no player opens one that has only a header, and who is killed before
    that leaves none. Raises OSError when it cannot be made or `path` exists.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        if path.exists():
            raise FileExistsError(errno.EEXIST, "The segment exists", str(path))
        self._unnamed: Path | None = unnamed(path)
        self._file = os.open(self._unnamed, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640)
        self._hash = hashlib.sha256()
        self.has_header = False
        self.size_bytes = 0
        self.failure: OSError | None = None

    def write(self, data: bytes) -> None:
        """Take all of `data`. After a failure nothing more is written: no hole, and the hash is of what is there."""
        rest = memoryview(data)
        while rest and self.failure is None:
            try:
                written = os.write(self._file, rest)
            except OSError as error:
                self.fail(error)
                break
            self._hash.update(rest[:written])
            self.size_bytes += written
            rest = rest[written:]
        if self.has_header and self._unnamed is not None:
            self._give_name(self._unnamed)

    def _give_name(self, unnamed: Path) -> None:
        self._unnamed = None
        try:
            os.link(unnamed, self._path)  # unlike a rename it never replaces a file
        except FileExistsError as error:
            self.fail(error)
        except OSError:  # a file system without hard links; one recorder owns the folder and has looked
            unnamed.replace(self._path)
        unnamed.unlink(missing_ok=True)

    def fail(self, error: OSError) -> None:
        self.failure = self.failure or error

    def fileno(self) -> int:
        return self._file

    def hexdigest(self) -> str:
        return self._hash.hexdigest()

    def close(self) -> None:
        if self._file < 0:
            return
        if self._unnamed is not None:
            if self.has_header:  # the disk refused the first cluster: what is there is kept as it is
                self._give_name(self._unnamed)
            else:
                self._unnamed.unlink(missing_ok=True)
        try:
            os.fsync(self._file)
        except OSError as error:
            self.fail(error)
        os.close(self._file)
        self._file = -1
