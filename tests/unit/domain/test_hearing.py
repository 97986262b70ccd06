"""The aggregate: its first event, its tables of commands and events, and what they share with the messages."""

import dataclasses
import re
from collections.abc import Iterator
from datetime import datetime
from enum import Enum
from typing import Any, get_args, get_type_hints

import pytest

from hearing_server.domain.commands import SYSTEM, Command, PersonCommand
from hearing_server.domain.events import Event
from hearing_server.domain.hearing import (
    COMMAND_TYPES,
    EVENT_TYPES,
    PERSON_COMMAND_TYPES,
    Tick,
    decide,
    initial,
    next_deadline,
)
from hearing_server.domain.ids import HearingId, PersonId
from hearing_server.domain.lifecycle import HearingState, Start
from hearing_server.domain.media_plan import media_plan
from hearing_server.domain.permissions import ReasonCode, Refusal
from hearing_server.domain.roles import Role
from hearing_server.domain.scheduling import InvalidScheduleError, PlannedPerson, ScheduleHearing
from hearing_server.domain.settings import Settings
from hearing_server.domain.testimony import CallWitness
from hearing_server.signalling import messages
from tests.unit.domain.builders import AT, HEARING, JUDGE, PEOPLE, PLAINTIFF, WITNESS, Stage, planned

JUDGE_ALONE = planned(JUDGE, Role.PRESIDING_JUDGE)


def _tagged(of: type[Command] | type[Event]) -> Iterator[str]:
    """Names of all classes with a tag below `of`. Not the classes: a dataclass with slots leaves its draft behind."""
    for child in of.__subclasses__():
        if "type" in vars(child):
            yield f"{child.__module__}.{child.__qualname__}"
        yield from _tagged(child)


def test_every_command_and_every_event_has_a_place_in_the_tables() -> None:
    for base, table in ((Command, COMMAND_TYPES), (Event, EVENT_TYPES)):
        assert {f"{kind.__module__}.{kind.__qualname__}" for kind in table.values()} == set(_tagged(base))


@pytest.mark.parametrize("event", EVENT_TYPES.values())
def test_events_are_named_and_shaped_for_the_log(event: type[Event]) -> None:
    assert re.fullmatch(r"[a-z]+:[a-z]+(_[a-z]+)*", event.type)
    assert dataclasses.fields(event) is not None
    assert _is_loggable(event)


def _is_loggable(kind: Any) -> bool:
    """Only ids, enums, booleans, integers, aware datetimes, commitments, and tuples of dataclasses of such."""
    if dataclasses.is_dataclass(kind):
        hints = get_type_hints(kind)
        return all(_is_loggable(hints[field.name]) for field in dataclasses.fields(kind))
    if arguments := get_args(kind):
        return all(_is_loggable(one) for one in arguments if one is not Ellipsis)
    kind = getattr(kind, "__supertype__", kind)
    return kind in {str, bool, int, datetime, type(None)} or issubclass(kind, Enum)


def test_control_a_field_the_log_cannot_hold_is_found() -> None:
    assert not _is_loggable(float)
    assert not _is_loggable(tuple[bytes, ...])


def test_every_message_has_its_command_with_the_same_fields() -> None:
    wanted = (*get_args(messages.Command), messages.ReissueLink)
    assert {message.__struct_config__.tag for message in wanted} == set(PERSON_COMMAND_TYPES)
    for message in wanted:
        command = PERSON_COMMAND_TYPES[str(message.__struct_config__.tag)]
        assert {field.name for field in dataclasses.fields(command)} == set(message.__struct_fields__) - {"id"}


def test_before_it_is_scheduled_a_hearing_refuses_everybody() -> None:
    hearing = initial(HEARING)
    answer = decide(hearing, Start(), by=JUDGE, at=AT)
    assert isinstance(answer, Refusal)
    assert answer.code is ReasonCode.UNKNOWN_PERSON
    assert next_deadline(hearing) is None
    assert decide(hearing, Tick(), by=SYSTEM, at=AT) == ()
    assert not media_plan(hearing).edges


def test_a_hearing_is_scheduled_once() -> None:
    stage = Stage()
    assert list(stage.hearing.people) == [person.person_id for person in PEOPLE]
    again = ScheduleHearing(hearing_id=HEARING, people=PEOPLE)
    assert stage.refuses(again).code is ReasonCode.NO_CHANGE
    assert stage.hearing.state is HearingState.SCHEDULED


def test_settings_come_from_the_first_event() -> None:
    stage = Stage(settings=Settings(call_notice_s=30))
    stage.advance_to(HearingState.IN_SESSION)
    stage.does(CallWitness(person_id=WITNESS))
    assert next_deadline(stage.hearing) is not None
    assert stage.tick(later_s=29) == ()
    assert len(stage.tick(later_s=1)) == 1


@pytest.mark.parametrize(
    ("people", "advice"),
    [
        ((), "presiding judge"),
        ((planned(PLAINTIFF, Role.PARTY),), "presiding judge"),
        ((JUDGE_ALONE, JUDGE_ALONE), "id of their own"),
        ((JUDGE_ALONE, planned(SYSTEM, Role.CLERK)), "id of their own"),
        ((JUDGE_ALONE, dataclasses.replace(JUDGE_ALONE, person_id=PersonId("other"))), "seat of their own"),
        ((JUDGE_ALONE, planned(PersonId("counsel"), Role.COUNSEL)), "represents a party"),
        ((JUDGE_ALONE, planned(PersonId("counsel"), Role.COUNSEL, None, PLAINTIFF)), "not a party"),
        ((JUDGE_ALONE, planned(PersonId("counsel"), Role.COUNSEL, None, JUDGE)), "not a party"),
        ((JUDGE_ALONE, planned(WITNESS, Role.WITNESS, None, JUDGE)), "represents a party"),
    ],
)
def test_a_list_that_cannot_be_a_hearing_is_an_error_with_advice(
    people: tuple[PlannedPerson, ...], advice: str
) -> None:
    with pytest.raises(InvalidScheduleError, match=advice):
        decide(initial(HEARING), ScheduleHearing(hearing_id=HEARING, people=people), by=SYSTEM, at=AT)


def test_a_schedule_belongs_to_its_hearing() -> None:
    with pytest.raises(InvalidScheduleError, match="given to"):
        decide(initial(HearingId("other")), ScheduleHearing(hearing_id=HEARING, people=PEOPLE), by=SYSTEM, at=AT)


def test_what_is_not_a_command_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(TypeError, match="is not a command"):
        decide(Stage().hearing, Command(), by=JUDGE, at=AT)


def test_a_command_of_a_person_cannot_be_made_without_saying_what_it_asks() -> None:
    with pytest.raises(TypeError, match="abstract"):
        PersonCommand()  # type: ignore[abstract]  # that is the point
