"""Court roles, and the questions other rules ask about them."""

from enum import StrEnum


class Role(StrEnum):
    """What a person is in one hearing. A person has exactly one role in a hearing."""

    PRESIDING_JUDGE = "presiding_judge"  # 审判长; also true of a judge who sits alone (独任审判员)
    PANEL_JUDGE = "panel_judge"  # 审判员
    CLERK = "clerk"  # 书记员
    PARTY = "party"  # 当事人
    COUNSEL = "counsel"  # 诉讼代理人
    WITNESS = "witness"  # 证人
    OBSERVER = "observer"  # 旁听人员


class Side(StrEnum):
    """Which side of the courtroom a party, or the party's counsel, sits on."""

    PLAINTIFF = "plaintiff"  # 原告
    DEFENDANT = "defendant"  # 被告


BENCH = frozenset({Role.PRESIDING_JUDGE, Role.PANEL_JUDGE})
COURT_OFFICERS = BENCH | {Role.CLERK}
SENDING_ROLES = frozenset(set(Role) - {Role.OBSERVER})


def sees_connection_health(role: Role) -> bool:
    """Whether `role` is told how well others are connected. Everybody is told it of themselves."""
    return role in COURT_OFFICERS


def directs_hearing(role: Role) -> bool:
    """Whether `role` directs the hearing: opens, recesses, resumes and closes it."""
    return role is Role.PRESIDING_JUDGE
