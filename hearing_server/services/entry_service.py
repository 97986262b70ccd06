"""Personal links: made for every seat, used once, made again by the clerk."""

from datetime import datetime, timedelta

from hearing_server.clock import Clock
from hearing_server.domain.hearing import Refusal
from hearing_server.domain.ids import HearingId, PersonId
from hearing_server.domain.links import RecordLinkReissued
from hearing_server.ports import EntryTokens, SeatGrant
from hearing_server.services.attendance_service import AttendanceService
from hearing_server.services.hearing_service import HearingService


class EntryService:
    """A link is `<public_url>/enter#<token>`: the token stays in the fragment and so out of every server log."""

    def __init__(
        self,
        *,
        tokens: EntryTokens,
        hearings: HearingService,
        attendance: AttendanceService,
        clock: Clock,
        public_url: str,
        link_valid_for: timedelta,
    ) -> None:
        self._tokens = tokens
        self._hearings = hearings
        self._attendance = attendance
        self._clock = clock
        self._public_url = public_url
        self._link_valid_for = link_valid_for

    async def make_link(self, hearing_id: HearingId, person_id: PersonId) -> str:
        """Return a new personal link; earlier unused links of the seat end."""
        at: datetime = self._clock.now()
        grant = SeatGrant(hearing_id=hearing_id, person_id=person_id)
        token = await self._tokens.issue_link(grant, at=at, expires_at=at + self._link_valid_for)
        return f"{self._public_url}/enter#{token}"

    async def reissue_link(self, hearing_id: HearingId, person_id: PersonId, *, by: PersonId) -> str | Refusal:
        """A new link for `person_id`, at the wish of `by`; the old link and the open session of the seat end."""
        refusal = await self._hearings.submit(
            hearing_id, RecordLinkReissued(person_id=person_id), by=by, message_type="reissue_link"
        )
        if refusal is not None:
            return refusal
        await self._tokens.revoke_seat(SeatGrant(hearing_id=hearing_id, person_id=person_id), at=self._clock.now())
        if person_id != by and (connection := self._attendance.connection(hearing_id, person_id)) is not None:
            connection.say_goodbye("revoked")
        return await self.make_link(hearing_id, person_id)

    async def peek(self, link_token: str) -> SeatGrant:
        """What the link opens; it is not used up. Raises LinkRefusedError."""
        return await self._tokens.peek_link(link_token, at=self._clock.now())

    async def enter(self, link_token: str) -> tuple[SeatGrant, str]:
        """Use the link up; return the seat and a resume token. Raises LinkRefusedError."""
        return await self._tokens.redeem_link(link_token, at=self._clock.now())

    async def resume(self, resume_token: str) -> SeatGrant:
        """Raises LinkRefusedError."""
        return await self._tokens.check_resume(resume_token)
