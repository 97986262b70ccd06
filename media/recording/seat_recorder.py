"""The recording of one seat: frames into segments, and what is missing into the gap book. Time is given."""

import errno
import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

from media.plan import Kind
from media.recording import segment as segments
from media.recording.entries import (
    ADVICE,
    Entry,
    GapCause,
    KeyframeWanted,
    ProblemCode,
    RecorderEvent,
    RecorderProblem,
    ResolutionChanged,
    SeatStarted,
    SeatStopped,
    SegmentOpened,
    SegmentStatus,
    VideoTrack,
    utc,
)
from media.recording.gap_book import GapBook
from media.recording.segment import Segment, SegmentLength
from media.recording.sidecar import FILE_NAME, Sidecar
from media.recording.size_reports import SizeReports
from media.recording.source import Source
from media.taps.depacketise import Frame, Loss
from media.taps.room_clock import StreamClock
from media.taps.stream_intake import Arrival, StreamIntake
from media.taps.wire import PAYLOAD_CODECS, Codec

logger = logging.getLogger(__name__)

STALLED_AFTER_S: Final = 3.0
KEYFRAME_RETRY_S: Final = 1.0
AUDIO_WAITS_S: Final = 0.4  # for the first key frame, so that both begin in one file
IDLE_SEGMENT_S: Final = 5.0
FLUSH_AFTER_S: Final = 0.3
MIN_SEGMENT_S: Final = 1.0
WRITE_RETRY_S: Final = 1.0
MAX_PENDING_AUDIO: Final = 100


class SeatRecorder:
    """Records one seat into `directory`, from the first usable frame on. One owner calls all of it in one thread.

    `report` gets what happened; all but `KeyframeWanted` is also a line of the sidecar. Nothing that comes from a
    stream, and no full disk, raises out of it. The constructor raises OSError when the sidecar cannot be opened.
    """

    def __init__(
        self,
        seat: str,
        directory: Path,
        *,
        epoch_s: float,
        report: Callable[[RecorderEvent], None],
        length: SegmentLength | None = None,
        next_gap: int = 1,
        payload_codecs: Mapping[int, Codec] = PAYLOAD_CODECS,
    ) -> None:
        self.seat = seat
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._epoch_s = epoch_s
        self._report = report
        self._length = length or SegmentLength()
        self._payload_codecs = payload_codecs
        self._sidecar = Sidecar(directory / FILE_NAME)
        self._gaps = GapBook(seat, write=self._sidecar.append, report=report, next_gap=next_gap)
        self._sources: dict[Kind, Source] = {}
        self._segment: Segment | None = None
        self._opened_s = self._written_s = 0.0
        self._next_number = max(segments.numbers(directory), default=0) + 1
        self._pending_audio: deque[tuple[Frame, StreamClock]] = deque(maxlen=MAX_PENDING_AUDIO)
        self._pending_since_s = 0.0
        self._started_s: float | None = None
        self._keyframe_asked_s = float("-inf")
        self._skips_pictures = False  # those after a key frame that had no place cannot be decoded
        self._sizes = SizeReports(self._sidecar.append, report)
        self._may_write_after_s = float("-inf")
        self._closed_by: tuple[GapCause, str] | None = None  # pause or disk
        self._failing: ProblemCode | None = None

    # What the hearing says

    def start(self, kinds: Iterable[Kind], at_s: float, crashed: Mapping[Kind, float] | None = None) -> None:
        """Expect `kinds` from now on. Kinds that are already expected go on.

        `crashed`: when the last frame was written by a recorder that died without ending this seat's recording.
        """
        for kind, last_s in (crashed or {}).items():
            self._gaps.open(kind, GapCause.CRASH, last_s)
        new = [kind for kind in kinds if kind not in self._sources]
        for kind in new:
            self._sources[kind] = Source(StreamIntake(kind, self._payload_codecs), at_s)
        if new:
            self._started_s = at_s
            self._record(SeatStarted(seat=self.seat, at=utc(at_s), kinds=tuple(self._sources)), True)
        self._want_keyframe(at_s)

    def expect(self, kind: Kind, is_sending: bool, cause: GapCause, at_s: float) -> None:
        """The seat sends `kind` from now on, or does not because of `cause`; what comes all the same is dropped."""
        source = self._sources.get(kind)
        if source is None or source.is_expected == is_sending:
            return
        if source.is_stalled:
            self._problem(ProblemCode.STALLED_INPUT, at_s, kind, cleared=True)
        source.is_expected = is_sending
        source.begin(at_s)
        source.intake.interrupt()
        if not is_sending:
            self._gaps.open(kind, cause, at_s)
            if kind is Kind.AUDIO:
                self._pending_audio.clear()
        elif self._closed_by is not None:
            self._gaps.open(kind, self._closed_by[0], at_s, self._closed_by[1])
        if is_sending and kind is Kind.VIDEO:
            self._want_keyframe(at_s)

    def shut(self, cause: GapCause, at_s: float, reason: str = "") -> None:
        """Record nothing until `reopen`: a pause, or a disk without room."""
        self._closed_by = (cause, reason)
        self._close_segment()
        self._pending_audio.clear()
        for kind, source in self._sources.items():
            source.intake.forget()
            if source.is_expected:
                self._gaps.open(kind, cause, at_s, reason)

    def reopen(self, at_s: float) -> None:
        """Record again. Gaps of the pause end with the first frame that comes."""
        if self._closed_by is None:
            return
        self._closed_by = None
        for source in self._sources.values():
            source.begin(at_s)
        self._want_keyframe(at_s)

    def note_gap(self, kind: Kind, cause: GapCause, from_s: float, to_s: float) -> None:
        """Write down a gap that somebody else knows of."""
        self._gaps.note(kind, cause, from_s, to_s)

    def close(self, at_s: float) -> None:
        """End the recording of this seat. Safe to call twice."""
        if self._sidecar.fileno() < 0:
            return
        self._close_segment()
        self._sizes.poll(at_s, is_last=True)
        for kind in self._sources:
            self._gaps.close(kind, at_s)
        self._record(SeatStopped(seat=self.seat, at=utc(at_s)), True)
        self._sidecar.close()

    @property
    def refused(self) -> int:
        """Datagrams that were nothing a seat can send."""
        return sum(source.intake.refused for source in self._sources.values())

    def files_to_sync(self) -> list[int]:
        """Return duplicates of the open files' descriptors; the caller closes them."""
        if self._segment is None or self._segment.failure is not None:
            return []
        return [self._segment.duplicate_file()]

    # What the stream brings

    def on_datagrams(self, kind: Kind, datagrams: Iterable[bytes], at_s: float) -> None:
        """Take what came to the address of `kind`."""
        source = self._sources.get(kind)
        if source is None or not source.is_expected or self._closed_by is not None:
            return
        for datagram in datagrams:
            accepted = source.intake.accepted
            arrivals = source.intake.push(datagram, at_s)
            if source.intake.accepted > accepted:
                self._heard(kind, source, at_s)
            self._take(kind, source, arrivals, at_s)

    def tick(self, at_s: float) -> None:
        """Do what is due by `at_s`. Call it about every 100 ms."""
        self._sidecar.retry()
        if self._closed_by is not None:
            return
        for kind, source in self._sources.items():
            if source.is_expected:
                self._take(kind, source, source.intake.poll(at_s), at_s)
                self._watch(kind, source, at_s)
                mapping = source.clock_line(self.seat, kind, at_s)
                if mapping is not None:
                    self._record(mapping, False)
        if self._segment is not None and (
            at_s - self._opened_s >= self._length.most_s or at_s - self._written_s >= IDLE_SEGMENT_S
        ):
            self._close_segment()
        elif self._segment is not None and at_s - self._written_s >= FLUSH_AFTER_S:
            self._segment.flush()
        self._open_for_audio(at_s)
        self._ask_if_needed(at_s)
        self._sizes.poll(at_s)

    def _heard(self, kind: Kind, source: Source, at_s: float) -> None:
        source.heard_s = at_s
        if source.is_stalled:
            source.is_stalled = False
            self._problem(ProblemCode.STALLED_INPUT, at_s, kind, cleared=True)

    def _watch(self, kind: Kind, source: Source, at_s: float) -> None:
        if source.is_stalled or at_s - source.silent_since_s < STALLED_AFTER_S:
            return
        source.is_stalled = True
        self._problem(ProblemCode.STALLED_INPUT, at_s, kind)
        if self._gaps.cause(kind) not in (GapCause.DISK, GapCause.CRASH):
            self._gaps.open(kind, GapCause.STALLED, max(source.since_s, source.end_s or source.since_s))

    def _take(self, kind: Kind, source: Source, arrivals: list[Arrival], at_s: float) -> None:
        for arrival in arrivals:
            if isinstance(arrival, Frame):
                clock = source.intake.clock
                if clock is not None:
                    self._on_frame(kind, source, arrival, clock, at_s)
            elif isinstance(arrival, Loss):
                if source.end_s is not None:  # before the first frame nothing can be missing between two frames
                    self._gaps.lose(kind, arrival.packets, source.end_s)
            else:
                self._on_new_stream(kind, source, at_s)

    def _on_new_stream(self, kind: Kind, source: Source, at_s: float) -> None:
        if source.end_s is not None and self._gaps.cause(kind) is None:
            self._gaps.open(kind, GapCause.RESTART, source.end_s)
        if self._segment is not None and at_s - self._opened_s >= MIN_SEGMENT_S:
            self._close_segment()

    def _on_frame(self, kind: Kind, source: Source, frame: Frame, clock: StreamClock, at_s: float) -> None:
        if kind is Kind.AUDIO:
            if self._segment is None:
                if not self._pending_audio:
                    self._pending_since_s = at_s
                self._pending_audio.append((frame, clock))
                self._open_for_audio(at_s)
                return
        elif not self._has_place_for(frame, source, clock, at_s):
            return
        self._write(kind, source, frame, clock, at_s)

    def _has_place_for(self, frame: Frame, source: Source, clock: StreamClock, at_s: float) -> bool:
        """Whether a segment with room for this picture is open; a key frame opens one where it is needed."""
        codec = source.intake.codec
        video = self._segment.video if self._segment else None
        if frame.is_key and frame.size and codec:
            wanted = VideoTrack(codec=codec, width=frame.size[0], height=frame.size[1])
            fits = video is not None and (video == wanted or video.codec is codec is Codec.VP8)
            # A camera that changes what it sends with every frame must not make a file of every frame.
            self._skips_pictures = video is not None and not fits and at_s - self._opened_s < MIN_SEGMENT_S
            if self._skips_pictures:
                self._gaps.lose(kind=Kind.VIDEO, packets=None, at_s=clock.wall_s(frame.ticks))
                return False
            if not fits or at_s - self._opened_s >= self._length.roll_after_s:
                self._close_segment()
                self._open_segment(clock.wall_s(frame.ticks), wanted, frame.data, at_s)
            elif video != wanted:
                self._note_size(self._segment, wanted, clock.wall_s(frame.ticks), at_s)
            return self._segment is not None
        return video is not None and video.codec is codec and not self._skips_pictures

    def _note_size(self, segment: Segment | None, video: VideoTrack, wall_s: float, at_s: float) -> None:
        if segment is not None:
            segment.video = video
            size = {"width": video.width, "height": video.height}
            self._sizes.add(ResolutionChanged(seat=self.seat, number=segment.number, at=utc(wall_s), **size), at_s)

    def _write(self, kind: Kind, source: Source, frame: Frame, clock: StreamClock, at_s: float) -> None:
        if self._segment is None:
            return
        wall_s = clock.wall_s(frame.ticks)
        if not self._segment.holds(kind, clock):
            self._record(source.track_line(self.seat, self._segment.number, kind, frame, clock), False)
        self._segment.write(kind, frame, clock)
        if self._segment.failure is not None:
            self._on_failure(self._segment.failure, at_s)
            return
        source.end_s, self._written_s = wall_s, at_s
        self._gaps.arrived(kind, wall_s)

    # Segments

    def _open_for_audio(self, at_s: float) -> None:
        """Write sound that waits for a picture, once the picture had its chance."""
        if self._segment is not None or not self._pending_audio:
            return
        video = self._sources.get(Kind.VIDEO)
        is_coming = video is not None and video.is_expected and not video.is_stalled
        if not is_coming or at_s - self._pending_since_s >= AUDIO_WAITS_S:
            frame, clock = self._pending_audio[0]
            self._open_segment(clock.wall_s(frame.ticks), None, b"", at_s)

    def _open_segment(self, wall_s: float, video: VideoTrack | None, key_frame: bytes, at_s: float) -> None:
        if at_s < self._may_write_after_s:
            return
        audio = self._sources.get(Kind.AUDIO)
        start_s = min([wall_s, *(clock.wall_s(frame.ticks) for frame, clock in self._pending_audio)])
        if audio is not None and audio.end_s is not None and wall_s - 1.0 < audio.end_s < start_s:
            start_s = audio.end_s  # sound captured before this key frame is still on its way
        number = self._next_number
        try:
            self._segment = Segment(self._directory, self.seat, number, start_s, video, key_frame)
        except OSError as error:
            self._on_failure(error, at_s)
            return
        self._next_number += 1
        self._opened_s = self._written_s = at_s
        self._record_opened(number, start_s, video)
        self._recovered(at_s)
        while self._pending_audio and audio is not None and self._segment is not None:
            frame, clock = self._pending_audio.popleft()
            self._write(Kind.AUDIO, audio, frame, clock, at_s)

    def _record_opened(self, number: int, start_s: float, video: VideoTrack | None) -> None:
        late_by_s = None if self._started_s is None else round(max(0.0, start_s - self._started_s), 3)
        self._started_s = None
        self._record(
            SegmentOpened(
                seat=self.seat,
                number=number,
                file=segments.file_name(number),
                at=utc(start_s),
                at_s=round(start_s - self._epoch_s, 3),
                video=video,
                late_by_s=late_by_s,
            ),
            True,
        )

    def _close_segment(self, status: SegmentStatus = SegmentStatus.CLOSED) -> None:
        segment, self._segment = self._segment, None
        if segment is not None:
            self._record(segment.close(status), True)

    def _on_failure(self, error: OSError, at_s: float) -> None:
        code = ProblemCode.DISK_FULL if error.errno in (errno.ENOSPC, errno.EDQUOT) else ProblemCode.WRITE_FAILED
        logger.error("recording of %s cannot be written: errno %s", self.seat, error.errno)
        self._close_segment(SegmentStatus.FAILED)
        self._pending_audio.clear()
        self._next_number = max(self._next_number, max(segments.numbers(self._directory), default=0) + 1)
        self._may_write_after_s = at_s + WRITE_RETRY_S
        for kind, source in self._sources.items():
            if source.is_expected:
                self._gaps.open(kind, GapCause.DISK, at_s if source.end_s is None else source.end_s)
        if self._failing is not code:
            self._failing = code
            self._problem(code, at_s)

    def _recovered(self, at_s: float) -> None:
        if self._failing is not None:
            self._problem(self._failing, at_s, cleared=True)
            self._failing = None

    # Reports

    def _ask_if_needed(self, at_s: float) -> None:
        video = self._sources.get(Kind.VIDEO)
        if video is None or not video.is_expected or video.is_stalled:
            return
        segment = self._segment
        if (
            segment is None
            or segment.video is None
            or video.intake.needs_key
            or self._skips_pictures
            or at_s - self._opened_s >= self._length.roll_after_s
        ) and at_s - self._keyframe_asked_s >= KEYFRAME_RETRY_S:
            self._want_keyframe(at_s)

    def _want_keyframe(self, at_s: float) -> None:
        video = self._sources.get(Kind.VIDEO)
        if video is not None and video.is_expected and self._closed_by is None:
            self._keyframe_asked_s = at_s
            self._report(KeyframeWanted(seat=self.seat))

    def _problem(self, code: ProblemCode, at_s: float, kind: Kind | None = None, *, cleared: bool = False) -> None:
        problem = RecorderProblem(
            code=code, at=utc(at_s), seat=self.seat, kind=kind, cleared=cleared, advice="" if cleared else ADVICE[code]
        )
        self._record(problem, True)

    def _record(self, entry: Entry, is_reported: bool) -> None:
        self._sidecar.append(entry)
        if is_reported:
            self._report(entry)
