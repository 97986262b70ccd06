"""What one seat may see of the hearing: shapes only; `seat_view` builds them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from hearing_server.domain.attendance import Presence
from hearing_server.domain.ids import HearingId, PersonId, SeatId
from hearing_server.domain.lifecycle import HearingState
from hearing_server.domain.permissions import Action, ReasonCode
from hearing_server.domain.recording import RecorderProblemCode
from hearing_server.domain.roles import Role, Side
from hearing_server.domain.rooms import Location, StreamKind
from hearing_server.domain.testimony import TestimonyState


@dataclass(frozen=True, slots=True, kw_only=True)
class SeatView:
    """One seat as the viewer may see it."""

    seat_id: SeatId
    person_id: PersonId
    role: Role
    side: Side | None
    represents: PersonId | None  # counsel only: the party spoken for
    presence: Presence
    presence_since: datetime | None
    location: Location
    is_muted: bool  # nobody hears this seat, whoever muted it
    is_muted_by_court: bool
    is_mute_locked: bool  # the person may not undo it
    is_camera_on: bool
    testimony: TestimonyState | None  # witnesses only
    admit_at: datetime | None  # a called witness: when the courtroom opens
    receiving: tuple[StreamKind, ...]  # what the viewer receives from this seat now
    is_talking_with_clerk: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionView:
    """One thing the viewer could ask for; buttons are drawn from these and nothing else."""

    action: Action
    person_id: PersonId | None  # whom it concerns; None: the hearing or oneself
    allowed: bool
    reason_code: ReasonCode | None  # set exactly when not allowed
    parameters: Mapping[str, str]  # for the text of the reason in the locale files


class RecordingState(StrEnum):
    OFF = "off"  # the court was not called to order yet, or the hearing is over
    RECORDING = "recording"
    PAUSED = "paused"  # in recess or interrupted
    PROBLEM = "problem"  # it should be recording, and something or everything is not recorded


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingView:
    """Whether the viewer is being recorded. Everybody is told; whose record fails is told to the court only."""

    state: RecordingState
    since: datetime | None
    problem_code: RecorderProblemCode | None  # the gravest trouble; with disk_low and stalled_input recording goes on
    problem_seat_id: SeatId | None  # None: everybody's record


@dataclass(frozen=True, slots=True, kw_only=True)
class HearingView:
    hearing_id: HearingId
    seq: int  # number of the last event this view contains
    state: HearingState
    state_since: datetime | None
    opened_at: datetime | None  # when the court was called to order
    recording: RecordingView
    me: SeatView
    seats: tuple[SeatView, ...]  # the viewer's own seat is not in it
    actions: tuple[ActionView, ...]
