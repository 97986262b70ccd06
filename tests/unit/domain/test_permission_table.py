"""The permission table is total, and is the reviewed one in `golden/permissions.csv`."""

import csv
import io
from pathlib import Path

import pytest

from hearing_server.domain.lifecycle import TRANSITIONS, HearingState
from hearing_server.domain.permission_table import CHECKS, RULES, TARGETS, permission_rows
from hearing_server.domain.permissions import REASON_PARAMETERS, Action, ReasonCode
from hearing_server.domain.roles import Role
from hearing_server.domain.rooms import LOCATIONS

GOLDEN = Path(__file__).parent / "golden" / "permissions.csv"


def table_as_csv() -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("role", "action", "state", "allowed", "reason_code"))
    for row in permission_rows():
        writer.writerow((row.role, row.action, row.state, str(row.allowed).lower(), row.reason_code or ""))
    return out.getvalue()


def test_the_table_is_the_reviewed_one() -> None:
    """After a wanted change: `python -m tests.unit.domain.test_permission_table`, and review the difference."""
    assert table_as_csv() == GOLDEN.read_text(encoding="utf-8")


def test_the_table_is_total() -> None:
    assert set(RULES) == set(Action)
    assert len(list(permission_rows())) == len(Role) * len(Action) * len(HearingState)


def test_targets_and_checks_belong_to_known_actions() -> None:
    assert set(TARGETS) <= set(Action)
    assert set(CHECKS) <= set(Action)


def test_every_state_has_a_row_of_transitions_and_of_locations() -> None:
    assert set(TRANSITIONS) == set(HearingState)
    assert set(LOCATIONS) == set(HearingState)
    assert all(set(row) == set(Role) for row in LOCATIONS.values())


def test_every_reason_states_its_parameters() -> None:
    assert set(REASON_PARAMETERS) == set(ReasonCode)


@pytest.mark.parametrize(
    ("role", "action", "states"),
    [
        (Role.PRESIDING_JUDGE, Action.OPEN_CHECK_IN, "scheduled"),
        (Role.CLERK, Action.OPEN_CHECK_IN, "scheduled"),
        (Role.PRESIDING_JUDGE, Action.START, "check_in"),
        (Role.CLERK, Action.START, ""),
        (Role.PANEL_JUDGE, Action.START, ""),
        (Role.PRESIDING_JUDGE, Action.RECESS, "in_session"),
        (Role.PRESIDING_JUDGE, Action.RESUME, "recess interrupted"),
        (Role.PRESIDING_JUDGE, Action.CLOSE, "in_session recess interrupted"),
        (Role.CLERK, Action.CLOSE, ""),
        (Role.CLERK, Action.CANCEL, "scheduled check_in"),
        (Role.CLERK, Action.CALL_WITNESS, "in_session"),
        (Role.PANEL_JUDGE, Action.CALL_WITNESS, ""),
        (Role.PRESIDING_JUDGE, Action.RELEASE_WITNESS, "in_session recess interrupted"),
        (Role.CLERK, Action.MUTE_AND_LOCK, "check_in in_session recess interrupted"),
        (Role.PARTY, Action.MUTE_OTHER, ""),
        (Role.WITNESS, Action.MUTE_SELF, "check_in in_session recess interrupted closed"),
        (Role.OBSERVER, Action.SET_CAMERA, ""),
        (Role.CLERK, Action.TALK_TO, "check_in in_session recess interrupted closed"),
        (Role.PRESIDING_JUDGE, Action.TALK_TO, ""),
        (Role.OBSERVER, Action.LEAVE, " ".join(HearingState)),
        (Role.CLERK, Action.REISSUE_LINK, "scheduled check_in in_session recess interrupted closed"),
        (Role.COUNSEL, Action.REISSUE_LINK, ""),
    ],
)
def test_who_may_do_what_when(role: Role, action: Action, states: str) -> None:
    allowed = {row.state for row in permission_rows() if row.role is role and row.action is action and row.allowed}
    assert allowed == {HearingState(state) for state in states.split()}


if __name__ == "__main__":
    GOLDEN.write_text(table_as_csv(), encoding="utf-8")
