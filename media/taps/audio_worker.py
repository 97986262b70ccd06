"""The process behind an `AudioTap`: Opus to 16 kHz mono, with silence where nothing came."""

from collections import deque
from typing import Any, Final

import av
import numpy as np

from media.plan import Kind
from media.taps.depacketise import Frame
from media.taps.stream_intake import NewStream, StreamIntake
from media.taps.worker_loop import Send, run_worker
from media.taps.worker_messages import PCM_HZ, PcmChunk

TICKS_HZ: Final = 48_000
CHUNK_TICKS: Final = TICKS_HZ // 10
SILENT_AFTER_S: Final = 0.5
"""When nothing has come for so long, silence is sent as time goes by; what comes for that time later is dropped."""

MAX_FILL_S: Final = 5.0
"""A jump further than this is a new beginning, not silence to send all at once."""

MAX_UNSENT_CHUNKS: Final = 100


class AudioWork:
    """Decodes one stream onto a line of time without holes."""

    def __init__(self, send: Send, options: dict[str, Any]) -> None:
        del options
        self.intake = StreamIntake(Kind.AUDIO)
        self._send = send
        self._decoder: av.AudioCodecContext | None = None
        self._resampler = _new_resampler()
        self._next_ticks: int | None = None  # where the line of time ends
        self._samples = bytearray()  # of the chunk being made
        self._chunk_ticks = 0
        self._is_filled = False
        self._unsent: deque[PcmChunk] = deque(maxlen=MAX_UNSENT_CHUNKS)

    def take(self, datagram: bytes, at_s: float) -> None:
        self._use(self.intake.push(datagram, at_s))

    def tick(self, at_s: float) -> None:
        self._use(self.intake.poll(at_s))
        self._fill_up_to(at_s - SILENT_AFTER_S)
        self._deliver()

    def _use(self, arrivals: list[Any]) -> None:
        for arrival in arrivals:
            if isinstance(arrival, NewStream):
                self._end_chunk()
                self._next_ticks, self._decoder, self._resampler = None, None, _new_resampler()
            elif isinstance(arrival, Frame):
                self._on_frame(arrival)

    def _on_frame(self, frame: Frame) -> None:
        if self._next_ticks is None or abs(frame.ticks - self._next_ticks) > MAX_FILL_S * TICKS_HZ:
            self._end_chunk()
            self._next_ticks = self._chunk_ticks = frame.ticks
        sound = self._decode(frame)
        if sound is None or frame.ticks + sound.samples <= self._next_ticks:
            return
        self._fill(frame.ticks - self._next_ticks)
        self._append(sound, is_filled=False)

    def _decode(self, frame: Frame) -> av.AudioFrame | None:
        try:
            if self._decoder is None:
                decoder = av.CodecContext.create("libopus", "r")
                if not isinstance(decoder, av.AudioCodecContext):
                    raise TypeError("libopus is not in this build of PyAV; install the av wheel from PyPI.")
                decoder.sample_rate, decoder.layout = TICKS_HZ, av.AudioLayout("stereo")
                self._decoder = decoder
            decoded = self._decoder.decode(av.Packet(frame.data))
        except av.FFmpegError:
            self._decoder = None
            return None
        return decoded[0] if decoded else None

    def _fill_up_to(self, wall_s: float) -> None:
        """Put silence where the line of time has fallen behind `wall_s`."""
        if self._next_ticks is not None and self.intake.clock is not None:
            behind_s = wall_s - self.intake.wall_s(self._next_ticks)
            if behind_s > 0:
                self._fill(round(behind_s * TICKS_HZ))

    def _fill(self, ticks: int) -> None:
        """Append `ticks` ticks of silence; a twentieth of a millisecond or less is rounding."""
        while ticks >= 3:
            part = min(ticks - ticks % 3, CHUNK_TICKS)
            silence = av.AudioFrame.from_ndarray(np.zeros((1, part), np.int16), format="s16", layout="mono")
            silence.sample_rate = TICKS_HZ
            self._append(silence, is_filled=True)
            ticks -= part

    def _append(self, sound: av.AudioFrame, *, is_filled: bool) -> None:
        if self._next_ticks is None:
            return
        if is_filled is not self._is_filled:
            self._drain_resampler()  # its last millisecond belongs to what came before
            self._end_chunk()
            self._is_filled = is_filled
        if not self._samples:
            self._chunk_ticks = self._next_ticks
        self._next_ticks += sound.samples
        self._samples += self._to_pcm(sound)
        if self._next_ticks - self._chunk_ticks >= CHUNK_TICKS:
            self._end_chunk()

    def _to_pcm(self, sound: av.AudioFrame) -> bytes:
        mono = sound.to_ndarray().astype(np.float32)
        if sound.format.is_planar:
            mono = mono.mean(axis=0)
        else:
            mono = mono.reshape(-1, len(sound.layout.channels)).mean(axis=1)
        if sound.format.name.startswith("flt"):
            mono *= 32767
        whole = np.clip(mono, -32768, 32767).astype(np.int16)[None, :]
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(whole), format="s16", layout="mono")
        frame.sample_rate = TICKS_HZ
        return b"".join(out.to_ndarray().tobytes() for out in self._resampler.resample(frame))

    def _drain_resampler(self) -> None:
        tail = b"".join(out.to_ndarray().tobytes() for out in self._resampler.resample(None))
        if not self._samples and self._next_ticks is not None:
            self._chunk_ticks = self._next_ticks - len(tail) // 2 * (TICKS_HZ // PCM_HZ)
        self._samples += tail
        self._resampler = _new_resampler()

    def _end_chunk(self) -> None:
        if self._samples and self.intake.clock is not None:
            samples, self._samples = bytes(self._samples), bytearray()
            self._unsent.append(PcmChunk(self.intake.wall_s(self._chunk_ticks), self._is_filled, samples))
            self._deliver()

    def _deliver(self) -> None:
        while self._unsent and self._send(self._unsent[0]):
            self._unsent.popleft()


def _new_resampler() -> av.AudioResampler:
    return av.AudioResampler(format="s16", layout="mono", rate=PCM_HZ)


if __name__ == "__main__":
    run_worker(AudioWork)
