"""Events become JSON bodies and come back equal; what cannot be read says so."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import ClassVar, NewType

import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from hearing_server.domain.hearing import EVENT_TYPES
from hearing_server.records.event_chain import GENESIS, NewEvent, seal
from hearing_server.records.event_codec import UndecodableEventError, decode_event, encode_event
from hearing_server.records.text_rules import UnstorableValueError, check_body

Who = NewType("Who", str)


class Mood(StrEnum):
    CALM = "calm"
    LOUD = "loud"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    type: ClassVar[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    who: Who
    mood: Mood | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered(Event):
    type: ClassVar[str] = "people:gathered"
    at: datetime
    parts: tuple[Part, ...]
    moods: Mapping[Who, Mood]
    tags: frozenset[str] = frozenset()
    note: str = "none"


TYPES = {Gathered.type: Gathered}
EVENT = Gathered(
    at=datetime(2026, 11, 22, 9, 30, 0, 5, tzinfo=UTC),
    parts=(Part(who=Who("a")), Part(who=Who("b"), mood=Mood.LOUD)),
    moods={Who("b"): Mood.LOUD, Who("a"): Mood.CALM},
    tags=frozenset("zyxwvu"),
)


def test_an_event_comes_back_equal_through_json() -> None:
    body = json.loads(json.dumps(encode_event(EVENT)))
    assert decode_event(Gathered.type, body, TYPES) == EVENT


def test_a_body_is_json_that_can_be_kept_and_does_not_name_the_type() -> None:
    body = encode_event(EVENT)
    check_body(body)
    assert set(body) == {"at", "parts", "moods", "tags", "note"}
    assert body["tags"] == sorted("zyxwvu")
    assert body["parts"] == [{"who": "a", "mood": None}, {"who": "b", "mood": "loud"}]


def test_fields_that_an_older_version_did_not_write_take_their_defaults() -> None:
    body = {key: value for key, value in encode_event(EVENT).items() if key not in {"tags", "note"}}
    decoded = decode_event(Gathered.type, body, TYPES)
    assert (decoded.tags, decoded.note) == (frozenset(), "none")


def test_fields_that_a_newer_version_wrote_are_passed_over() -> None:
    assert decode_event(Gathered.type, {**encode_event(EVENT), "later": 1}, TYPES) == EVENT


@pytest.mark.parametrize(
    ("event_type", "change"),
    [("people:left", {}), (Gathered.type, {"parts": "no"}), (Gathered.type, {"moods": {"a": "furious"}})],
)
def test_what_cannot_be_read_says_so(event_type: str, change: dict[str, object]) -> None:
    with pytest.raises(UndecodableEventError):
        decode_event(event_type, {**encode_event(EVENT), **change}, TYPES)


@pytest.mark.parametrize("thing", [{"a": 1}, Gathered, None])
def test_only_dataclass_instances_are_events(thing: object) -> None:
    with pytest.raises(TypeError):
        encode_event(thing)


@pytest.mark.parametrize("event_type", EVENT_TYPES)
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_every_event_of_a_hearing_can_be_logged_and_read_again(event_type: str, data: st.DataObject) -> None:
    event_class = EVENT_TYPES[event_type]
    event = data.draw(st.from_type(event_class))
    try:
        logged = seal(GENESIS, 1, NewEvent(at=EVENT.at, actor="p", type=event.type, body=encode_event(event)))
    except UnstorableValueError:
        reject()
    assert decode_event(event_type, json.loads(json.dumps(logged.body)), EVENT_TYPES) == event
