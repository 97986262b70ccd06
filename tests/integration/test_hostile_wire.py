"""Every message of every role, sent as every other role, in every state, over real sockets.

What the permission table and `decide` allow is permitted, everything else is refused, changes nothing and is audited.
"""

import json
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hearing_server.cli.sample import SAMPLE_HEARING
from hearing_server.config import Config
from hearing_server.domain.hearing import Refusal, decide
from hearing_server.domain.ids import PersonId
from hearing_server.domain.links import RecordLinkReissued
from hearing_server.gateway.dispatch import COMMANDS
from hearing_server.signalling import messages as wire
from hearing_server.signalling.codec import BadMessageError, decode_message
from tests.integration.conftest import Court, free_port, open_court
from tests.integration.wire_client import WireClient

STATES: dict[str, list[tuple[str, str]]] = {
    "check_in": [],
    "in_session": [("presiding_judge", "start")],
    "recess": [("presiding_judge", "start"), ("presiding_judge", "recess")],
    "closed": [("presiding_judge", "start"), ("presiding_judge", "close")],
    "cancelled": [("presiding_judge", "cancel")],
}
ROLES = tuple(dict.fromkeys(person.role.value for person in SAMPLE_HEARING.people))
ENDS_TABS = frozenset({"leave", "reissue_link"})
MEDIA: dict[type[wire.Message], dict[str, object]] = {
    wire.Answer: {"connection": "uplink", "epoch": 7, "negotiation": 7, "sdp": "v=0"},
    wire.Candidate: {"connection": "downlink", "epoch": 7, "candidate": "candidate:1 1 udp 1 127.0.0.1 9 typ host"},
}


def variants(message: type[wire.Message], court: Court) -> Iterator[dict[str, object]]:
    """The message with every kind of target: each role's person, a forged id, an id of nobody."""
    names = set(message.__struct_fields__)
    if "person_id" in names:
        targets = [people[0] for people in court.people.values()] + ["p-000000000000", "system"]
        for target in targets:
            yield {"person_id": target}
            if "lock" in names:
                yield {"person_id": target, "lock": True}
    elif message is wire.SetCamera:
        yield {"is_on": False}
        yield {"is_on": True}
    elif message is wire.RequestStream:
        hearing = court.service.office.hearings.hearing(court.hearing_id)
        for person in hearing.people.values():
            yield {"seat_id": person.seat_id, "kind": "audio"}
        yield {"seat_id": "s-000000000000", "kind": "video"}
    else:
        yield MEDIA.get(message, {})


def expected(court: Court, message: type[wire.Message], fields: dict[str, object], by: PersonId) -> bool | None:
    """Whether the hearing itself would permit this now. None: not for the hearing to say."""
    office = court.service.office
    hearing = office.hearings.hearing(court.hearing_id)
    if message is wire.ReissueLink:
        command: Any = RecordLinkReissued(person_id=PersonId(str(fields["person_id"])))
    elif message in COMMANDS:
        command = COMMANDS[message](message(id=1, **fields))
    else:
        return None
    return not isinstance(decide(hearing, command, by=by, at=office.hearings.now()), Refusal)


class Tally:
    def __init__(self) -> None:
        self.permitted = 0
        self.refused = 0


async def everybody(court: Court) -> dict[str, WireClient]:
    return {role: await court.join(role) for role in ROLES}


async def bring_to(court: Court, clients: dict[str, WireClient], steps: list[tuple[str, str]]) -> None:
    for role, step in steps:
        assert (await clients[role].ask(step))["type"] == "ok"


async def attack(court: Court, clients: dict[str, WireClient], role: str, tally: Tally, done: set[str]) -> bool:
    """Send what has not been tried yet. False: the hearing is no longer in the state to be tried, so start afresh."""
    by = court.people[role][0]
    for message in wire.CLIENT_MESSAGES:
        if message is wire.Authenticate:
            continue
        name = str(message.__struct_config__.tag)
        for number, fields in enumerate(variants(message, court)):
            key = f"{role} {name} {number}"
            if key in done:
                continue
            done.add(key)
            permitted = expected(court, message, fields, by)
            before = court.service.office.hearings.hearing(court.hearing_id)
            answer = await clients[role].ask(name, **fields)
            after = court.service.office.hearings.hearing(court.hearing_id)
            if answer["type"] == "ok":
                tally.permitted += 1
                assert permitted is not False, (key, fields)
            else:
                tally.refused += 1
                assert permitted is not True, (key, fields, answer)
                assert answer["code"], key
                assert after is before, f"a refused message changed the hearing: {key}"
            if after.state is not before.state or (answer["type"] == "ok" and name in ENDS_TABS):
                return False
    return True


@pytest.mark.parametrize("state", STATES)
async def test_every_message_of_every_role_as_every_other_role(tmp_path: Path, state: str) -> None:
    tally = Tally()
    async with AsyncExitStack() as stack:
        court = await open_court(Config(data_dir=tmp_path, port=free_port()), stack, call_notice_s=3600)
        for role in ROLES:
            done: set[str] = set()
            finished = False
            while not finished:
                async with AsyncExitStack() as tabs:
                    fresh = await court.another_hearing(tabs, call_notice_s=3600)
                    clients = await everybody(fresh)
                    await bring_to(fresh, clients, STATES[state])
                    finished = await attack(fresh, clients, role, tally, done)
    assert tally.refused > 100, "the suite must have tried something"
    total = tally.permitted + tally.refused
    print(f"hostile: {total} cases, {tally.permitted} permitted, {tally.refused} refused")


FORGED = st.dictionaries(
    st.sampled_from(["type", "id", "person_id", "lock", "is_on", "token", "sdp", "epoch", "connection", "kind", "x"]),
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=40),
        st.sampled_from([str(one.__struct_config__.tag) for one in wire.CLIENT_MESSAGES]),
        st.lists(st.integers(), max_size=3),
    ),
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.one_of(FORGED.map(json.dumps), st.text(max_size=200), st.binary(max_size=200)))
def test_fuzz_never_raises_anything_but_a_coded_refusal(data: str | bytes) -> None:
    code = None
    try:
        message = decode_message(data)
    except BadMessageError as error:
        code = error.code
    else:
        assert isinstance(message, wire.CLIENT_MESSAGES)
        assert decode_message(msgspec.json.encode(message)) == message
    assert code in {None, "malformed_message", "unknown_message", "message_too_large"}


def test_every_command_on_the_wire_reaches_the_hearing() -> None:
    assert set(COMMANDS) == set(get_args(wire.Command))
