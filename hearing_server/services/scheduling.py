"""Putting a hearing on the list: its people, its seats, its words."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

from hearing_server.domain.ids import HearingId, PersonId, SeatId
from hearing_server.domain.roles import Role, Side
from hearing_server.domain.scheduling import PlannedPerson, ScheduleHearing, check_people
from hearing_server.domain.settings import Settings
from hearing_server.services.hearing_content import HearingContent, HearingWords
from hearing_server.services.hearing_service import HearingService
from hearing_server.signalling.notices import CaseView


@dataclass(frozen=True, slots=True, kw_only=True)
class InvitedPerson:
    """Somebody who gets a seat. `represents` is the place of the party in the list, for counsel."""

    role: Role
    name: str
    side: Side | None = None
    represents: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewHearing:
    case: CaseView
    people: Sequence[InvitedPerson]
    settings: Settings = field(default_factory=Settings)


def _new_id(prefix: str) -> str:
    return f"{prefix}-{secrets.token_hex(6)}"


async def schedule_hearing(
    new: NewHearing, *, hearings: HearingService, content: HearingContent
) -> tuple[HearingId, tuple[PersonId, ...]]:
    """Log a new hearing and return its id and its people's ids in the order given.

    Raises InvalidScheduleError when the list of people cannot be a hearing, StorageError.
    """
    hearing_id = HearingId(_new_id("h"))
    ids = [PersonId(_new_id("p")) for _ in new.people]
    people = tuple(
        PlannedPerson(
            person_id=who,
            seat_id=SeatId(_new_id("s")),
            role=person.role,
            side=person.side,
            represents=None if person.represents is None else ids[person.represents],
        )
        for who, person in zip(ids, new.people, strict=True)
    )
    check_people(people)
    names = {who: person.name for who, person in zip(ids, new.people, strict=True)}
    commitments = await content.store(hearing_id, HearingWords(new.case, names))
    await hearings.schedule(
        hearing_id,
        ScheduleHearing(hearing_id=hearing_id, settings=new.settings, people=people, commitments=commitments),
    )
    return hearing_id, tuple(ids)
