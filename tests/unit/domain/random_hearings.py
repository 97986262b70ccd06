"""Random stories of a hearing: what people ask for, what the system reports, and time that passes."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from hypothesis import strategies as st

from hearing_server.domain.attendance import Enter, LostCause, MarkLost
from hearing_server.domain.commands import SYSTEM, Command
from hearing_server.domain.composition import CompositionProblem, RecordNotComposed
from hearing_server.domain.events import Event
from hearing_server.domain.hearing import Tick, decide, evolve_all, next_deadline
from hearing_server.domain.ids import PersonId
from hearing_server.domain.lifecycle import Close, HearingState, OpenCheckIn, Recess, Resume, Start
from hearing_server.domain.muting import Mute
from hearing_server.domain.outages import MediaLostCause, RecordMediaLost, RecordMediaRestored
from hearing_server.domain.permissions import Refusal
from hearing_server.domain.recording import (
    GapCause,
    RecorderProblemCode,
    RecordRecorderProblem,
    RecordRecorderRecovered,
    RecordRecordingGap,
    RecordResolution,
)
from hearing_server.domain.roles import Role
from hearing_server.domain.rooms import StreamKind
from hearing_server.domain.state import Hearing
from hearing_server.domain.talk import TalkTo
from hearing_server.domain.testimony import CallWitness, ReleaseWitness
from tests.unit.domain.builders import (
    AT,
    CLERK,
    EVERYBODY,
    JUDGE,
    NOBODY,
    OTHER_WITNESS,
    PEOPLE,
    WITNESS,
    Stage,
    planned,
    seat,
)
from tests.unit.domain.every_command import every_command

SECOND_CLERK = PersonId("second-clerk")
CAST = (*PEOPLE, planned(SECOND_CLERK, Role.CLERK))
ALL = (*EVERYBODY, SECOND_CLERK)


@dataclass(frozen=True, slots=True)
class Step:
    by: PersonId
    command: Command
    after_s: float | None  # None: when the next deadline is reached


@dataclass(frozen=True, slots=True)
class Moment:
    """One step of a story with its outcome. `after` is `before` when the step was refused."""

    before: Hearing
    step: Step
    outcome: tuple[Event, ...] | Refusal
    after: Hearing
    stage: Stage


_GAP = RecordRecordingGap(seat_id=seat(JUDGE), number=1, kind=StreamKind.AUDIO, cause=GapCause.CRASH, opened_at=AT)
PERSON_STEPS = tuple((by, command) for by in (*ALL, NOBODY) for command in every_command((*ALL, NOBODY)))
SYSTEM_STEPS: tuple[tuple[PersonId, Command], ...] = (
    *((SYSTEM, Enter(person_id=who)) for who in ALL),
    *((SYSTEM, MarkLost(person_id=who, cause=cause)) for who in ALL for cause in LostCause),
    (SYSTEM, RecordMediaLost(cause=MediaLostCause.PROCESS_DIED)),
    (SYSTEM, RecordMediaRestored()),
    (SYSTEM, RecordRecorderProblem(code=RecorderProblemCode.STALLED_INPUT, seat_id=seat(WITNESS))),
    (SYSTEM, RecordRecorderRecovered(code=RecorderProblemCode.STALLED_INPUT, seat_id=seat(WITNESS))),
    (SYSTEM, _GAP),
    (SYSTEM, RecordResolution(seat_id=seat(JUDGE), number=1, changed_at=AT, width=640, height=360)),
    (SYSTEM, RecordNotComposed(seat_id=seat(JUDGE), segments=(1,), problem=CompositionProblem.SEGMENT_MISSING)),
)
# Without these most stories would be refusals and never come to a testimony.
LIKELY_STEPS: tuple[tuple[PersonId, Command], ...] = (
    (JUDGE, OpenCheckIn()),
    (JUDGE, Start()),
    (JUDGE, Start()),
    (JUDGE, Recess()),
    (JUDGE, Resume()),
    (JUDGE, Resume()),
    (JUDGE, Close()),
    *((JUDGE, CallWitness(person_id=who)) for who in (WITNESS, WITNESS, OTHER_WITNESS)),
    *((JUDGE, ReleaseWitness(person_id=who)) for who in (WITNESS, OTHER_WITNESS)),
    *((CLERK, TalkTo(person_id=who)) for who in (WITNESS, OTHER_WITNESS)),
    (SECOND_CLERK, TalkTo(person_id=OTHER_WITNESS)),
    *((JUDGE, Mute(person_id=who, lock=True)) for who in (WITNESS, CLERK)),
    *((SYSTEM, Enter(person_id=who)) for who in (JUDGE, CLERK, WITNESS)),
    *((SYSTEM, MarkLost(person_id=who, cause=LostCause.NETWORK)) for who in (JUDGE, CLERK, WITNESS)),
)

_DELAYS = st.sampled_from((0.0, 0.0, 0.5, 1.0, 5.0, 10.0))
_TICKS = st.builds(lambda after_s: Step(SYSTEM, Tick(), after_s), st.one_of(st.none(), _DELAYS))
_STEPS = st.one_of(
    *(
        st.builds(lambda step, after_s: Step(step[0], step[1], after_s), st.sampled_from(steps), _DELAYS)
        for steps in (LIKELY_STEPS, PERSON_STEPS, SYSTEM_STEPS)
    ),
    _TICKS,
)
_CALL, _ADMIT = Step(JUDGE, CallWitness(person_id=WITNESS), 1.0), Step(SYSTEM, Tick(), None)
_RELEASE, _TALK = Step(JUDGE, ReleaseWitness(person_id=WITNESS), 1.0), Step(CLERK, TalkTo(person_id=WITNESS), 1.0)
_FAULT, _LOST = LostCause.NETWORK, (JUDGE, WITNESS, CLERK)
_BEGINNINGS = st.sampled_from(
    (
        (),
        (),
        (_CALL,),
        (_CALL, _ADMIT),
        (_CALL, _ADMIT, Step(JUDGE, Mute(person_id=WITNESS, lock=True), 1.0)),
        (_CALL, _ADMIT, _RELEASE),
        (_CALL, _ADMIT, _RELEASE, _CALL),
        (_TALK,),
        *((_CALL, Step(SYSTEM, MarkLost(person_id=who, cause=_FAULT), 1.0), _ADMIT) for who in _LOST),
        *((_CALL, _ADMIT, Step(SYSTEM, MarkLost(person_id=who, cause=_FAULT), 1.0), _ADMIT) for who in _LOST),
    )
)


@dataclass(frozen=True, slots=True)
class Story:
    begins: HearingState
    present: tuple[PersonId, ...]
    steps: tuple[Step, ...]


STORIES = st.builds(
    Story,
    st.sampled_from((*HearingState, *(HearingState.IN_SESSION,) * 12)),
    st.sampled_from([ALL, ALL, ALL, *(tuple(who for who in ALL if who != away) for away in ALL if away != JUDGE)]),
    st.builds(lambda first, then: (*first, *then), _BEGINNINGS, st.lists(_STEPS, min_size=8, max_size=30)),
)


def play(story: Story) -> Iterator[Moment]:
    """Give the steps of `story` one after another. Time never runs backwards."""
    stage = Stage(CAST, present=story.present)
    stage.advance_to(story.begins)
    for step in story.steps:
        due = next_deadline(stage.hearing)
        if step.after_s is not None:
            stage.at += timedelta(seconds=step.after_s)
        elif due is not None:
            stage.at = max(stage.at, due)
        before = stage.hearing
        outcome = decide(before, step.command, by=step.by, at=stage.at)
        if not isinstance(outcome, Refusal):
            stage.record(outcome)
        yield Moment(before, step, outcome, stage.hearing, stage)


def every_state_between(moment: Moment) -> Iterator[Hearing]:
    """The hearing after each single event of the step, as a reader of the log meets it."""
    yield moment.before
    if not isinstance(moment.outcome, Refusal):
        hearing = moment.before
        for event in moment.outcome:
            hearing = evolve_all(hearing, (event,), moment.stage.at)
            yield hearing
