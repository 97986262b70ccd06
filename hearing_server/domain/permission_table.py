"""All permissions in one place: the table role x action x state, and the one answer to "may this person do that now?".

`decide` and the views ask the same function, so there is no second copy of a rule.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hearing_server.domain import attendance, lifecycle, links, muting, talk, testimony
from hearing_server.domain.ids import PersonId
from hearing_server.domain.lifecycle import HearingState
from hearing_server.domain.permissions import (
    Action,
    Check,
    ReasonCode,
    Refusal,
    Request,
    Rule,
    TargetRule,
    refuse,
)
from hearing_server.domain.roles import Role
from hearing_server.domain.state import Hearing, Person

RULES: Mapping[Action, Rule] = {
    **lifecycle.RULES,
    **attendance.RULES,
    **testimony.RULES,
    **muting.RULES,
    **talk.RULES,
    **links.RULES,
}

TARGETS: Mapping[Action, TargetRule] = {**testimony.TARGETS, **muting.TARGETS, **talk.TARGETS, **links.TARGETS}
"""Actions that concern another person, and whom they may never concern."""

CHECKS: Mapping[Action, Check] = {**testimony.CHECKS, **muting.CHECKS, **talk.CHECKS}


@dataclass(frozen=True, slots=True, kw_only=True)
class PermissionRow:
    role: Role
    action: Action
    state: HearingState
    allowed: bool
    reason_code: ReasonCode | None  # set exactly when not allowed


def may_ever(role: Role, action: Action) -> bool:
    return role in RULES[action].roles


def table_refusal(role: Role, action: Action, state: HearingState) -> Refusal | None:
    """What the table alone says. None: allowed, unless the situation forbids it."""
    if not may_ever(role, action):
        return refuse(ReasonCode.NOT_YOUR_ROLE, action=action, role=role)
    if state not in RULES[action].states:
        return refuse(ReasonCode.WRONG_STATE, action=action, state=state)
    return None


def permission_rows() -> Iterator[PermissionRow]:
    """The whole table, in the order of the enums."""
    for role in Role:
        for action in Action:
            for state in HearingState:
                refusal = table_refusal(role, action, state)
                yield PermissionRow(
                    role=role,
                    action=action,
                    state=state,
                    allowed=refusal is None,
                    reason_code=None if refusal is None else refusal.code,
                )


def refusal_of(hearing: Hearing, request: Request, *, by: PersonId) -> Refusal | None:
    """Whether `by` may have `request` now: None, or why not."""
    actor = hearing.people.get(by)
    if actor is None:
        return refuse(ReasonCode.UNKNOWN_PERSON, person_id=by)
    if not actor.is_present:
        return refuse(ReasonCode.NOT_PRESENT, person_id=by)
    refusal = table_refusal(actor.role, request.action, hearing.state)
    if refusal is not None:
        return refusal
    target = actor if request.person_id is None else hearing.people.get(request.person_id)
    if target is None:
        return refuse(ReasonCode.UNKNOWN_PERSON, person_id=str(request.person_id))
    if request.action in TARGETS:
        refusal = TARGETS[request.action](actor, target)
        if refusal is not None:
            return refusal
    check = CHECKS.get(request.action)
    return None if check is None else check(hearing, actor, target)


def requests_of(hearing: Hearing, actor: Person) -> Iterator[Request]:
    """Everything `actor` could ever ask for in this hearing, allowed now or not."""
    for action in Action:
        if not may_ever(actor.role, action):
            continue
        if action not in TARGETS:
            yield Request(action=action, person_id=None)
            continue
        for target in hearing.people.values():
            if TARGETS[action](actor, target) is None:
                yield Request(action=action, person_id=target.person_id)
