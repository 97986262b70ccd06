"""Hearings for tests, and a small stage on which commands are given one after another."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hearing_server.domain.attendance import Enter, LostCause, MarkLost
from hearing_server.domain.commands import SYSTEM, Command, PersonCommand
from hearing_server.domain.events import Event
from hearing_server.domain.hearing import Tick, decide, evolve, evolve_all, initial, next_deadline
from hearing_server.domain.ids import HearingId, PersonId, SeatId
from hearing_server.domain.lifecycle import Cancel, Close, HearingState, OpenCheckIn, Recess, Start
from hearing_server.domain.permissions import Refusal
from hearing_server.domain.roles import Role, Side
from hearing_server.domain.scheduling import PlannedPerson, ScheduleHearing
from hearing_server.domain.settings import Settings
from hearing_server.domain.state import Hearing, Person
from hearing_server.domain.testimony import CallWitness

HEARING = HearingId("hearing-1")
AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)

JUDGE = PersonId("judge")
PANEL = PersonId("panel")
CLERK = PersonId("clerk")
PLAINTIFF = PersonId("plaintiff")
DEFENDANT = PersonId("defendant")
COUNSEL = PersonId("counsel")
WITNESS = PersonId("witness")
OTHER_WITNESS = PersonId("other-witness")
OBSERVER = PersonId("observer")
NOBODY = PersonId("nobody")


def planned(
    person_id: PersonId, role: Role, side: Side | None = None, represents: PersonId | None = None
) -> PlannedPerson:
    return PlannedPerson(person_id=person_id, seat_id=seat(person_id), role=role, side=side, represents=represents)


def seat(person_id: PersonId) -> SeatId:
    return SeatId(f"seat-{person_id}")


PEOPLE = (
    planned(JUDGE, Role.PRESIDING_JUDGE),
    planned(PANEL, Role.PANEL_JUDGE),
    planned(CLERK, Role.CLERK),
    planned(PLAINTIFF, Role.PARTY, Side.PLAINTIFF),
    planned(DEFENDANT, Role.PARTY, Side.DEFENDANT),
    planned(COUNSEL, Role.COUNSEL, Side.DEFENDANT, DEFENDANT),
    planned(WITNESS, Role.WITNESS),
    planned(OTHER_WITNESS, Role.WITNESS),
    planned(OBSERVER, Role.OBSERVER),
)
EVERYBODY = tuple(person.person_id for person in PEOPLE)

DEFAULTS = Settings()
PATHS: dict[HearingState, tuple[Command, ...]] = {
    HearingState.SCHEDULED: (),
    HearingState.CHECK_IN: (OpenCheckIn(),),
    HearingState.IN_SESSION: (OpenCheckIn(), Start()),
    HearingState.RECESS: (OpenCheckIn(), Start(), Recess()),
    HearingState.INTERRUPTED: (
        OpenCheckIn(),
        Start(),
        MarkLost(person_id=JUDGE, cause=LostCause.NETWORK),
        Tick(),
        Enter(person_id=JUDGE),
    ),
    HearingState.CLOSED: (OpenCheckIn(), Start(), Close()),
    HearingState.CANCELLED: (Cancel(),),
}
"""The presiding judge's and the system's way to each state."""


class Stage:
    """One hearing and its clock. Every command is a second after the one before it."""

    def __init__(
        self,
        people: Sequence[PlannedPerson] = PEOPLE,
        present: Sequence[PersonId] = EVERYBODY,
        settings: Settings = DEFAULTS,
    ) -> None:
        self.hearing = initial(HEARING)
        self.at = AT
        self.log: list[tuple[datetime, Event]] = []
        self.does(ScheduleHearing(hearing_id=HEARING, people=tuple(people), settings=settings))
        for person_id in present:
            self.does(Enter(person_id=person_id))

    @classmethod
    def in_state(cls, state: HearingState, present: Sequence[PersonId] = EVERYBODY) -> "Stage":
        stage = cls(present=present)
        stage.advance_to(state)
        return stage

    def advance_to(self, state: HearingState) -> None:
        """Take a scheduled hearing to `state`; the presiding judge must be present."""
        for command in PATHS[state]:
            if isinstance(command, Tick):
                self.tick()
            else:
                self.does(command)
        assert self.hearing.state is state

    def ask(self, command: Command, by: PersonId | None = None) -> tuple[Event, ...] | Refusal:
        """Give `command` without its effect. `by` None: the system, or the presiding judge for a person's command."""
        return decide(self.hearing, command, by=self._actor(command, by), at=self.at)

    def does(self, command: Command, by: PersonId | None = None) -> tuple[Event, ...]:
        """Give `command`, which must be accepted, and return its events."""
        self.at += timedelta(seconds=1)
        events = self.ask(command, by)
        assert not isinstance(events, Refusal), f"{command} refused: {events}"
        self.record(events)
        return events

    def refuses(self, command: Command, by: PersonId | None = None) -> Refusal:
        answer = self.ask(command, by)
        assert isinstance(answer, Refusal), f"{command} accepted: {answer}"
        return answer

    def tick(self, later_s: float | None = None) -> tuple[Event, ...]:
        """Let the clock run to the next deadline, or `later_s` on, and send the tick."""
        if later_s is None:
            due = next_deadline(self.hearing)
            assert due is not None, "nothing is due"
            self.at = max(self.at, due)
        else:
            self.at += timedelta(seconds=later_s)
        events = decide(self.hearing, Tick(), by=SYSTEM, at=self.at)
        assert not isinstance(events, Refusal)
        self.record(events)
        return events

    def puts_on_stand(self, person_id: PersonId = WITNESS) -> None:
        self.does(CallWitness(person_id=person_id), by=JUDGE)
        self.tick()

    def record(self, events: Sequence[Event]) -> None:
        self.log += [(self.at, event) for event in events]
        self.hearing = evolve_all(self.hearing, events, self.at)

    def rebuilt(self) -> Hearing:
        """The hearing as a restart rebuilds it: from its log alone."""
        hearing = initial(HEARING)
        for seq, (at, event) in enumerate(self.log, start=1):
            hearing = evolve(hearing, event, at=at, seq=seq)
        return hearing

    def person(self, person_id: PersonId) -> Person:
        return self.hearing.person(person_id)

    @staticmethod
    def _actor(command: Command, by: PersonId | None) -> PersonId:
        if by is not None:
            return by
        return JUDGE if isinstance(command, PersonCommand) else SYSTEM


def in_state(state: HearingState, present: Sequence[PersonId] = EVERYBODY) -> Hearing:
    return Stage.in_state(state, present).hearing
