"""Personal links, resume tokens, one connection a seat."""

import asyncio
from datetime import timedelta

import aiohttp
import pytest

from tests.integration.conftest import Court


async def post(court: Court, path: str, body: object, **headers: str) -> tuple[int, dict[str, str]]:
    async with court.http.post(f"{court.url}{path}", json=body, headers=headers) as answer:
        return answer.status, await answer.json()


async def test_a_link_can_be_peeked_at_often_and_used_once(court: Court) -> None:
    judge = court.people["presiding_judge"][0]
    link = await court.service.office.entry.make_link(court.hearing_id, judge)
    token = {"link_token": link.split("#")[1]}
    for _ in range(3):
        status, body = await post(court, "/api/peek", token)
        assert (status, body["role"], body["name"]) == (200, "presiding_judge", "林静")
    status, body = await post(court, "/api/enter", token)
    assert status == 200
    assert body["person_id"] == judge
    status, body = await post(court, "/api/enter", token)
    assert (status, body["code"]) == (410, "link_used")
    assert (await post(court, "/api/peek", token))[1]["code"] == "link_used"


async def test_of_two_simultaneous_uses_one_succeeds(court: Court) -> None:
    link = await court.service.office.entry.make_link(court.hearing_id, court.people["party"][0])
    token = {"link_token": link.split("#")[1]}
    statuses = sorted(
        [status for status, _ in await asyncio.gather(*(post(court, "/api/enter", token) for _ in "12345"))]
    )
    assert statuses == [200, 410, 410, 410, 410]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"link_token": "x" * 43}, 404, "link_unknown"),
        ({"link_token": ""}, 400, "malformed_message"),
        ({"link_token": "x" * 300}, 400, "malformed_message"),
        ({"link_token": 5}, 400, "malformed_message"),
        ({"token": "x"}, 400, "malformed_message"),
        ([], 400, "malformed_message"),
        ({"link_token": "x", "pad": "y" * 20_000}, 413, "body_too_large"),
    ],
)
async def test_bad_links_get_a_coded_answer(court: Court, body: object, status: int, code: str) -> None:
    answer_status, answer = await post(court, "/api/enter", body)
    assert (answer_status, answer["code"]) == (status, code)
    assert answer["message"]


async def test_an_expired_link_says_so(court: Court) -> None:
    office = court.service.office
    office.entry._link_valid_for = timedelta(seconds=-1)
    link = await office.entry.make_link(court.hearing_id, court.people["party"][0])
    assert (await post(court, "/api/enter", {"link_token": link.split("#")[1]}))[1]["code"] == "link_expired"


async def test_guessing_links_is_slowed_down_and_a_good_link_is_not_counted(court: Court) -> None:
    answers = [await post(court, "/api/enter", {"link_token": f"{number:043d}"}) for number in range(31)]
    assert [status for status, _ in answers] == [404] * 30 + [429]


@pytest.mark.parametrize("path", ["/api/enter", "/api/peek"])
async def test_a_page_of_another_site_cannot_use_a_link(court: Court, path: str) -> None:
    link = await court.service.office.entry.make_link(court.hearing_id, court.people["party"][0])
    token = {"link_token": link.split("#")[1]}
    status, body = await post(court, path, token, Origin="https://evil.example")
    assert (status, body["code"]) == (403, "wrong_origin")
    assert (await post(court, path, token, Origin=court.url))[0] == 200  # control: our own page may


async def test_a_socket_from_another_site_is_refused_before_the_upgrade(court: Court) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await court.http.ws_connect(f"{court.url}/ws", headers={"Origin": "https://evil.example"})
    assert refused.value.status == 403
    async with court.http.ws_connect(f"{court.url}/ws", headers={"Origin": court.url}) as socket:
        assert not socket.closed


async def test_a_second_tab_takes_the_seat_and_the_first_is_told(court: Court) -> None:
    first = await court.join("party")
    second = await court.join("party")
    assert (await first.notice("goodbye"))["code"] == "replaced"
    await first.until(lambda: first.is_closed)
    view = await second.until_view(lambda view: view["me"]["presence"] == "present")
    await asyncio.sleep(0.2)
    assert second.view == view, "the first tab's end must not mark the seat as lost"


async def test_a_lost_connection_is_a_fault_and_the_seat_is_kept(court: Court) -> None:
    judge, party = await court.join("presiding_judge"), await court.join("party")
    assert party.view is not None
    seat_id = party.view["me"]["seat_id"]

    def presence(view: dict[str, object]) -> str:
        return next(seat["presence"] for seat in view["seats"] if seat["seat_id"] == seat_id)  # type: ignore[attr-defined,no-any-return]

    await judge.until_view(lambda view: presence(view) == "present")
    await party.socket.close()
    await judge.until_view(lambda view: presence(view) == "lost")
    back = await court.join("party")
    assert back.view is not None
    assert back.view["me"]["seat_id"] == seat_id
    await judge.until_view(lambda view: presence(view) == "present")


async def test_leaving_is_not_a_fault(court: Court) -> None:
    judge, party = await court.join("presiding_judge"), await court.join("party")
    assert (await party.ask("leave"))["type"] == "ok"
    assert (await party.notice("goodbye"))["code"] == "left"
    who = court.people["party"][0]
    view = await judge.until_view(
        lambda view: any(s["person_id"] == who and s["presence"] == "left" for s in view["seats"])
    )
    assert view


async def test_the_clerk_makes_a_new_link_and_the_old_session_ends(court: Court) -> None:
    clerk, party = await court.join("clerk"), await court.join("party")
    who = court.people["party"][0]
    assert (await clerk.ask("reissue_link", person_id=who))["type"] == "ok"
    url = (await clerk.notice("link"))["url"]
    assert (await party.notice("goodbye"))["code"] == "revoked"
    old = await court.socket()
    assert (await old.ask("authenticate", token=court.tokens[who]))["code"] == "link_revoked"
    assert (await post(court, "/api/enter", {"link_token": url.split("#")[1]}))[0] == 200
    refused = await (await court.join("party", 1)).ask("reissue_link", person_id=who)
    assert (refused["type"], refused["code"]) == ("refused", "not_your_role")


async def test_two_seats_in_two_tabs_of_one_browser(court: Court) -> None:
    """One cookie jar, one browser: nothing but the tab's own token says who it is."""
    one, other = await court.join("party"), await court.join("counsel")
    assert one.view is not None
    assert other.view is not None
    assert one.view["me"]["role"] == "party"
    assert other.view["me"]["role"] == "counsel"
    assert not list(court.http.cookie_jar)
