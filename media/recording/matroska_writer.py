"""Encoded packets into Matroska as they came: no encoder, append only, and readable when the writer is killed."""

import functools
import hashlib
import io
import os
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
from av.container import InputContainer, OutputContainer

from media.recording.entries import VideoTrack
from media.taps.wire import Codec

CLUSTER_MS: Final = 300
"""The muxer keeps a cluster in memory until it is whole: this much may be lost when the process is killed."""

_OPTIONS: Final = {
    "live": "1",
    "flush_packets": "1",
    "cluster_time_limit": str(CLUSTER_MS),
    # Microseconds. Without it the muxer holds up to 10 s of one track while the other, being muted, brings nothing.
    "max_interleave_delta": "1",
}
_MILLISECOND: Final = Fraction(1, 1000)


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
        self._sink = _HashingSink(path)
        self._last_ms = {"video": -1, "audio": -1}
        try:
            self._output: OutputContainer | None = av.open(self._sink, "w", format="matroska", options=dict(_OPTIONS))
            self._video = self._add_video(self._output, video, key_frame) if video else None
            template: Any = _opus_template().streams.audio[0]
            self._audio: Any = self._output.add_stream_from_template(template, opaque=True)
            self._audio.time_base = _MILLISECOND
            self._output.start_encoding()
        except (av.FFmpegError, ValueError) as error:
            self._sink.close()
            raise OSError(f"Matroska header could not be written: {error}") from error
        if self._sink.failure is not None:
            self._sink.close()
            raise self._sink.failure

    @staticmethod
    def _add_video(output: OutputContainer, video: VideoTrack, key_frame: bytes) -> Any:
        if video.codec is Codec.VP8:
            stream: Any = output.add_mux_stream("vp8", width=video.width, height=video.height)
        else:
            with av.open(io.BytesIO(key_frame), format="h264") as probe:
                template: Any = probe.streams.video[0]
                stream = output.add_stream_from_template(template, opaque=True)
        stream.time_base = _MILLISECOND
        return stream

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
        self._write("video", self._video, data, at_ms, is_key)

    def write_audio(self, data: bytes, at_ms: int) -> None:
        self._write("audio", self._audio, data, at_ms, True)

    def _write(self, track: str, stream: Any, data: bytes, at_ms: int, is_key: bool) -> None:
        if self._sink.failure is not None or self._output is None:
            return
        # The muxer refuses times that go back; a sender's may, by a lie or a bug.
        at_ms = max(at_ms, self._last_ms[track], 0)
        self._last_ms[track] = at_ms
        packet = av.Packet(data)
        packet.stream = stream
        packet.pts = packet.dts = at_ms
        packet.time_base = _MILLISECOND
        packet.is_keyframe = is_key
        try:
            self._output.mux(packet)
        except (av.FFmpegError, OSError) as error:
            self._sink.fail(error)

    def close(self) -> WrittenFile:
        """End the file and return what is in it. Safe to call twice."""
        output, self._output = self._output, None
        if output is not None:
            try:
                output.close()
            except (av.FFmpegError, OSError) as error:
                self._sink.fail(error)
            self._sink.close()
        return WrittenFile(size_bytes=self._sink.size_bytes, sha256=self._sink.hexdigest())


class _HashingSink:
    """What the muxer writes to. It has no `seek`, so the muxer only ever appends."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
        self._hash = hashlib.sha256()
        self.size_bytes = 0
        self.failure: OSError | None = None

    def write(self, data: bytes) -> int:
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
        return len(data)

    def fail(self, error: Exception) -> None:
        if self.failure is None:
            self.failure = error if isinstance(error, OSError) else OSError(str(error))

    def fileno(self) -> int:
        return self._file

    def hexdigest(self) -> str:
        return self._hash.hexdigest()

    def close(self) -> None:
        if self._file < 0:
            return
        try:
            os.fsync(self._file)
        except OSError as error:
            self.fail(error)
        os.close(self._file)
        self._file = -1


@functools.cache
def _opus_template() -> InputContainer:
    """A file of one packet whose audio stream carries an OpusHead; `add_mux_stream("opus")` has none."""
    content = io.BytesIO()
    with av.open(content, "w", format="matroska") as output:
        stream: Any = output.add_stream("libopus", rate=48_000)
        stream.layout = "stereo"
        stream.codec_context.format = "s16"
        frame = av.AudioFrame(format="s16", layout="stereo", samples=960)
        frame.planes[0].update(bytes(frame.planes[0].buffer_size))
        frame.sample_rate, frame.pts = 48_000, 0
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    content.seek(0)
    return av.open(content, "r")


def prepare() -> None:
    """Do now what the first segment would otherwise wait for."""
    _opus_template()
