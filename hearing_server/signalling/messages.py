"""What a browser may send. Every message but the first is refused until `authenticate` has succeeded.

`id` is chosen by the client and must increase on one connection; the answer (`ok` or `refused`) carries it.
"""

from typing import Annotated, Literal, get_args

from msgspec import Meta, Struct

MAX_MESSAGE_BYTES = 256 * 1024
MAX_SDP_CHARS = 128 * 1024

MessageId = Annotated[int, Meta(ge=1, le=2**53 - 1)]
IdText = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]
Token = Annotated[str, Meta(min_length=16, max_length=128)]
SdpText = Annotated[str, Meta(min_length=1, max_length=MAX_SDP_CHARS)]
ConnectionName = Literal["uplink", "downlink"]


class Message(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"):
    """Common shape of everything a client sends."""

    id: MessageId


class Authenticate(Message, frozen=True, tag="authenticate"):
    """First message of a connection. `resume_from` is the last event number the client has seen."""

    token: Token
    resume_from: Annotated[int, Meta(ge=0, le=2**53 - 1)] | None = None


class OpenCheckIn(Message, frozen=True, tag="open_check_in"): ...


class Start(Message, frozen=True, tag="start"):
    """宣布开庭: call the court to order."""


class Recess(Message, frozen=True, tag="recess"): ...


class Resume(Message, frozen=True, tag="resume"): ...


class Close(Message, frozen=True, tag="close"): ...


class Cancel(Message, frozen=True, tag="cancel"): ...


class CallWitness(Message, frozen=True, tag="call_witness"):
    person_id: IdText


class ReleaseWitness(Message, frozen=True, tag="release_witness"):
    person_id: IdText


class Mute(Message, frozen=True, tag="mute"):
    """Mute somebody, or oneself. `lock`: the person cannot undo it (court only)."""

    person_id: IdText
    lock: bool = False


class Unmute(Message, frozen=True, tag="unmute"):
    person_id: IdText


class SetCamera(Message, frozen=True, tag="set_camera"):
    is_on: bool


class TalkTo(Message, frozen=True, tag="talk_to"):
    """The clerk steps out of the courtroom's sound and talks with one waiting person."""

    person_id: IdText


class EndTalk(Message, frozen=True, tag="end_talk"): ...


class Leave(Message, frozen=True, tag="leave"): ...


class ReissueLink(Message, frozen=True, tag="reissue_link"):
    """Make a new personal link for somebody whose link was used up; the old link and session end."""

    person_id: IdText


class OpenMedia(Message, frozen=True, tag="open_media"):
    """Begin, or begin again, both peer connections of this seat. The server answers with offers."""


class Answer(Message, frozen=True, tag="answer"):
    """The browser's SDP answer to the `offer` notice with the same connection, epoch and negotiation."""

    connection: ConnectionName
    epoch: Annotated[int, Meta(ge=1, le=2**31)]
    negotiation: Annotated[int, Meta(ge=1, le=2**31)]
    sdp: SdpText


class Candidate(Message, frozen=True, tag="candidate"):
    """One trickled ICE candidate line (RFC 8840), without "a="."""

    connection: ConnectionName
    epoch: Annotated[int, Meta(ge=1, le=2**31)]
    candidate: Annotated[str, Meta(max_length=1024)]


class RequestStream(Message, frozen=True, tag="request_stream"):
    """Ask for a fresh key frame of a stream this seat receives; refused when it may not have the stream."""

    seat_id: IdText
    kind: Literal["audio", "video"]


Command = (
    OpenCheckIn
    | Start
    | Recess
    | Resume
    | Close
    | Cancel
    | CallWitness
    | ReleaseWitness
    | Mute
    | Unmute
    | SetCamera
    | TalkTo
    | EndTalk
    | Leave
)
"""Messages that the hearing itself decides on."""

MediaMessage = OpenMedia | Answer | Candidate | RequestStream

ClientMessage = Authenticate | Command | ReissueLink | MediaMessage

CLIENT_MESSAGES: tuple[type[Message], ...] = get_args(ClientMessage)
