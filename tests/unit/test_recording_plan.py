"""What the recorder is told when the hearing changes, and what the hearing is told when the recorder reports."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from hearing_server.domain.attendance import Leave, LostCause, MarkLost
from hearing_server.domain.ids import PersonId
from hearing_server.domain.lifecycle import Close, HearingState, Recess, Resume
from hearing_server.domain.muting import Mute, SetCamera, Unmute
from hearing_server.domain.recording import (
    GapCause,
    RecorderProblemCode,
    RecordRecorderProblem,
    RecordRecorderRecovered,
    RecordRecordingGap,
    RecordResolution,
    RecordSegmentClosed,
    RecordSegmentOpened,
)
from hearing_server.domain.rooms import StreamKind
from hearing_server.domain.talk import TalkTo
from hearing_server.domain.testimony import ReleaseWitness
from hearing_server.services import recording_plan
from hearing_server.services.recording_plan import Expect, Pause, StartSeat, Step, Told, command_of, needs_recorder
from media.plan import Kind
from media.recording import entries
from media.recording.entries import ProblemCode, RecorderProblem, SegmentStatus, StreamSpan
from media.taps.wire import Codec
from tests.unit.domain.builders import CLERK, EVERYBODY, JUDGE, OBSERVER, PLAINTIFF, WITNESS, Stage, seat

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
AUDIO, VIDEO = StreamKind.AUDIO, StreamKind.VIDEO
Cause = entries.GapCause


def follow(stage: Stage, told: Told) -> list[Step]:
    """Tell the recorder all that is left, as the service does."""
    done: list[Step] = []
    while (step := next(recording_plan.steps(stage.hearing, told), None)) is not None:
        told.add(step)
        done.append(step)
        assert len(done) < 100, "it never comes to an end"
    return done


@pytest.fixture
def stage() -> Stage:
    return Stage.in_state(HearingState.IN_SESSION)


def started(steps: list[Step]) -> set[str]:
    return {step.seat_id for step in steps if isinstance(step, StartSeat)}


def test_everybody_in_the_courtroom_is_recorded_and_nobody_else(stage: Stage) -> None:
    steps = follow(stage, Told())
    inside = [who for who in EVERYBODY if who not in (WITNESS, "other-witness", OBSERVER)]
    assert started(steps) == {seat(who) for who in inside}
    assert steps[-1] == recording_plan.Resume()


def test_nothing_is_said_twice(stage: Stage) -> None:
    told = Told()
    assert follow(stage, told)
    assert follow(stage, told) == []


@pytest.mark.parametrize("state", [HearingState.RECESS, HearingState.INTERRUPTED])
def test_while_the_court_does_not_sit_nobody_is_recorded(state: HearingState) -> None:
    assert follow(Stage.in_state(state), Told()) == [Pause(state.value)]


def test_before_the_court_is_called_to_order_there_is_nothing_to_pause() -> None:
    assert follow(Stage.in_state(HearingState.CHECK_IN), Told()) == []


def test_a_recess_pauses_and_leaves_everything_else_as_it_was(stage: Stage) -> None:
    told = Told()
    follow(stage, told)
    stage.does(Recess())
    assert follow(stage, told) == [Pause("recess")]
    stage.does(Resume())
    assert follow(stage, told) == [recording_plan.Resume()]


def test_who_was_muted_in_the_recess_is_left_out_before_recording_goes_on(stage: Stage) -> None:
    told = Told()
    follow(stage, told)
    stage.does(Recess())
    follow(stage, told)
    stage.does(Mute(person_id=JUDGE), by=JUDGE)
    stage.does(Resume())
    assert follow(stage, told) == [Expect(seat(JUDGE), AUDIO, Cause.MUTE), recording_plan.Resume()]


def test_absence_has_its_cause(stage: Stage) -> None:
    stage.puts_on_stand()
    told = Told()
    follow(stage, told)
    stage.does(Mute(person_id=PLAINTIFF))
    assert follow(stage, told) == [Expect(seat(PLAINTIFF), AUDIO, Cause.MUTE)]
    stage.does(Unmute(person_id=PLAINTIFF))
    assert follow(stage, told) == [Expect(seat(PLAINTIFF), AUDIO, None)]
    stage.does(SetCamera(is_on=False), by=PLAINTIFF)
    assert follow(stage, told) == [Expect(seat(PLAINTIFF), VIDEO, Cause.CAMERA_OFF)]
    stage.does(MarkLost(person_id=PLAINTIFF, cause=LostCause.NETWORK))
    assert follow(stage, told) == [Expect(seat(PLAINTIFF), AUDIO, Cause.STALLED)]
    stage.does(ReleaseWitness(person_id=WITNESS))
    assert follow(stage, told) == [Expect(seat(WITNESS), kind, Cause.NOT_RECORDED) for kind in (AUDIO, VIDEO)]
    stage.does(TalkTo(person_id=WITNESS), by=CLERK)
    assert follow(stage, told) == [Expect(seat(CLERK), kind, Cause.NOT_RECORDED) for kind in (AUDIO, VIDEO)]
    stage.does(Leave(), by=PersonId("panel"))
    assert follow(stage, told) == [Expect(seat(PersonId("panel")), kind, Cause.NOT_RECORDED) for kind in (AUDIO, VIDEO)]


def test_a_witness_is_recorded_from_the_stand_on(stage: Stage) -> None:
    told = Told()
    follow(stage, told)
    stage.puts_on_stand()
    assert follow(stage, told) == [StartSeat(seat(WITNESS))]


def test_a_recorder_is_ready_before_the_court_is_called_to_order() -> None:
    assert needs_recorder(Stage.in_state(HearingState.CHECK_IN).hearing)
    assert not needs_recorder(Stage(present=[CLERK]).hearing)
    assert not needs_recorder(Stage.in_state(HearingState.CLOSED).hearing)
    stage = Stage.in_state(HearingState.IN_SESSION)
    assert needs_recorder(stage.hearing)
    stage.does(Close())
    assert not needs_recorder(stage.hearing)


def test_every_fault_of_a_recorder_has_its_word_in_the_log() -> None:
    lawful = {Cause.MUTE, Cause.CAMERA_OFF, Cause.PAUSE, Cause.NOT_RECORDED}
    for cause in entries.GapCause:
        opened = entries.GapOpened(seat="seat-judge", gap=3, kind=Kind.VIDEO, cause=cause, at=AT)
        command = command_of(opened)
        if cause in lawful:
            assert command is None
        else:
            assert command == RecordRecordingGap(
                seat_id=seat(JUDGE), number=3, kind=VIDEO, cause=GapCause(cause.value), opened_at=AT
            )
    later = AT + timedelta(seconds=2)
    closed = entries.GapClosed(
        seat="seat-judge", gap=3, kind=Kind.VIDEO, cause=Cause.CRASH, opened_at=AT, at=later, packets=None
    )
    command = command_of(closed)
    assert isinstance(command, RecordRecordingGap)
    assert (command.opened_at, command.closed_at) == (AT, later)


def test_every_problem_but_the_news_of_a_restart_is_told() -> None:
    for code in ProblemCode:
        told = command_of(RecorderProblem(code=code, at=AT, seat="seat-judge"))
        over = command_of(RecorderProblem(code=code, at=AT, cleared=True))
        if code is ProblemCode.RESTARTED:
            assert told is over is None
        else:
            assert told == RecordRecorderProblem(code=RecorderProblemCode(code.value), seat_id=seat(JUDGE))
            assert over == RecordRecorderRecovered(code=RecorderProblemCode(code.value))


def test_a_segment_that_opens_says_since_when_it_was_expected_and_how_large_its_pictures_are() -> None:
    video = entries.VideoTrack(codec=Codec.VP8, width=640, height=360)
    opened = entries.SegmentOpened(
        seat="seat-judge", number=1, file="0001.mkv", at=AT, at_s=4.0, video=video, late_by_s=4.0
    )
    expected = RecordSegmentOpened(
        seat_id=seat(JUDGE), number=1, opened_at=AT, expected_at=AT - timedelta(seconds=4), width=640, height=360
    )
    assert command_of(opened) == expected
    sound_only = msgspec.structs.replace(opened, video=None, late_by_s=None)
    assert command_of(sound_only) == RecordSegmentOpened(seat_id=seat(JUDGE), number=1, opened_at=AT)
    changed = entries.ResolutionChanged(seat="seat-judge", number=1, at=AT, width=320, height=180)
    assert command_of(changed) == RecordResolution(seat_id=seat(JUDGE), number=1, changed_at=AT, width=320, height=180)


@pytest.mark.parametrize(("clocks", "is_aligned"), [(("rtcp", "rtcp"), True), (("rtcp", "arrival"), False)])
def test_a_segment_keeps_its_hash_and_times(clocks: tuple[str, str], is_aligned: bool) -> None:
    spans = {
        kind: StreamSpan(first_ticks=0, last_ticks=9, first_at=AT, last_at=AT, shift_ms=0, frames=7, clock=clock)
        for kind, clock in zip(Kind, clocks, strict=True)
    }
    closed = entries.SegmentClosed(
        seat="seat-judge",
        number=2,
        file="segment-000002.mkv",
        status=SegmentStatus.INTERRUPTED,
        size_bytes=10,
        sha256="ab" * 32,
        opened_at=AT,
        first_at=AT,
        last_at=AT,
        streams=spans,
        frames={Kind.AUDIO: 7},
    )
    command = command_of(closed)
    assert isinstance(command, RecordSegmentClosed)
    segment = command.segment
    assert (segment.sha256, segment.size_bytes, segment.ended) == ("ab" * 32, 10, "interrupted")
    assert (segment.audio_frames, segment.video_frames, segment.is_aligned) == (7, 0, is_aligned)
