"""Properties of every hearing, over random stories. Each has a control: a broken rule that the stories find."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, find, given, settings

from hearing_server.domain import hearing as aggregate
from hearing_server.domain import media_plan as plan_module
from hearing_server.domain import muting, seat_view, talk
from hearing_server.domain.commands import SYSTEM, PersonCommand
from hearing_server.domain.events import Event
from hearing_server.domain.hearing import Tick, decide, next_deadline
from hearing_server.domain.ids import PersonId
from hearing_server.domain.lifecycle import HearingState
from hearing_server.domain.media_plan import MediaPlan, media_plan
from hearing_server.domain.permissions import REASON_PARAMETERS, Refusal
from hearing_server.domain.roles import SENDING_ROLES, Role
from hearing_server.domain.rooms import Location, location
from hearing_server.domain.seat_view import seat_view as build_view
from hearing_server.domain.state import Hearing, Person
from hearing_server.domain.testimony import TestimonyState as State
from tests.unit.domain.faults import plan_faults, view_faults
from tests.unit.domain.random_hearings import ALL, STORIES, Moment, Story, every_state_between, play

STORIES_EACH = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
SEARCH = settings(
    max_examples=3000,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)


def story_where(is_so: Callable[[Moment], bool]) -> Story:
    """Find a story with a moment of which `is_so` is true. Raises hypothesis.errors.NoSuchExample."""
    return find(STORIES, lambda story: any(is_so(moment) for moment in play(story)), settings=SEARCH)


@STORIES_EACH
@given(STORIES)
def test_every_plan_is_lawful(story: Story) -> None:
    for moment in play(story):
        for hearing in every_state_between(moment):
            assert plan_faults(hearing, media_plan(hearing)) == set()


def _called_is_admitted(hearing: Hearing, person: Person) -> Location:
    if person.testimony is State.CALLED and person.is_present:
        return Location.COURTROOM
    return location(hearing, person)


def _released_stays(hearing: Hearing, person: Person) -> Location:
    if person.testimony is State.RELEASED and person.is_present and hearing.state is HearingState.IN_SESSION:
        return Location.COURTROOM
    return location(hearing, person)


def _stand_in_recess(hearing: Hearing, person: Person) -> Location:
    if person.testimony is State.TESTIFYING and person.is_present:
        return Location.COURTROOM
    return location(hearing, person)


def _lost_stays(hearing: Hearing, person: Person) -> Location:
    return location(hearing, replace(person, presence=person.presence.PRESENT))


def _observer_joins(hearing: Hearing, person: Person) -> Location:
    where = location(hearing, person)
    return Location.COURTROOM if where is Location.GALLERY else where


PLAN_MUTANTS: dict[str, tuple[str, object]] = {
    "secluded_witness_receives": ("location", _called_is_admitted),
    "secluded_witness_is_heard": ("location", _released_stays),
    "courtroom_is_not_connected": ("in_courtroom", lambda hearing: ()),
    "absent_is_connected": ("location", _lost_stays),
    "observer_receives_out_of_session": ("location", _observer_joins),
    "observer_sends": ("SENDING_ROLES", frozenset(Role)),
    "muted_is_heard": ("_sends", lambda person, kind: person.role in SENDING_ROLES),
    "tap_of_a_muted_stream": ("_sends", lambda person, kind: person.role in SENDING_ROLES),
    "silent_state_connects_seats": ("LIVE_COURTROOM", frozenset(HearingState)),
    "closed_hearing_connects": ("CLERK_SEES_WAITING", frozenset(HearingState)),
    "clerk_in_talk_is_in_court": (
        "in_courtroom",
        lambda hearing: tuple(p for p in hearing.people.values() if location(hearing, p) is Location.COURTROOM),
    ),
}


@pytest.mark.parametrize("fault", PLAN_MUTANTS)
def test_control_a_broken_plan_is_found(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name, broken = PLAN_MUTANTS[fault]
    if fault == "observer_sends":
        monkeypatch.setattr(plan_module, "location", _observer_joins)
    monkeypatch.setattr(plan_module, name, broken)
    story_where(lambda moment: fault in plan_faults(moment.after, media_plan(moment.after)))


def test_control_a_talk_that_outlives_its_reason_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(talk, "is_possible", lambda hearing, clerk, person: True)
    story_where(lambda moment: "absent_is_connected" in plan_faults(moment.after, media_plan(moment.after)))


@pytest.mark.parametrize(
    ("fault", "spoil"),
    [
        ("publishers_are_not_what_is_needed", lambda plan: replace(plan, publishers=frozenset())),
        ("courtroom_is_not_recorded", lambda plan: replace(plan, taps=frozenset())),
        ("courtroom_is_not_connected", lambda plan: MediaPlan(frozenset(), frozenset(), frozenset())),
    ],
)
def test_control_a_plan_with_too_little_is_found(fault: str, spoil: Callable[[MediaPlan], MediaPlan]) -> None:
    story_where(lambda moment: fault in plan_faults(moment.after, spoil(media_plan(moment.after))))


@settings(STORIES_EACH, max_examples=30)
@given(STORIES)
def test_every_view_is_lawful_and_lists_exactly_what_is_accepted(story: Story) -> None:
    for moment in play(story):
        if isinstance(moment.outcome, Refusal):
            continue
        plan = media_plan(moment.after)
        for viewer in ALL:
            assert view_faults(moment.after, viewer, build_view(moment.after, viewer, plan), plan) == set()


VIEW_MUTANTS: dict[str, tuple[object, str, object]] = {
    "secluded_witness_sees_a_list": (seat_view, "_visible_to", lambda hearing, viewer: hearing.people.values()),
    "waiting_witness_is_shown": (seat_view, "_visible_to", lambda hearing, viewer: hearing.people.values()),
    "seat_is_missing": (seat_view, "_visible_to", lambda hearing, viewer: ()),
    "received_streams_are_not_shown": (seat_view, "_visible_to", lambda hearing, viewer: ()),
    "view_and_decision_differ": (seat_view, "refusal_of", lambda hearing, request, *, by: None),
    "accepted_but_not_listed": (seat_view, "requests_of", lambda hearing, viewer: ()),
}


@pytest.mark.parametrize("fault", VIEW_MUTANTS)
def test_control_a_broken_view_is_found(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(*VIEW_MUTANTS[fault])

    def is_found(moment: Moment) -> bool:
        plan = media_plan(moment.after)
        return any(
            fault in view_faults(moment.after, viewer, build_view(moment.after, viewer, plan), plan) for viewer in ALL
        )

    story_where(is_found)


@settings(STORIES_EACH, max_examples=60)
@given(STORIES)
def test_a_refusal_changes_nothing_and_gives_its_parameters(story: Story) -> None:
    for moment in play(story):
        if isinstance(moment.outcome, Refusal):
            assert moment.after is moment.before
            assert set(moment.outcome.parameters) == REASON_PARAMETERS[moment.outcome.code]


@settings(STORIES_EACH, max_examples=60)
@given(STORIES)
def test_a_restart_rebuilds_the_hearing_and_its_deadline_from_the_log(story: Story) -> None:
    for moment in play(story):
        rebuilt = moment.stage.rebuilt()
        assert rebuilt == moment.after
        assert next_deadline(rebuilt) == next_deadline(moment.after)


def test_control_a_state_changed_without_an_event_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def changes_in_place(hearing: Hearing, command: object, by: PersonId, at: datetime) -> tuple[Event, ...]:
        object.__setattr__(hearing.person(by), "is_camera_on", False)
        return ()

    broken: dict[type[PersonCommand], Callable[..., aggregate.Decision]] = {**aggregate.PERSON_COMMANDS}
    broken[muting.SetCamera] = changes_in_place
    monkeypatch.setattr(aggregate, "PERSON_COMMANDS", broken)
    story_where(lambda moment: moment.stage.rebuilt() != moment.after)


@settings(STORIES_EACH, max_examples=60)
@given(STORIES)
def test_after_a_tick_nothing_is_due_any_more(story: Story) -> None:
    for moment in play(story):
        at = moment.stage.at
        if isinstance(moment.step.command, Tick) and moment.step.by == SYSTEM:
            due = next_deadline(moment.after)
            assert due is None or due > at
            assert decide(moment.after, Tick(), by=SYSTEM, at=at) == ()


def test_control_without_a_tick_something_is_due() -> None:
    story_where(lambda moment: (due := next_deadline(moment.after)) is not None and due <= moment.stage.at)


@settings(STORIES_EACH, max_examples=60)
@given(STORIES)
def test_every_event_survives_being_written_and_read(story: Story) -> None:
    for moment in play(story):
        if isinstance(moment.outcome, Refusal):
            continue
        for event in moment.outcome:
            assert msgspec.json.decode(msgspec.json.encode(event), type=type(event)) == event


INTERESTING: dict[str, Callable[[Moment], bool]] = {
    "on_the_stand": lambda m: any(p.testimony is State.TESTIFYING for p in m.after.people.values()),
    "recalled": lambda m: any(p.testimony_before_call is State.RELEASED for p in m.after.people.values()),
    "talk_in_session": lambda m: bool(m.after.talks) and m.after.state is HearingState.IN_SESSION,
    "interrupted": lambda m: m.before.state is HearingState.IN_SESSION and m.after.state is HearingState.INTERRUPTED,
    "locked_on_the_stand": lambda m: any(
        p.testimony is State.TESTIFYING and p.court_mute is muting.CourtMute.LOCKED for p in m.after.people.values()
    ),
    "lost_on_the_stand": lambda m: any(
        p.testimony is State.TESTIFYING and p.presence is p.presence.LOST for p in m.after.people.values()
    ),
    "call_lapsed": lambda m: (
        not isinstance(m.outcome, Refusal) and any(event.type == "witness:call_lapsed" for event in m.outcome)
    ),
}


def test_the_stories_come_to_the_hard_cases() -> None:
    missing = dict(INTERESTING)

    @STORIES_EACH
    @given(STORIES)
    def watch(story: Story) -> None:
        for moment in play(story) if missing else ():
            for name in [name for name, is_so in missing.items() if is_so(moment)]:
                del missing[name]

    watch()
    assert not missing
