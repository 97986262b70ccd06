"""One hearing from check-in to its end, over real sockets, and again after the server was killed."""

from contextlib import AsyncExitStack
from typing import Any

from hearing_server.config import Config
from tests.integration.conftest import Court, open_court
from tests.integration.wire_client import WireClient


def action(view: dict[str, Any], name: str, person_id: str | None = None) -> dict[str, Any]:
    return next(one for one in view["actions"] if one["action"] == name and one["person_id"] == person_id)


async def test_a_hearing_from_check_in_to_its_end(court: Court) -> None:
    judge, clerk, party = await court.join("presiding_judge"), await court.join("clerk"), await court.join("party")
    witness = await court.join("witness")
    who = court.people["witness"][0]

    assert (await judge.ask("call_witness", person_id=who))["code"] == "wrong_state"
    assert (await judge.ask("start"))["type"] == "ok"
    view = await judge.until_view(lambda view: view["state"] == "in_session")
    assert action(view, "call_witness", who)["allowed"]
    assert not action(view, "start")["allowed"]
    await party.until_view(lambda view: view["me"]["location"] == "courtroom")
    waiting = await witness.until_view(lambda view: view["state"] == "in_session")
    assert waiting["me"]["location"] == "witness_room"
    assert waiting["seats"] == [], "a waiting witness sees no list of people"
    assert set(witness.names) == {who}

    assert (await clerk.ask("call_witness", person_id=who))["type"] == "ok"
    view = await witness.until_view(lambda view: view["me"]["testimony"] == "testifying")
    assert {seat["role"] for seat in view["seats"]} >= {"presiding_judge", "clerk", "party"}
    other = court.people["witness"][1]
    assert (await judge.ask("call_witness", person_id=other))["type"] == "refused"

    assert (await judge.ask("recess"))["type"] == "ok"
    view = await witness.until_view(lambda view: view["state"] == "recess")
    assert (view["me"]["testimony"], view["me"]["location"]) == ("testifying", "witness_room")
    assert (await judge.ask("resume"))["type"] == "ok"
    await witness.until_view(lambda view: view["me"]["location"] == "courtroom")

    assert (await judge.ask("release_witness", person_id=who))["type"] == "ok"
    view = await witness.until_view(lambda view: view["me"]["testimony"] == "released")
    assert (view["me"]["location"], view["seats"]) == ("witness_room", [])
    assert (await judge.ask("close"))["type"] == "ok"
    await party.until_view(lambda view: view["state"] == "closed")
    for late in ("start", "resume", "recess"):
        assert (await judge.ask(late))["code"] == "wrong_state"


async def test_views_are_numbered_and_coalesced(court: Court) -> None:
    judge, party = await court.join("presiding_judge"), await court.join("party")
    me = court.people["party"][0]
    for _ in range(15):
        await party.ask("mute", person_id=me)
        await party.ask("unmute", person_id=me)
    last = court.service.office.hearings.hearing(court.hearing_id).seq
    assert last > 30
    await judge.until_view(lambda view: view["seq"] == last)
    numbers = [one["view"]["seq"] for one in judge.notices if one["type"] == "view"]
    assert numbers == sorted(set(numbers))
    assert len(numbers) < 30


async def test_the_only_judge_is_lost_and_the_hearing_is_interrupted_until_he_resumes(court: Court) -> None:
    judge, party = await court.join("presiding_judge"), await court.join("party")
    await judge.ask("start")
    await party.until_view(lambda view: view["me"]["location"] == "courtroom")
    await judge.socket.close()
    await party.until_view(lambda view: view["state"] == "interrupted", timeout_s=20)
    judge = await court.join("presiding_judge")
    assert (await judge.ask("resume"))["type"] == "ok"
    await party.until_view(lambda view: view["state"] == "in_session" and view["me"]["location"] == "courtroom")


async def test_a_restart_finds_everything_as_it_was(config: Config) -> None:
    async with AsyncExitStack() as stack:
        court = await open_court(config, stack, call_notice_s=3600)
        judge, witness, party = (
            await court.join("presiding_judge"),
            await court.join("witness"),
            await court.join("party"),
        )
        await judge.ask("start")
        await judge.ask("mute", person_id=court.people["party"][0], lock=True)
        await judge.ask("call_witness", person_id=court.people["witness"][0])
        before = court.service.office.hearings.hearing(court.hearing_id)
        clients: list[WireClient] = [judge, witness, party]
    async with AsyncExitStack() as stack:
        again = await open_court(config, stack)
        restored = again.service.office.hearings.hearing(court.hearing_id)
        assert restored.state is before.state
        assert {person.presence.value for person in restored.people.values()} == {"absent", "lost"}
        assert (
            restored.people[court.people["witness"][0]].admit_at == before.people[court.people["witness"][0]].admit_at
        )
        again.hearing_id, again.people, again.tokens = court.hearing_id, court.people, court.tokens
        party = await again.join("party")
        assert party.view is not None
        assert party.view["me"]["is_mute_locked"]
        assert (await party.ask("unmute", person_id=again.people["party"][0]))["code"] == "mute_locked"
        judge = await again.join("presiding_judge")
        await party.until_view(lambda view: view["state"] == "in_session" and view["me"]["location"] == "courtroom")
        assert clients
