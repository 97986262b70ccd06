"""What the server sends to a browser."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, get_args

from msgspec import Struct

from hearing_server.domain.views import HearingView


class Notice(Struct, frozen=True, kw_only=True, tag_field="type"):
    """Common shape of everything the server sends."""


class CaseView(Struct, frozen=True, kw_only=True):
    number: str
    title: str
    court_name: str


class Welcome(Notice, frozen=True, tag="welcome"):
    """Authentication succeeded; a `view` follows."""

    hearing_id: str
    person_id: str
    seat_id: str
    role: str
    server_time: datetime


class View(Notice, frozen=True, tag="view"):
    """The whole hearing as this seat may see it. It replaces every earlier view."""

    view: HearingView
    names: Mapping[str, str]  # person_id -> name, only of people in `view`
    case: CaseView
    server_time: datetime


class Ok(Notice, frozen=True, tag="ok"):
    id: int


class Refused(Notice, frozen=True, tag="refused"):
    """`id` is None when the message could not be read at all."""

    id: int | None
    code: str
    message: str  # English, for logs and tools; the page shows its own text for `code`
    parameters: Mapping[str, str] = {}


class StreamLabel(Struct, frozen=True, kw_only=True):
    """Which seat's stream arrives on which media section of the downlink."""

    mid: str
    seat_id: str
    kind: Literal["audio", "video"]


class IceServer(Struct, frozen=True, kw_only=True):
    """A TURN server with a credential for this seat (W3C RTCIceServer)."""

    urls: tuple[str, ...]
    username: str
    credential: str


class Offer(Notice, frozen=True, tag="offer"):
    """An SDP offer of the server. A new `epoch` means: drop the old peer connection, make a new one."""

    connection: Literal["uplink", "downlink"]
    epoch: int
    negotiation: int
    sdp: str
    ice_servers: tuple[IceServer, ...] = ()  # for browsers that cannot reach the relay directly


class Streams(Notice, frozen=True, tag="streams"):
    """The current use of the downlink's media sections; sections not listed carry nothing."""

    epoch: int
    streams: tuple[StreamLabel, ...]


class MediaState(Notice, frozen=True, tag="media_state"):
    """`lost`: the media process of this courtroom died and is being restarted; offers follow."""

    state: Literal["connecting", "connected", "failed", "lost"]
    connection: Literal["uplink", "downlink"] | None = None
    epoch: int | None = None  # of the connection it is about; a page drops what concerns an older one


HealthGrade = Literal["good", "poor", "bad"]


class Health(Notice, frozen=True, tag="health"):
    """How well a seat is connected: told to the seat itself and to the officers of the court, when it changes.

    None: not known. While `is_video_paused` the seat is sent sound only.
    """

    seat_id: str
    uplink: HealthGrade | None
    downlink: HealthGrade | None
    is_video_paused: bool


class Link(Notice, frozen=True, tag="link"):
    """Answer to `reissue_link`: the new personal link, shown to the clerk once."""

    id: int
    person_id: str
    url: str


GoodbyeCode = Literal["left", "replaced", "revoked", "hearing_over", "too_slow", "shutting_down"]


class Goodbye(Notice, frozen=True, tag="goodbye"):
    """The server ends this connection and says why."""

    code: GoodbyeCode


ServerNotice = Welcome | View | Ok | Refused | Offer | Streams | MediaState | Health | Link | Goodbye
SERVER_NOTICES: tuple[type[Notice], ...] = get_args(ServerNotice)
