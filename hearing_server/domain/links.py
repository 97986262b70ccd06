"""Personal links: the log says that a new one was made, and who made it. The link itself is never in the log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from hearing_server.domain.commands import TargetedCommand
from hearing_server.domain.events import Event
from hearing_server.domain.ids import PersonId
from hearing_server.domain.lifecycle import PRESIDING_AND_CLERK, HearingState
from hearing_server.domain.permissions import Action, ReasonCode, Refusal, Rule, TargetRule, refuse

if TYPE_CHECKING:
    from hearing_server.domain.state import Hearing, Person


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordLinkReissued(TargetedCommand):
    """Ask for it before making the link; when accepted, the older links and sessions of the seat are to end."""

    type: ClassVar[str] = "reissue_link"
    action: ClassVar[Action] = Action.REISSUE_LINK


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkReissued(Event):
    type: ClassVar[str] = "link:reissued"
    person_id: PersonId


RULES: Mapping[Action, Rule] = {
    Action.REISSUE_LINK: Rule(roles=PRESIDING_AND_CLERK, states=frozenset(set(HearingState) - {HearingState.CANCELLED}))
}


def _not_oneself(actor: Person, target: Person) -> Refusal | None:
    """A new link for oneself would end the very session that asks for it."""
    if target.person_id == actor.person_id:
        return refuse(ReasonCode.NOT_YOURSELF, action=Action.REISSUE_LINK)
    return None


TARGETS: Mapping[Action, TargetRule] = {Action.REISSUE_LINK: _not_oneself}


def reissue(hearing: Hearing, command: RecordLinkReissued, by: PersonId, at: datetime) -> tuple[Event, ...]:
    return (LinkReissued(person_id=command.person_id),)


def evolve(hearing: Hearing, event: LinkReissued, at: datetime) -> Hearing:
    hearing.person(event.person_id)
    return hearing
