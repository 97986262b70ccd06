"""What the WHIP endpoint answers, to honest and other publishers. The relay is a fake: no media flows here."""

import asyncio
from collections.abc import Mapping

import pytest

from hearing_server.domain.attendance import Presence
from hearing_server.domain.ids import PersonId
from hearing_server.gateway.http_routes import MAX_BODY_BYTES
from hearing_server.services import ingest_service
from tests.fakes.media_engine import FAKE_ANSWER, FakeMediaEngine
from tests.integration.conftest import Court
from tests.integration.media_client import until_true
from tests.unit.test_ingest_offers import OFFER

SDP = "application/sdp"


async def link_token(court: Court, person_id: PersonId) -> str:
    return (await court.service.office.entry.make_link(court.hearing_id, person_id)).split("#")[1]


async def post(
    court: Court, token: str | None, body: str | bytes = OFFER, content_type: str = SDP, **headers: str
) -> tuple[int, str, Mapping[str, str]]:
    """Status, error code or SDP, headers."""
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    async with court.http.post(
        f"{court.url}/whip", data=body, headers={"Content-Type": content_type, **headers}
    ) as answer:
        is_sdp = answer.content_type == SDP
        return answer.status, await answer.text() if is_sdp else (await answer.json())["code"], answer.headers


async def delete(court: Court, location: str) -> int:
    async with court.http.delete(f"{court.url}{location}") as answer:
        return answer.status


def presence(court: Court, person_id: PersonId) -> Presence:
    return court.service.office.hearings.hearing(court.hearing_id).people[person_id].presence


def relay(court: Court) -> FakeMediaEngine:
    assert isinstance(court.service.engine, FakeMediaEngine)
    return court.service.engine


def seat_of(court: Court, person_id: PersonId) -> str:
    return court.service.office.hearings.hearing(court.hearing_id).people[person_id].seat_id


def is_connected(court: Court, person_id: PersonId) -> bool:
    room = relay(court).rooms.get(court.hearing_id)  # a hearing that everybody has left has none
    return room is not None and seat_of(court, person_id) in room.peers


async def test_a_publisher_enters_and_leaves(court: Court) -> None:
    party = court.people["party"][0]
    token = await link_token(court, party)
    status, sdp, headers = await post(court, token)
    assert (status, sdp) == (201, FAKE_ANSWER)
    assert headers["Location"].startswith("/whip/")
    assert headers["Cache-Control"] == "no-store"
    assert presence(court, party) is Presence.PRESENT
    assert relay(court).rooms[court.hearing_id].peers[seat_of(court, party)].is_ingest
    assert (await post(court, token))[:2] == (410, "link_used")
    async with court.http.patch(f"{court.url}{headers['Location']}", data="a=candidate") as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "DELETE")
    assert await delete(court, "/whip/" + "x" * 32) == 404
    assert presence(court, party) is Presence.PRESENT
    assert await delete(court, headers["Location"]) == 200
    assert presence(court, party) is Presence.LEFT
    assert not is_connected(court, party)
    assert await delete(court, headers["Location"]) == 404


@pytest.mark.parametrize(
    ("body", "content_type", "headers", "expected"),
    [
        (OFFER, "application/json", {}, (415, "unsupported_media_type")),
        (OFFER, "text/plain", {}, (415, "unsupported_media_type")),
        ("", SDP, {}, (400, "bad_sdp")),
        ("v=0", SDP, {}, (400, "bad_sdp")),
        (OFFER.replace("opus", "speex"), SDP, {}, (400, "bad_sdp")),
        (b"\xff\xfe", SDP, {}, (400, "bad_sdp")),
        (OFFER + "a=x:y\n" * MAX_BODY_BYTES, SDP, {}, (413, "body_too_large")),
        (OFFER, SDP, {"Origin": "https://elsewhere.example"}, (403, "wrong_origin")),
    ],
)
async def test_what_is_refused_leaves_the_link_good(
    court: Court, body: str | bytes, content_type: str, headers: dict[str, str], expected: tuple[int, str]
) -> None:
    party = court.people["party"][0]
    token = await link_token(court, party)
    assert (await post(court, token, body, content_type, **headers))[:2] == expected
    assert presence(court, party) is Presence.ABSENT
    assert (await post(court, token))[0] == 201


async def test_only_a_link_of_a_seat_that_sends_opens_it(court: Court) -> None:
    for authorization in (None, "", "Basic abc", "Bearer", "Bearer " + "x" * 300):
        headers = {} if authorization is None else {"Authorization": authorization}
        status, code, answered = await post(court, None, **headers)
        assert (status, code, answered["WWW-Authenticate"]) == (401, "token_missing", "Bearer")
    status, code, answered = await post(court, "nobody's")
    assert (status, code, answered["WWW-Authenticate"]) == (401, "link_unknown", "Bearer")
    resume_token = await court.token(court.people["party"][0])
    assert (await post(court, resume_token))[:2] == (401, "link_unknown")
    old = await link_token(court, court.people["party"][1])
    await link_token(court, court.people["party"][1])
    assert (await post(court, old))[:2] == (410, "link_revoked")
    observer = court.people["observer"][0]
    assert (await post(court, await link_token(court, observer)))[:2] == (403, "seat_cannot_send")
    assert presence(court, observer) is Presence.ABSENT


async def test_guessing_is_slowed_down(court: Court) -> None:
    answers = [(await post(court, f"guess {number}"))[1] for number in range(31)]
    assert answers == ["link_unknown"] * 30 + ["rate_limited"]


async def test_a_connection_that_breaks_is_a_fault(court: Court) -> None:
    party = court.people["party"][0]
    _, _, headers = await post(court, await link_token(court, party))
    assert is_connected(court, party)
    relay(court).fail(court.hearing_id, seat_of(court, party))
    await until_true(lambda: presence(court, party) is Presence.LOST)
    await until_true(lambda: not is_connected(court, party))
    assert await delete(court, headers["Location"]) == 404


async def test_a_lost_relay_ends_publishers_and_offers_them_nothing(court: Court) -> None:
    judge = await court.join("presiding_judge")
    assert (await judge.ask("open_media"))["type"] == "ok"
    party = court.people["party"][0]
    await post(court, await link_token(court, party))
    relay(court).kill(court.hearing_id)
    await until_true(lambda: presence(court, party) is Presence.LOST)
    await until_true(lambda: court.hearing_id in relay(court).rooms)
    await until_true(lambda: len(relay(court).rooms[court.hearing_id].peers) == 1)  # control: the judge is back
    assert (await post(court, await link_token(court, party)))[0] == 201
    assert presence(court, party) is Presence.PRESENT


async def test_the_newest_entry_has_the_seat(court: Court) -> None:
    party = court.people["party"][0]
    _, _, first = await post(court, await link_token(court, party))
    _, _, second = await post(court, await link_token(court, party))
    assert await delete(court, first["Location"]) == 404, "it was replaced"
    assert presence(court, party) is Presence.PRESENT
    assert relay(court).rooms[court.hearing_id].peers[seat_of(court, party)].is_ingest
    browser = await court.join("party")
    assert await delete(court, second["Location"]) == 404
    assert (await browser.ask("open_media"))["type"] == "ok"
    await asyncio.sleep(0.2)
    assert not relay(court).rooms[court.hearing_id].peers[seat_of(court, party)].is_ingest
    assert presence(court, party) is Presence.PRESENT


async def test_sessions_are_counted(court: Court, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest_service, "MAX_SESSIONS", 1)
    first, second = court.people["party"]
    _, _, headers = await post(court, await link_token(court, first))
    token = await link_token(court, second)
    assert (await post(court, token))[:2] == (503, "too_many_ingests")
    assert await delete(court, headers["Location"]) == 200
    assert (await post(court, token))[0] == 201, "the link was still good"


async def test_the_interface_is_described(court: Court) -> None:
    async with court.http.get(f"{court.url}/openapi.json") as answer:
        paths = (await answer.json())["paths"]
    assert {"201", "401", "403", "410", "413", "415"} <= paths["/whip"]["post"]["responses"].keys()
    assert "delete" in paths["/whip/{session_id}"]


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
async def test_methods_kept_for_later_are_not_allowed(court: Court, method: str) -> None:
    """RFC 9725, section 4.2: of the endpoint and of a session alike."""
    party = court.people["party"][0]
    _, _, headers = await post(court, await link_token(court, party))
    for path in ("/whip", headers["Location"]):
        async with court.http.request(method, f"{court.url}{path}") as answer:
            assert answer.status == 405
            assert answer.headers["Allow"]
    assert presence(court, party) is Presence.PRESENT
