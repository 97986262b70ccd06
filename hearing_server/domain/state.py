"""The state of one hearing: a value. Every change makes a new one; `hearing` says how."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType

from hearing_server.domain.attendance import LostCause, Presence
from hearing_server.domain.composition import Composition
from hearing_server.domain.events import UnexpectedEventError
from hearing_server.domain.ids import HearingId, PersonId, SeatId
from hearing_server.domain.lifecycle import HearingState
from hearing_server.domain.muting import CourtMute
from hearing_server.domain.recording import Recording
from hearing_server.domain.roles import Role, Side
from hearing_server.domain.settings import Settings
from hearing_server.domain.testimony import TestimonyState


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    person_id: PersonId
    seat_id: SeatId
    role: Role
    side: Side | None = None
    represents: PersonId | None = None  # counsel only: the party spoken for
    presence: Presence = Presence.ABSENT
    presence_since: datetime | None = None
    lost_cause: LostCause | None = None  # set exactly while LOST
    is_self_muted: bool = False
    court_mute: CourtMute = CourtMute.NONE
    is_camera_on: bool = True
    testimony: TestimonyState | None = None  # witnesses only
    testimony_before_call: TestimonyState | None = None  # set exactly while CALLED
    admit_at: datetime | None = None  # set exactly while CALLED

    @property
    def is_present(self) -> bool:
        return self.presence is Presence.PRESENT

    @property
    def is_muted(self) -> bool:
        """Whether nobody may hear this person, whoever muted them."""
        return self.is_self_muted or self.court_mute is not CourtMute.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Hearing:
    hearing_id: HearingId
    seq: int = 0  # number of the last event in it; 0: not scheduled yet
    state: HearingState = HearingState.SCHEDULED
    state_since: datetime | None = None
    opened_at: datetime | None = None  # when the court was called to order
    settings: Settings = field(default_factory=Settings)
    people: Mapping[PersonId, Person] = field(
        default_factory=lambda: MappingProxyType({})
    )  # in the order of the schedule
    talks: Mapping[PersonId, PersonId] = field(
        default_factory=lambda: MappingProxyType({})
    )  # clerk -> the person talked with
    media_lost_since: datetime | None = None  # while the courtroom's media process is down
    recording: Recording = field(default_factory=Recording)
    compositions: Mapping[SeatId, Composition] = field(default_factory=lambda: MappingProxyType({}))

    def person(self, person_id: PersonId) -> Person:
        """Raises UnexpectedEventError: an event names somebody who is not in this hearing."""
        try:
            return self.people[person_id]
        except KeyError:
            raise UnexpectedEventError(f"{person_id} is not in hearing {self.hearing_id}") from None

    def with_person(self, person: Person) -> "Hearing":
        return replace(self, people=MappingProxyType({**self.people, person.person_id: person}))

    def is_in_talk(self, person_id: PersonId) -> bool:
        """Whether `person_id` is the clerk or the other in a talk."""
        return person_id in self.talks or person_id in self.talks.values()
