"""Plays a clip into two RTP streams by the clock."""

import time
from collections import deque
from typing import Final

from media.replay.clip import AUDIO_CLOCK_HZ, AUDIO_FRAME_S, VIDEO_CLOCK_HZ, AudioTrack, Clip, VideoTrack
from media.replay.link import Link
from media.replay.outgoing import STAMP, STAMP_MAGIC, OutgoingStream
from media.replay.pacer import Pacer

_BURST_PACKETS: Final = 12
_BURST_PAUSE_S: Final = 0.003
_KEY_FRAME_APART_S: Final = 0.3
_LATE_S: Final = 0.25
"""A loop that was held up longer goes on with the present, as a camera does, rather than send everything it missed."""


class Playback:
    """Sends `clip` over one connected link. Audio and video share one clock and begin together."""

    def __init__(
        self, clip: Clip, link: Link, audio: OutgoingStream | None, video: OutgoingStream | None, *, stamps: bool
    ) -> None:
        self.audio, self.video = audio, video
        self.audio_is_paused = self.video_is_paused = False
        self._clip, self._link, self._stamps = clip, link, stamps
        self._pacer = Pacer.shared()
        self._audio_index, self._video_index = 0, 0
        self._audio_due_s = self._video_due_s = 0.0
        self._pending: deque[tuple[bytes, bool]] = deque()
        self._pending_timestamp = 0
        self._picture_id = 0
        self._key_sent_s = float("-inf")
        self._is_running = False

    def start(self) -> None:
        """Begin to send. Starting twice changes nothing."""
        if self._is_running:
            return
        self._is_running = True
        now = time.monotonic()
        self._audio_due_s = self._video_due_s = now
        if self.audio is not None:
            self._pacer.add(self._audio_tick, now)
        if self.video is not None:
            self._pacer.add(self._video_tick, now)
        self._pacer.add(self._report_tick, now + 0.1)

    def stop(self) -> None:
        """Send nothing more. Safe to call twice."""
        self._is_running = False
        for tick in (self._audio_tick, self._video_tick, self._report_tick):
            self._pacer.remove(tick)

    def play(self, clip: Clip) -> None:
        """Go on with `clip`: each track from its beginning, unless it is the very track that plays already."""
        if clip.audio is not self._clip.audio:
            self._audio_index = 0
        if clip.video is not self._clip.video:
            self._video_index = 0
        self._clip = clip

    def _audio_tick(self, now_s: float) -> float | None:
        track = self._clip.audio
        if now_s - self._audio_due_s > _LATE_S:
            skipped = int((now_s - self._audio_due_s) / AUDIO_FRAME_S)
            self._audio_due_s += skipped * AUDIO_FRAME_S
            self._audio_index += skipped
        if self.audio is not None and track is not None and not self.audio_is_paused:
            self._send_audio(self.audio, track)
        self._audio_index += 1
        self._audio_due_s += AUDIO_FRAME_S
        return self._audio_due_s

    def _send_audio(self, stream: OutgoingStream, track: AudioTrack) -> None:
        index = self._audio_index % len(track.payloads)
        stream.send(
            (track.payloads[index],),
            marker=stream.count.packets == 0,
            timestamp=stream.timestamp_at(self._audio_due_s),
            level=track.levels[index],
        )
        stream.count.frames += 1

    def _video_tick(self, now_s: float) -> float | None:
        track, stream = self._clip.video, self.video
        if stream is None or track is None:
            return now_s + 0.1
        if not self._pending:
            if now_s - self._video_due_s > _LATE_S:
                self._video_due_s = now_s
            if self.video_is_paused:
                stream.key_wanted = True  # whoever missed the pause's frames cannot decode the next ones
            else:
                self._begin_frame(stream, track, now_s)
            self._video_due_s += 1 / track.fps
        for _ in range(min(_BURST_PACKETS, len(self._pending))):
            self._send_video(stream, *self._pending.popleft())
        return min(now_s + _BURST_PAUSE_S, self._video_due_s) if self._pending else self._video_due_s

    def _begin_frame(self, stream: OutgoingStream, track: VideoTrack, now_s: float) -> None:
        if stream.key_wanted and now_s - self._key_sent_s >= _KEY_FRAME_APART_S:
            stream.key_wanted = False
            self._video_index = track.nearest_key(self._video_index % len(track.frames))
        frame = track.frames[self._video_index % len(track.frames)]
        self._video_index += 1
        self._picture_id = (self._picture_id + 1) & 0x7FFF
        last = len(frame.payloads) - 1
        self._pending.extend((payload, number == last) for number, payload in enumerate(frame.payloads))
        self._pending_timestamp = stream.timestamp_at(self._video_due_s)
        stream.count.frames += 1
        if frame.is_key:
            self._key_sent_s = now_s
            stream.count.key_frames += 1

    def _send_video(self, stream: OutgoingStream, payload: bytes, is_last: bool) -> None:
        # Picture ids of a loop would run backwards at its seam, and browsers drop such frames as too old.
        identifier = (0x8000 | self._picture_id).to_bytes(2, "big")
        body = payload[4:]
        if is_last and self._stamps and len(body) > STAMP.size:
            body = body[: -STAMP.size] + STAMP.pack(STAMP_MAGIC, time.monotonic_ns())
        stream.send((payload[:2], identifier, body), marker=is_last, timestamp=self._pending_timestamp)

    def _report_tick(self, now_s: float) -> float | None:
        for stream in (self.audio, self.video):
            if stream is not None and stream.count.packets:
                self._link.send(stream.report())
        return now_s + 1.0


CLOCK_HZ: Final = {"audio": AUDIO_CLOCK_HZ, "video": VIDEO_CLOCK_HZ}
