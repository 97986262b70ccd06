"""What is logged of the files that are made of the segments, and which seats still have none."""

from dataclasses import replace

import pytest

from hearing_server.domain.composition import (
    CompositionProblem,
    RecordComposed,
    RecordingComposed,
    RecordingNotComposed,
    RecordNotComposed,
    uncomposed,
)
from hearing_server.domain.ids import SeatId
from hearing_server.domain.lifecycle import Close, HearingState
from hearing_server.domain.permissions import ReasonCode
from hearing_server.domain.recording import RecordSegmentClosed
from tests.unit.domain.builders import AT, JUDGE, PLAINTIFF, Stage, seat
from tests.unit.domain.test_recording import SEGMENT

COMPOSED = RecordComposed(seat_id=seat(JUDGE), segments=(1, 2), sha256="ab" * 32, size_bytes=5, starts_at=AT)
NOT_COMPOSED = RecordNotComposed(
    seat_id=seat(JUDGE), segments=(1, 2), problem=CompositionProblem.SEGMENT_CHANGED, number=2
)


@pytest.fixture
def stage() -> Stage:
    """A closed hearing with two segments of the judge."""
    stage = Stage.in_state(HearingState.IN_SESSION)
    for number in (1, 2):
        stage.does(RecordSegmentClosed(segment=replace(SEGMENT, number=number)))
    stage.does(Close())
    return stage


def test_a_result_is_logged_once_and_another_one_again(stage: Stage) -> None:
    assert uncomposed(stage.hearing) == {seat(JUDGE)}
    assert [type(event) for event in stage.does(COMPOSED)] == [RecordingComposed]
    assert uncomposed(stage.hearing) == frozenset()
    assert stage.refuses(COMPOSED).code is ReasonCode.NO_CHANGE
    assert [type(event) for event in stage.does(NOT_COMPOSED)] == [RecordingNotComposed]
    assert stage.refuses(NOT_COMPOSED).code is ReasonCode.NO_CHANGE
    assert stage.does(COMPOSED), "the segment was put back from a copy"
    assert stage.rebuilt() == stage.hearing


def test_a_segment_that_is_reported_later_makes_the_result_an_old_one(stage: Stage) -> None:
    stage.does(COMPOSED)
    stage.does(RecordSegmentClosed(segment=replace(SEGMENT, number=3)))
    stage.does(RecordSegmentClosed(segment=replace(SEGMENT, seat_id=seat(PLAINTIFF))))
    assert uncomposed(stage.hearing) == {seat(JUDGE), seat(PLAINTIFF)}


def test_a_seat_whose_segments_were_changed_is_not_tried_for_ever(stage: Stage) -> None:
    stage.does(NOT_COMPOSED)
    assert uncomposed(stage.hearing) == frozenset()


def test_a_seat_that_is_not_in_the_hearing_is_refused(stage: Stage) -> None:
    nobody = SeatId("seat-nobody")
    for command in (replace(COMPOSED, seat_id=nobody), replace(NOT_COMPOSED, seat_id=nobody)):
        assert stage.refuses(command).code is ReasonCode.UNKNOWN_PERSON
