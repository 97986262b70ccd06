"""What a connection does with messages that are malformed, too big, too early, too many or not allowed."""

import asyncio
import json
from typing import Any

import pytest

from hearing_server.signalling.notices import MediaState
from tests.integration.conftest import Court
from tests.integration.wire_client import WireClient


async def raw(client: WireClient, data: str | bytes) -> dict[str, Any]:
    """Send `data` as it is and return the next refusal."""
    before = len([one for one in client.notices if one["type"] == "refused"])
    await (client.socket.send_bytes(data) if isinstance(data, bytes) else client.socket.send_str(data))
    await client.until(lambda: len([one for one in client.notices if one["type"] == "refused"]) > before)
    return [one for one in client.notices if one["type"] == "refused"][-1]


MALFORMED = [
    ("", "malformed_message"),
    ("nonsense", "malformed_message"),
    ("[]", "malformed_message"),
    ("{}", "unknown_message"),
    ('{"type":"no_such_thing","id":5}', "unknown_message"),
    ('{"type":"mute","id":6}', "malformed_message"),
    ('{"type":"mute","id":6,"person_id":"a b"}', "malformed_message"),
    ('{"type":"mute","id":6,"person_id":"x","extra":1}', "malformed_message"),
    ('{"type":"leave","id":0}', "malformed_message"),
    ('{"type":"leave","id":"1"}', "malformed_message"),
    ('{"type":"leave","id":1e400}', "malformed_message"),
    ('{"type":"candidate","id":7,"connection":"sideways","epoch":1,"candidate":""}', "malformed_message"),
    ('{"a":' * 2000 + "1" + "}" * 2000, "malformed_message"),
    (b"\xff\xfe\x00", "malformed_message"),
    (
        '{"type":"answer","id":8,"connection":"uplink","epoch":1,"negotiation":1,"sdp":"' + "v" * 140_000 + '"}',
        "malformed_message",
    ),
    ("x" * 300_000, "message_too_large"),
]


async def test_malformed_messages_are_refused_and_disturb_nobody(court: Court) -> None:
    judge, party = await court.join("presiding_judge"), await court.join("party")
    seq = judge.view["seq"] if judge.view else 0
    for data, code in MALFORMED:
        refused = await raw(party, data)
        assert refused["code"] == code, data[:80]
        assert refused["message"]
    assert (await party.ask("mute", person_id=court.people["party"][0]))["type"] == "ok", "the connection is still good"
    await judge.until_view(lambda view: view["seq"] > seq)


async def test_a_frame_beyond_every_limit_closes_only_its_own_connection(court: Court) -> None:
    judge, party = await court.join("presiding_judge"), await court.join("party")
    await party.socket.send_str("x" * 2_000_000)
    await party.until(lambda: party.is_closed)
    assert (await judge.ask("mute", person_id=court.people["presiding_judge"][0]))["type"] == "ok"


async def test_nothing_is_answered_before_authentication(court: Court) -> None:
    client = await court.socket()
    assert (await client.ask("start"))["code"] == "not_authenticated"
    assert client.view is None
    client = await court.socket()
    for number in range(1, 6):
        await client.socket.send_str(json.dumps({"type": "authenticate", "id": number, "token": "x" * 43}))
    await client.until(lambda: client.is_closed)
    assert {one["code"] for one in client.notices if one["type"] == "refused"} == {"link_unknown"}


async def test_ids_must_increase_and_a_second_authentication_is_refused(court: Court) -> None:
    party = await court.join("party")
    me = court.people["party"][0]
    assert (await party.ask("mute", person_id=me))["type"] == "ok"
    replay = json.dumps({"type": "unmute", "id": 2, "person_id": me})
    assert (await raw(party, replay))["code"] == "stale_id"
    assert (await party.ask("authenticate", token=await court.token(me)))["code"] == "already_authenticated"
    view = court.service.office.hearings.hearing(court.hearing_id)
    assert view.people[me].is_muted, "the replayed unmute changed nothing"


async def test_a_flood_is_refused_and_then_forgiven(court: Court) -> None:
    party, judge = await court.join("party"), await court.join("presiding_judge")
    for number in range(10, 400):
        await party.socket.send_str(json.dumps({"type": "end_talk", "id": number}))
    await party.until(lambda: any(one.get("code") == "rate_limited" for one in party.notices))
    assert (await judge.ask("mute", person_id=court.people["presiding_judge"][0]))["type"] == "ok"


async def test_refusals_of_people_are_in_the_audit_log(court: Court) -> None:
    party = await court.join("party")
    assert (await party.ask("start"))["code"] == "not_your_role"
    await raw(party, "nonsense")
    audit = court.service.office.hearings._refusals._audit
    me = court.people["party"][0]
    expected = {(me, "start", "not_your_role"), (me, "unreadable", "malformed_message")}
    found: set[tuple[str, str, str]] = set()
    async with asyncio.timeout(10):
        while found != expected:
            await asyncio.sleep(0.05)
            found = {(who, what, code) for _, who, what, code in await audit.refusals(court.hearing_id)}


async def test_a_stream_that_is_not_in_the_plan_is_refused(court: Court) -> None:
    judge, clerk, witness = await court.join("presiding_judge"), await court.join("clerk"), await court.join("witness")
    assert judge.view is not None
    judges_seat = judge.view["me"]["seat_id"]
    for client in (clerk, witness, judge):
        assert (await client.ask("open_media"))["type"] == "ok"
    refused = await witness.ask("request_stream", seat_id=judges_seat, kind="video")
    assert (refused["type"], refused["code"]) == ("refused", "stream_not_allowed")
    assert (await clerk.ask("request_stream", seat_id=judges_seat, kind="video"))["type"] == "ok"  # control


async def test_media_messages_out_of_turn_are_refused(court: Court) -> None:
    party = await court.join("party")
    answer = {"connection": "uplink", "epoch": 1, "negotiation": 1, "sdp": "v=0"}
    assert (await party.ask("answer", **answer))["code"] in {"media_peer_unknown", "media_room_not_open"}
    assert (await party.ask("open_media"))["type"] == "ok"
    assert (await party.ask("answer", **{**answer, "negotiation": 99}))["code"] in {"stale_negotiation", "bad_sdp"}


async def test_a_browser_that_does_not_read_is_cut_off(court: Court, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hearing_server.gateway.outbox.MAX_NOTICES", 20)
    party = await court.join("party")
    connection = court.service.office.attendance.connection(court.hearing_id, court.people["party"][0])
    assert connection is not None
    for _ in range(50):
        connection.send(MediaState(state="connected"))
    await party.until(lambda: party.is_closed)
    await asyncio.sleep(0.1)
    assert court.service.office.attendance.connection(court.hearing_id, court.people["party"][0]) is None
