"""What is logged of the record, and what each seat is told about it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from hearing_server.domain.events import Event
from hearing_server.domain.ids import PersonId, SeatId
from hearing_server.domain.lifecycle import Close, HearingState, Recess, Resume
from hearing_server.domain.permissions import ReasonCode
from hearing_server.domain.recording import (
    LATE_START_S,
    GapCause,
    RecorderProblemCode,
    RecordingGapClosed,
    RecordingGapOpened,
    RecordingResolutionChanged,
    RecordingSegmentClosed,
    RecordingStartedLate,
    RecordRecorderProblem,
    RecordRecorderRecovered,
    RecordRecordingGap,
    RecordResolution,
    RecordSegmentClosed,
    RecordSegmentOpened,
    Segment,
    SegmentEnd,
)
from hearing_server.domain.rooms import StreamKind
from hearing_server.domain.seat_view import seat_view
from hearing_server.domain.views import RecordingState, RecordingView
from tests.unit.domain.builders import AT, CLERK, EVERYBODY, JUDGE, PLAINTIFF, WITNESS, Stage, seat

P = RecorderProblemCode
SEGMENT = Segment(
    seat_id=seat(JUDGE),
    number=1,
    ended=SegmentEnd.CLOSED,
    sha256="ab" * 32,
    size_bytes=1000,
    opened_at=AT,
    first_at=AT,
    last_at=AT + timedelta(seconds=50),
    audio_frames=2500,
    video_frames=1250,
    is_aligned=True,
)
GAP = RecordRecordingGap(
    seat_id=seat(JUDGE), number=1, kind=StreamKind.AUDIO, cause=GapCause.CRASH, opened_at=AT - timedelta(seconds=3)
)


@pytest.fixture
def stage() -> Stage:
    return Stage.in_state(HearingState.IN_SESSION)


def told(stage: Stage, person_id: PersonId) -> RecordingView:
    return seat_view(stage.hearing, person_id).recording


def types(events: tuple[Event, ...]) -> list[type[Event]]:
    return [type(event) for event in events]


def test_a_segment_is_logged_once_however_often_it_is_reported(stage: Stage) -> None:
    assert stage.does(RecordSegmentClosed(segment=SEGMENT)) == (RecordingSegmentClosed(segment=SEGMENT),)
    again = RecordSegmentClosed(segment=replace(SEGMENT, sha256="cd" * 32))
    assert stage.refuses(again).code is ReasonCode.NO_CHANGE
    stage.does(RecordSegmentClosed(segment=replace(SEGMENT, number=2)))
    stage.does(RecordSegmentClosed(segment=replace(SEGMENT, seat_id=seat(PLAINTIFF))))
    assert stage.hearing.recording.segments == {seat(JUDGE): {1, 2}, seat(PLAINTIFF): {1}}
    assert stage.rebuilt() == stage.hearing


def test_a_late_start_is_logged_once_with_when_it_was_expected(stage: Stage) -> None:
    in_time = RecordSegmentOpened(
        seat_id=seat(JUDGE), number=1, opened_at=AT, expected_at=AT - timedelta(seconds=LATE_START_S - 0.1)
    )
    assert stage.refuses(in_time).code is ReasonCode.NO_CHANGE, "control: this is how it always begins"
    late = replace(in_time, expected_at=AT - timedelta(seconds=7))
    assert stage.does(late) == (
        RecordingStartedLate(seat_id=seat(JUDGE), number=1, expected_at=AT - timedelta(seconds=7), started_at=AT),
    )
    assert stage.refuses(late).code is ReasonCode.NO_CHANGE
    assert stage.refuses(replace(late, number=2, expected_at=None)).code is ReasonCode.NO_CHANGE
    assert stage.rebuilt() == stage.hearing


def test_each_size_of_pictures_is_logged_when_it_begins(stage: Stage) -> None:
    opened = RecordSegmentOpened(seat_id=seat(JUDGE), number=1, opened_at=AT, width=640, height=360)
    begins = RecordingResolutionChanged(seat_id=seat(JUDGE), number=1, changed_at=AT, width=640, height=360)
    assert stage.does(opened) == (begins,)
    assert stage.refuses(replace(opened, number=2)).code is ReasonCode.NO_CHANGE, "the next segment is as the last one"
    smaller = RecordResolution(seat_id=seat(JUDGE), number=2, changed_at=AT, width=320, height=180)
    assert types(stage.does(smaller)) == [RecordingResolutionChanged]
    assert stage.refuses(smaller).code is ReasonCode.NO_CHANGE
    assert types(stage.does(replace(opened, number=3))) == [RecordingResolutionChanged]
    assert types(stage.does(replace(smaller, seat_id=seat(PLAINTIFF)))) == [RecordingResolutionChanged]
    assert stage.refuses(replace(opened, number=4, width=None, height=None)).code is ReasonCode.NO_CHANGE
    assert stage.rebuilt() == stage.hearing


def test_the_last_segments_come_after_the_hearing_is_closed(stage: Stage) -> None:
    stage.does(Close())
    assert stage.does(RecordSegmentClosed(segment=SEGMENT))


def test_a_gap_opens_and_closes_once(stage: Stage) -> None:
    assert types(stage.does(GAP)) == [RecordingGapOpened]
    assert stage.refuses(GAP).code is ReasonCode.NO_CHANGE
    closed = replace(GAP, closed_at=AT)
    assert types(stage.does(closed)) == [RecordingGapClosed]
    assert stage.refuses(closed).code is ReasonCode.NO_CHANGE
    assert types(stage.does(replace(closed, number=2))) == [RecordingGapOpened, RecordingGapClosed]
    assert not stage.hearing.recording.open_gaps
    assert stage.rebuilt() == stage.hearing


def test_a_seat_that_is_not_in_the_hearing_is_refused(stage: Stage) -> None:
    nobody = SeatId("seat-nobody")
    for command in (
        RecordSegmentClosed(segment=replace(SEGMENT, seat_id=nobody)),
        RecordSegmentOpened(seat_id=nobody, number=1, opened_at=AT, width=640, height=360),
        RecordResolution(seat_id=nobody, number=1, changed_at=AT, width=640, height=360),
        replace(GAP, seat_id=nobody),
        RecordRecorderProblem(code=P.STALLED_INPUT, seat_id=nobody),
    ):
        assert stage.refuses(command).code is ReasonCode.UNKNOWN_PERSON


def test_everybody_is_told_that_they_are_recorded_and_when_not() -> None:
    stage = Stage()
    expected = {
        HearingState.SCHEDULED: RecordingState.OFF,
        HearingState.CHECK_IN: RecordingState.OFF,
        HearingState.IN_SESSION: RecordingState.RECORDING,
        HearingState.RECESS: RecordingState.PAUSED,
        HearingState.INTERRUPTED: RecordingState.PAUSED,
        HearingState.CLOSED: RecordingState.OFF,
        HearingState.CANCELLED: RecordingState.OFF,
    }
    for state, recording in expected.items():
        stage = Stage.in_state(state)
        for who in EVERYBODY:
            view = told(stage, who)
            assert (view.state, view.since) == (recording, stage.hearing.state_since)


def test_a_recorder_that_fails_is_a_problem_for_all_until_it_is_over(stage: Stage) -> None:
    stage.does(RecordRecorderProblem(code=P.NOT_RESPONDING))
    assert stage.refuses(RecordRecorderProblem(code=P.NOT_RESPONDING)).code is ReasonCode.NO_CHANGE
    for who in EVERYBODY:
        view = told(stage, who)
        assert (view.state, view.problem_code, view.since) == (RecordingState.PROBLEM, P.NOT_RESPONDING, stage.at)
    stage.does(RecordRecorderRecovered(code=P.NOT_RESPONDING))
    assert stage.refuses(RecordRecorderRecovered(code=P.NOT_RESPONDING)).code is ReasonCode.NO_CHANGE
    assert told(stage, WITNESS).state is RecordingState.RECORDING


def test_whose_record_fails_is_told_to_the_court_only(stage: Stage) -> None:
    stage.does(RecordRecorderProblem(code=P.STALLED_INPUT, seat_id=seat(PLAINTIFF)))
    for who in (JUDGE, CLERK):
        view = told(stage, who)
        assert (view.problem_code, view.problem_seat_id) == (P.STALLED_INPUT, seat(PLAINTIFF))
        assert view.state is RecordingState.RECORDING
    assert told(stage, WITNESS).problem_code is None
    stage.does(RecordRecorderProblem(code=P.DISK_FULL, seat_id=seat(PLAINTIFF)))
    assert told(stage, JUDGE).problem_code is P.DISK_FULL, "the gravest is told"
    assert told(stage, JUDGE).problem_seat_id == seat(PLAINTIFF)
    witness = told(stage, WITNESS)
    assert (witness.state, witness.problem_code, witness.problem_seat_id) == (RecordingState.PROBLEM, P.DISK_FULL, None)


def test_in_a_recess_the_court_learns_of_a_problem_before_it_resumes(stage: Stage) -> None:
    stage.does(Recess())
    stage.does(RecordRecorderProblem(code=P.DISK_FULL))
    view = told(stage, JUDGE)
    assert (view.state, view.problem_code) == (RecordingState.PAUSED, P.DISK_FULL)
    stage.does(Resume())
    assert told(stage, JUDGE).state is RecordingState.PROBLEM
    stage.does(Close())
    assert told(stage, JUDGE).problem_code is None
