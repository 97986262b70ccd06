"""Every command, replayed by everybody, aimed at everybody, in every situation: only what the permission table allows
succeeds, what is refused changes nothing, and a command sent twice does nothing the second time.

The table is the reviewed file, not the code. Where the table allows a command, the code may still refuse it because of
the situation, with one of the reasons of `BY_SITUATION`; the unit tests of each capability say when.
"""

import csv
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest

from hearing_server.domain import hearing as aggregate
from hearing_server.domain import permission_table, talk
from hearing_server.domain.attendance import Enter, LostCause, MarkLost, Presence
from hearing_server.domain.commands import SYSTEM, Command, PersonCommand
from hearing_server.domain.hearing import Tick, decide, evolve_all
from hearing_server.domain.ids import PersonId
from hearing_server.domain.lifecycle import HearingState
from hearing_server.domain.links import RecordLinkReissued
from hearing_server.domain.outages import MediaLostCause, RecordMediaLost, RecordMediaRestored
from hearing_server.domain.permissions import Action, ReasonCode, Refusal
from hearing_server.domain.recording import RecorderProblemCode, RecordRecorderProblem, RecordRecorderRecovered
from hearing_server.domain.roles import Role
from hearing_server.domain.scheduling import ScheduleHearing
from hearing_server.domain.state import Hearing, Person
from tests.unit.domain.builders import CLERK, EVERYBODY, HEARING, JUDGE, NOBODY, PEOPLE, PLAINTIFF, WITNESS
from tests.unit.domain.every_command import every_command
from tests.unit.hostile.situations import SITUATIONS

GOLDEN = Path(__file__).parent.parent / "domain" / "golden" / "permissions.csv"
FORGED = (NOBODY, PersonId(""), PersonId("JUDGE"), PersonId("judge "), PersonId("../judge"), PersonId("seat-judge"))
SYSTEM_ONLY: tuple[Command, ...] = (
    ScheduleHearing(hearing_id=HEARING, people=PEOPLE),
    Enter(person_id=JUDGE),
    Enter(person_id=NOBODY),
    MarkLost(person_id=JUDGE, cause=LostCause.NETWORK),
    MarkLost(person_id=WITNESS, cause=LostCause.SERVER_RESTART),
    RecordMediaLost(cause=MediaLostCause.PROCESS_DIED),
    RecordMediaRestored(),
    RecordRecorderProblem(code=RecorderProblemCode.DISK_FULL),
    RecordRecorderRecovered(code=RecorderProblemCode.DISK_FULL),
    Tick(),
)
R = ReasonCode
_MUTING_OTHERS = frozenset({R.NOT_YOUR_ROLE, R.NOT_IN_COURTROOM})  # a clerk and the bench; an observer
BY_SITUATION: dict[Action, frozenset[ReasonCode]] = {
    **dict.fromkeys(Action, frozenset()),
    Action.CALL_WITNESS: frozenset(
        {R.NOT_A_WITNESS, R.WITNESS_NOT_PRESENT, R.WITNESS_ALREADY_CALLED, R.ANOTHER_WITNESS_ON_STAND}
    ),
    Action.RELEASE_WITNESS: frozenset({R.NOT_A_WITNESS, R.WITNESS_NOT_ON_STAND}),
    Action.MUTE_SELF: frozenset({R.ALREADY_MUTED}),
    Action.UNMUTE_SELF: frozenset({R.NOT_MUTED, R.MUTE_LOCKED}),
    Action.MUTE_OTHER: _MUTING_OTHERS | {R.ALREADY_MUTED},
    Action.MUTE_AND_LOCK: _MUTING_OTHERS | {R.ALREADY_MUTED, R.NOT_YOURSELF},
    Action.UNMUTE_OTHER: _MUTING_OTHERS | {R.NOT_MUTED, R.MUTED_BY_SELF},
    Action.SET_CAMERA: frozenset({R.NO_CHANGE}),
    Action.TALK_TO: frozenset({R.NOT_WAITING, R.ALREADY_TALKING}),
    Action.END_TALK: frozenset({R.NOT_TALKING}),
    Action.REISSUE_LINK: frozenset({R.NOT_YOURSELF}),
}
"""Why an action the table allows may still be refused. Nothing else may."""


def reviewed_table() -> dict[tuple[Role, Action, HearingState], ReasonCode | None]:
    with GOLDEN.open(encoding="utf-8", newline="") as file:
        return {
            (Role(row["role"]), Action(row["action"]), HearingState(row["state"])): (
                ReasonCode(row["reason_code"]) if row["reason_code"] else None
            )
            for row in csv.DictReader(file)
        }


TABLE = reviewed_table()


def cases() -> Iterator[tuple[PersonId, Command]]:
    for by in (*EVERYBODY, *FORGED, SYSTEM):
        yield from ((by, command) for command in every_command((*EVERYBODY, *FORGED, SYSTEM)))
        if by != SYSTEM:
            yield from ((by, command) for command in SYSTEM_ONLY)


def expected(hearing: Hearing, by: PersonId, command: Command) -> frozenset[ReasonCode | None]:
    """Which answers the reviewed table leaves open; None: accepted."""
    actor = hearing.people.get(by)
    if actor is None:
        return frozenset({ReasonCode.UNKNOWN_PERSON})
    if not isinstance(command, PersonCommand):
        return frozenset({ReasonCode.NOT_YOUR_ROLE})
    if actor.presence is not Presence.PRESENT:
        return frozenset({ReasonCode.NOT_PRESENT})
    request = command.request(by)
    refused = TABLE[actor.role, request.action, hearing.state]
    if refused is not None:
        return frozenset({refused})
    if request.person_id is not None and request.person_id not in hearing.people:
        return frozenset({ReasonCode.UNKNOWN_PERSON})
    return BY_SITUATION[request.action] | {None}


def wrong_answers(situation: str, counts: Counter[str]) -> list[str]:
    """Try all cases in one situation, each accepted one twice, and return what went wrong."""
    stage, twin = SITUATIONS[situation](), SITUATIONS[situation]()
    wrong = []
    for by, command in cases():
        answer = decide(stage.hearing, command, by=by, at=stage.at)
        code = answer.code if isinstance(answer, Refusal) else None
        counts["refused" if code else "permitted"] += 1
        if code not in expected(stage.hearing, by, command):
            wrong.append(f"{by} {command}: {code or 'accepted'}")
        if isinstance(answer, Refusal) or isinstance(command, RecordLinkReissued):  # a second new link is a new link
            continue
        again = decide(evolve_all(stage.hearing, answer, stage.at), command, by=by, at=stage.at)
        counts["refused" if isinstance(again, Refusal) else "permitted"] += 1
        if not isinstance(again, Refusal):
            wrong.append(f"{by} {command}: accepted twice")
    if stage.hearing != twin.hearing or stage.rebuilt() != twin.hearing:
        wrong.append("deciding changed the hearing")
    return wrong


@pytest.mark.parametrize("situation", SITUATIONS)
def test_only_the_table_permits(situation: str, tally: Counter[str]) -> None:
    assert wrong_answers(situation, tally) == []


def test_control_a_table_without_roles_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(permission_table, "may_ever", lambda role, action: True)
    found = wrong_answers("in_session", Counter())
    assert f"{PLAINTIFF} Close(): accepted" in found
    assert f"{WITNESS} CallWitness(person_id='{WITNESS}'): accepted" in found


def test_control_a_forgotten_presence_check_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Person, "is_present", True)
    assert f"{CLERK} ReleaseWitness(person_id='{WITNESS}'): accepted" in wrong_answers("people_lost", Counter())


def test_control_a_command_without_effect_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    broken: dict[type[PersonCommand], Callable[..., aggregate.Decision]] = {**aggregate.PERSON_COMMANDS}
    broken[talk.TalkTo] = lambda hearing, command, by, at: ()
    monkeypatch.setattr(aggregate, "PERSON_COMMANDS", broken)
    assert f"{CLERK} TalkTo(person_id='{WITNESS}'): accepted twice" in wrong_answers("in_session", Counter())


def test_control_a_command_that_writes_in_place_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def writes_in_place(hearing: Hearing, command: talk.TalkTo, by: PersonId, at: datetime) -> aggregate.Decision:
        object.__setattr__(hearing, "talks", {by: command.person_id})
        return ()

    broken: dict[type[PersonCommand], Callable[..., aggregate.Decision]] = {**aggregate.PERSON_COMMANDS}
    broken[talk.TalkTo] = writes_in_place
    monkeypatch.setattr(aggregate, "PERSON_COMMANDS", broken)
    assert "deciding changed the hearing" in wrong_answers("in_session", Counter())
