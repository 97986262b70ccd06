"""Who may do what, when, and the code given when they may not.

Each capability states its own rules with the shapes of this module; `permission_table` puts them together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from hearing_server.domain.ids import PersonId
from hearing_server.domain.roles import Role

if TYPE_CHECKING:  # capabilities are imported by `state`, so rules name it for the type checker only
    from hearing_server.domain.lifecycle import HearingState
    from hearing_server.domain.state import Hearing, Person


class Action(StrEnum):
    OPEN_CHECK_IN = "open_check_in"
    START = "start"
    RECESS = "recess"
    RESUME = "resume"
    CLOSE = "close"
    CANCEL = "cancel"
    CALL_WITNESS = "call_witness"
    RELEASE_WITNESS = "release_witness"
    MUTE_SELF = "mute_self"
    UNMUTE_SELF = "unmute_self"
    MUTE_OTHER = "mute_other"
    MUTE_AND_LOCK = "mute_and_lock"
    UNMUTE_OTHER = "unmute_other"
    SET_CAMERA = "set_camera"
    TALK_TO = "talk_to"
    END_TALK = "end_talk"
    LEAVE = "leave"
    REISSUE_LINK = "reissue_link"


class ReasonCode(StrEnum):
    """Why something is refused. Stable; each has a text in every locale file."""

    NOT_YOUR_ROLE = "not_your_role"
    WRONG_STATE = "wrong_state"
    UNKNOWN_PERSON = "unknown_person"
    NOT_YOURSELF = "not_yourself"
    NOT_PRESENT = "not_present"
    NOT_A_WITNESS = "not_a_witness"
    WITNESS_NOT_PRESENT = "witness_not_present"
    WITNESS_ALREADY_CALLED = "witness_already_called"
    WITNESS_NOT_ON_STAND = "witness_not_on_stand"
    ANOTHER_WITNESS_ON_STAND = "another_witness_on_stand"
    ALREADY_MUTED = "already_muted"
    NOT_MUTED = "not_muted"
    MUTE_LOCKED = "mute_locked"
    MUTED_BY_SELF = "muted_by_self"
    NOT_IN_COURTROOM = "not_in_courtroom"
    NOT_WAITING = "not_waiting"
    ALREADY_TALKING = "already_talking"
    NOT_TALKING = "not_talking"
    NO_CHANGE = "no_change"


REASON_PARAMETERS: Mapping[ReasonCode, frozenset[str]] = {
    ReasonCode.NOT_YOUR_ROLE: frozenset({"action", "role"}),
    ReasonCode.WRONG_STATE: frozenset({"action", "state"}),
    ReasonCode.UNKNOWN_PERSON: frozenset({"person_id"}),
    ReasonCode.NOT_YOURSELF: frozenset({"action"}),
    ReasonCode.NOT_PRESENT: frozenset({"person_id"}),
    ReasonCode.NOT_A_WITNESS: frozenset({"person_id"}),
    ReasonCode.WITNESS_NOT_PRESENT: frozenset({"person_id"}),
    ReasonCode.WITNESS_ALREADY_CALLED: frozenset({"person_id"}),
    ReasonCode.WITNESS_NOT_ON_STAND: frozenset({"person_id"}),
    ReasonCode.ANOTHER_WITNESS_ON_STAND: frozenset({"person_id"}),  # the one called or on the stand
    ReasonCode.ALREADY_MUTED: frozenset({"person_id"}),
    ReasonCode.NOT_MUTED: frozenset({"person_id"}),
    ReasonCode.MUTE_LOCKED: frozenset({"person_id"}),
    ReasonCode.MUTED_BY_SELF: frozenset({"person_id"}),
    ReasonCode.NOT_IN_COURTROOM: frozenset({"person_id"}),
    ReasonCode.NOT_WAITING: frozenset({"person_id"}),
    ReasonCode.ALREADY_TALKING: frozenset({"person_id"}),  # whom the clerk, or who with another clerk, is talking
    ReasonCode.NOT_TALKING: frozenset(),
    ReasonCode.NO_CHANGE: frozenset({"action"}),
}
"""What the text of each reason may use. Every refusal with the code carries exactly these."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The answer to a command that changes nothing. `parameters` are those of `REASON_PARAMETERS`."""

    code: ReasonCode
    parameters: Mapping[str, str]


def refuse(code: ReasonCode, **parameters: str) -> Refusal:
    return Refusal(code, parameters)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """`roles` may do it while the hearing is in one of `states`."""

    roles: frozenset[Role]
    states: frozenset[HearingState]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a command asks for, in the terms of the permission table."""

    action: Action
    person_id: PersonId | None  # whom it concerns; None: the hearing or oneself


Check = Callable[["Hearing", "Person", "Person"], Refusal | None]
"""(hearing, actor, target) -> what stands against it now. The target of an action without one is the actor."""

TargetRule = Callable[["Person", "Person"], Refusal | None]
"""(actor, target) -> what stands against it always, whatever the hearing's state: their roles."""
