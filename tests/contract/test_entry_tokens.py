"""What every keeper of links and resume tokens does."""

import asyncio
import base64
from datetime import UTC, datetime, timedelta

import pytest

from hearing_server.domain.ids import HearingId, PersonId
from hearing_server.ports import EntryTokens, LinkRefusedError, SeatGrant
from tests.fakes.storage import AnyStores

pytest_plugins = ("tests.contract.storage_backends",)

AT = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
EXPIRES = AT + timedelta(hours=72)
SEAT = SeatGrant(hearing_id=HearingId("h-1"), person_id=PersonId("p-1"))
NEIGHBOUR = SeatGrant(hearing_id=HearingId("h-1"), person_id=PersonId("p-2"))
ELSEWHERE = SeatGrant(hearing_id=HearingId("h-2"), person_id=PersonId("p-1"))


@pytest.fixture
def tokens(stores: AnyStores) -> EntryTokens:
    return stores.tokens


async def link(tokens: EntryTokens, grant: SeatGrant = SEAT) -> str:
    return await tokens.issue_link(grant, at=AT, expires_at=EXPIRES)


async def refused_with(tokens: EntryTokens, token: str, at: datetime = AT) -> str:
    """The code with which both looking at the link and using it are refused."""
    with pytest.raises(LinkRefusedError) as peeked:
        await tokens.peek_link(token, at=at)
    with pytest.raises(LinkRefusedError) as redeemed:
        await tokens.redeem_link(token, at=at)
    assert peeked.value.code == redeemed.value.code
    return redeemed.value.code


async def resume_code(tokens: EntryTokens, token: str) -> str:
    with pytest.raises(LinkRefusedError) as refused:
        await tokens.check_resume(token)
    return refused.value.code


async def test_a_token_has_256_random_bits(tokens: EntryTokens) -> None:
    issued = {await link(tokens) for _ in range(5)}
    assert len(issued) == 5
    assert all(len(base64.urlsafe_b64decode(token + "=")) == 32 for token in issued)


async def test_a_link_opens_its_seat_once(tokens: EntryTokens) -> None:
    token = await link(tokens)
    assert await tokens.peek_link(token, at=AT) == SEAT
    assert await tokens.peek_link(token, at=AT) == SEAT
    grant, resume = await tokens.redeem_link(token, at=AT)
    assert grant == SEAT
    assert await tokens.check_resume(resume) == SEAT
    assert await tokens.check_resume(resume) == SEAT
    assert await refused_with(tokens, token) == "link_used"


async def test_an_expired_link_is_refused_from_its_last_moment_on(tokens: EntryTokens) -> None:
    token = await link(tokens)
    assert await refused_with(tokens, token, at=EXPIRES) == "link_expired"
    assert (await tokens.redeem_link(token, at=EXPIRES - timedelta(microseconds=1)))[0] == SEAT


async def test_a_new_link_ends_the_earlier_one_of_the_same_seat_only(tokens: EntryTokens) -> None:
    first, neighbour, elsewhere = await link(tokens), await link(tokens, NEIGHBOUR), await link(tokens, ELSEWHERE)
    second = await link(tokens)
    assert await refused_with(tokens, first) == "link_revoked"
    assert await tokens.peek_link(second, at=AT) == SEAT
    assert await tokens.peek_link(neighbour, at=AT) == NEIGHBOUR
    assert await tokens.peek_link(elsewhere, at=AT) == ELSEWHERE


async def test_a_used_link_stays_a_used_one(tokens: EntryTokens) -> None:
    token = await link(tokens)
    await tokens.redeem_link(token, at=AT)
    await link(tokens)
    assert await refused_with(tokens, token, at=EXPIRES) == "link_used"


async def test_an_unknown_token_is_refused(tokens: EntryTokens) -> None:
    await link(tokens)
    for token in ("", "x", "\0", "\ud800", "x" * 100_000):
        assert await refused_with(tokens, token) == "link_unknown"
        assert await resume_code(tokens, token) == "link_unknown"


async def test_links_and_resume_tokens_are_not_interchangeable(tokens: EntryTokens) -> None:
    token = await link(tokens)
    assert await resume_code(tokens, token) == "link_unknown"
    _, resume = await tokens.redeem_link(token, at=AT)
    assert await refused_with(tokens, resume) == "link_unknown"


async def test_entering_again_ends_the_earlier_session_of_the_seat(tokens: EntryTokens) -> None:
    _, first = await tokens.redeem_link(await link(tokens), at=AT)
    _, neighbour = await tokens.redeem_link(await link(tokens, NEIGHBOUR), at=AT)
    new_link = await link(tokens)
    assert await tokens.check_resume(first) == SEAT  # a link alone ends nothing
    _, second = await tokens.redeem_link(new_link, at=AT)
    assert await resume_code(tokens, first) == "link_revoked"
    assert await tokens.check_resume(second) == SEAT
    assert await tokens.check_resume(neighbour) == NEIGHBOUR


async def test_revoking_a_seat_ends_its_link_and_its_session(tokens: EntryTokens) -> None:
    _, resume = await tokens.redeem_link(await link(tokens), at=AT)
    unused, neighbour = await link(tokens), await link(tokens, NEIGHBOUR)
    await tokens.revoke_seat(SEAT, at=AT)
    await tokens.revoke_seat(SEAT, at=AT)
    assert await refused_with(tokens, unused) == "link_revoked"
    assert await resume_code(tokens, resume) == "link_revoked"
    assert await tokens.peek_link(neighbour, at=AT) == NEIGHBOUR


async def test_of_simultaneous_uses_of_a_link_one_succeeds(tokens: EntryTokens) -> None:
    for _ in range(5):
        token = await link(tokens)
        answers = await asyncio.gather(*(tokens.redeem_link(token, at=AT) for _ in range(4)), return_exceptions=True)
        entered = [answer for answer in answers if isinstance(answer, tuple)]
        refused = [answer for answer in answers if isinstance(answer, LinkRefusedError)]
        assert len(entered) == 1
        assert [refusal.code for refusal in refused] == ["link_used"] * 3
        assert await tokens.check_resume(entered[0][1]) == SEAT


async def test_of_links_made_at_once_for_a_seat_one_is_valid(tokens: EntryTokens) -> None:
    made = await asyncio.gather(*(link(tokens) for _ in range(5)))
    seen = await asyncio.gather(*(tokens.peek_link(token, at=AT) for token in made), return_exceptions=True)
    refusals = [answer for answer in seen if isinstance(answer, LinkRefusedError)]
    assert [answer for answer in seen if answer not in refusals] == [SEAT]
    assert [refusal.code for refusal in refusals] == ["link_revoked"] * 4
