"""What the relay offers. As the server always offers, payload types and extension ids are the same for everybody."""

from dataclasses import dataclass

from media.plan import Kind

OPUS, VP8, VP8_RTX, H264, H264_RTX = 111, 96, 97, 98, 99
MID_ID, AUDIO_LEVEL_ID, ABS_SEND_TIME_ID = 1, 2, 3
MID_BYTES = 3  # of every mid the relay offers, so that one can be written over another

CLOCK_RATE = {Kind.AUDIO: 48_000, Kind.VIDEO: 90_000}
RTX_OF = {VP8: VP8_RTX, H264: H264_RTX}
MEDIA_OF_RTX = {rtx: media for media, rtx in RTX_OF.items()}


@dataclass(frozen=True, slots=True)
class Codec:
    payload_type: int
    encoding: str  # as in a=rtpmap
    parameters: str  # as in a=fmtp, empty for none
    feedback: tuple[str, ...] = ()


_VIDEO_FEEDBACK = ("nack", "nack pli", "ccm fir", "goog-remb")

CODECS: dict[Kind, tuple[Codec, ...]] = {
    Kind.AUDIO: (Codec(OPUS, "opus/48000/2", "minptime=10;useinbandfec=1", ("nack",)),),
    Kind.VIDEO: (
        Codec(VP8, "VP8/90000", "", _VIDEO_FEEDBACK),
        Codec(VP8_RTX, "rtx/90000", f"apt={VP8}"),
        Codec(
            H264,
            "H264/90000",
            "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
            _VIDEO_FEEDBACK,
        ),
        Codec(H264_RTX, "rtx/90000", f"apt={H264}"),
    ),
}

EXTENSIONS: dict[Kind, tuple[tuple[int, str], ...]] = {
    Kind.AUDIO: (
        (MID_ID, "urn:ietf:params:rtp-hdrext:sdes:mid"),
        (AUDIO_LEVEL_ID, "urn:ietf:params:rtp-hdrext:ssrc-audio-level"),
        (ABS_SEND_TIME_ID, "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"),
    ),
    Kind.VIDEO: (
        (MID_ID, "urn:ietf:params:rtp-hdrext:sdes:mid"),
        (ABS_SEND_TIME_ID, "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"),
    ),
}
