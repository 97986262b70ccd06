"""Bodies of the HTTP interface."""

from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta, Struct

from hearing_server.signalling.notices import CaseView

LinkToken = Annotated[str, Meta(min_length=1, max_length=256)]


class LinkRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A personal link's token, as it stands behind "#" in the link."""

    link_token: LinkToken


class PeekReply(Struct, frozen=True, kw_only=True):
    """What the link opens. The link is not used up."""

    hearing_id: str
    person_id: str
    seat_id: str
    role: str
    name: str
    case: CaseView
    state: str


class EnterReply(Struct, frozen=True, kw_only=True):
    """The link is used up. The resume token belongs to one browser tab."""

    resume_token: str
    hearing_id: str
    person_id: str
    seat_id: str
    role: str


class ErrorReply(Struct, frozen=True, kw_only=True):
    code: str
    message: str
    parameters: Mapping[str, str] = {}


class HealthReply(Struct, frozen=True, kw_only=True):
    status: str
