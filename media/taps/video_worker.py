"""The process behind a `VideoTap`: decodes all, keeps one or two pictures a second."""

from typing import Any, Final

import av

from media.plan import Kind
from media.taps.depacketise import Frame
from media.taps.stream_intake import StreamIntake
from media.taps.wire import Codec
from media.taps.worker_loop import Send, run_worker
from media.taps.worker_messages import NeedsKeyframe, SampledFrame

KEYFRAME_RETRY_S: Final = 2.0

_DECODERS: Final = {Codec.VP8: "vp8", Codec.H264: "h264"}


class VideoWork:
    """Decodes one stream and sends every picture that is due. The newest wins while the owner is behind."""

    def __init__(self, send: Send, options: dict[str, Any]) -> None:
        self.intake = StreamIntake(Kind.VIDEO)
        self._send = send
        self._period_s = 1.0 / float(options.get("fps", 1.0))
        self._width = int(options.get("max_width", 640))
        self._decoder: av.VideoCodecContext | None = None
        self._decodes: Codec | None = None
        self._is_damaged = True
        self._sampled_s = float("-inf")
        self._waiting: SampledFrame | None = None
        self._asked_s = float("-inf")

    def take(self, datagram: bytes, at_s: float) -> None:
        self._use(self.intake.push(datagram, at_s))

    def tick(self, at_s: float) -> None:
        self._use(self.intake.poll(at_s))
        if self._waiting is not None and self._send(self._waiting):
            self._waiting = None
        if (self.intake.needs_key or self._is_damaged) and at_s - self._asked_s >= KEYFRAME_RETRY_S:
            self._asked_s = at_s
            self._send(NeedsKeyframe())

    def _use(self, arrivals: list[Any]) -> None:
        for arrival in arrivals:
            if isinstance(arrival, Frame):
                self._decode(arrival)

    def _decode(self, frame: Frame) -> None:
        if self._is_damaged and not frame.is_key:
            return
        if frame.temporal_id > 0:
            return  # no picture of the base layer refers to it
        captured_s = self.intake.wall_s(frame.ticks)
        if captured_s < self._sampled_s - 1.0:  # the clock was set back by a first sender report or a new stream
            self._sampled_s = float("-inf")
        try:
            pictures = self._decoder_for(self.intake.codec or Codec.VP8).decode(av.Packet(frame.data))
        except av.FFmpegError:
            self._is_damaged = True
            self._decoder = None
            return
        self._is_damaged = False
        if pictures and captured_s - self._sampled_s >= self._period_s:
            self._sampled_s = captured_s
            self._sample(pictures[-1], captured_s)

    def _decoder_for(self, codec: Codec) -> av.VideoCodecContext:
        if self._decoder is None or self._decodes is not codec:
            decoder = av.CodecContext.create(_DECODERS[codec], "r")
            if not isinstance(decoder, av.VideoCodecContext):
                raise TypeError(f"{codec} is not a video codec in this build of PyAV; install the wheel from PyPI.")
            decoder.thread_count = 1  # a thread more would delay each picture by one
            decoder.options = {"skip_loop_filter": "all"}
            self._decoder, self._decodes = decoder, codec
        return self._decoder

    def _sample(self, picture: av.VideoFrame, captured_s: float) -> None:
        width = min(self._width, picture.width)
        height = max(1, round(picture.height * width / picture.width))
        rgb = picture.reformat(width=width, height=height, format="rgb24").to_ndarray()
        sampled = SampledFrame(captured_s, width, height, rgb.tobytes())
        if not self._send(sampled):
            self._waiting = sampled


if __name__ == "__main__":
    run_worker(VideoWork)
