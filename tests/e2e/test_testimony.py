"""A witness gets not one packet of the courtroom before being admitted, nor after release."""

from collections.abc import Callable

from playwright.sync_api import Page

from tests.e2e.courtroom import Courtroom, press, view, wait_for_view
from tests.e2e.media_checks import flowing, read, receives_nothing, rtp_received, until


def moment_ms(page: Page, **wanted: str) -> float:
    """When (ms since 1970) the page learned that its own place in the hearing is this."""
    moments = page.evaluate("hearingProbe.moments")
    return next(float(one["at_ms"]) for one in moments if all(one[key] == value for key, value in wanted.items()))


def test_a_witness_is_called_heard_and_released(
    courtroom: Courtroom, record_property: Callable[[str, object], None]
) -> None:
    server = courtroom.server
    people = [server.person("presiding_judge"), server.person("party", 0), server.person("party", 1)]
    summoned = server.person("witness")
    judge, *parties = courtroom.join_all(*people)
    witness = courtroom.join(summoned)
    press(judge, "start")
    wait_for_view(judge, lambda seen: seen["state"] == "in_session", "the hearing is in session")
    for page, own in zip([judge, *parties], people, strict=True):
        for other in people:
            if other is not own:
                flowing(page, other.seat_id)
    control = parties[0]

    wait_for_view(witness, lambda seen: seen["state"] == "in_session", "the witness knows the state")
    assert view(witness)["seats"] == [], "a waiting witness sees no list of people"
    receives_nothing(witness, while_growing=lambda: rtp_received(control))
    assert rtp_received(witness) == 0
    assert server.relay_packets("sent", summoned) == 0
    assert server.relay_packets("sent", people[1]) > 100, "the relay counts what it sends"

    witness.evaluate("() => { window.firstFrameAtMs = hearingProbe.firstFrame(120_000); }")
    press(judge, f"call:{summoned.person_id}")
    wait_for_view(witness, lambda seen: seen["me"]["testimony"] != "waiting", "the witness is called")
    packets, called = rtp_received(witness), view(witness)["me"]
    assert packets == 0 or called["testimony"] == "testifying", "called is not admitted"
    wait_for_view(witness, lambda seen: seen["me"]["location"] == "courtroom", "the witness is admitted")
    flowing(witness, people[0].seat_id)
    flowing(witness, people[1].seat_id)
    for page in (judge, *parties):
        flowing(page, summoned.seat_id)
    first_frame_ms = witness.evaluate("firstFrameAtMs") - moment_ms(witness, location="courtroom")

    press(judge, f"release:{summoned.person_id}")
    wait_for_view(witness, lambda seen: seen["me"]["testimony"] == "released", "the witness is released")
    relayed = server.relay_packets("sent", summoned)
    receives_nothing(witness, while_growing=lambda: rtp_received(control))
    assert server.relay_packets("sent", summoned) == relayed
    last_packet_at_ms = read(witness).last_packet_at_ms
    assert last_packet_at_ms is not None
    last_packet_ms = last_packet_at_ms - moment_ms(witness, testimony="released")
    for page in (judge, *parties):
        _wait_until_gone(page, summoned.seat_id)
    record_property("witness admitted -> first frame decoded, ms", round(first_frame_ms))
    record_property("witness released -> last packet, ms (negative: before the page knew)", round(last_packet_ms))


def _wait_until_gone(page: Page, seat_id: str) -> None:
    until(page, lambda: (seat_id, "video") not in read(page).streams, what=f"{seat_id} has left the stand")


def test_a_waiting_witness_who_asks_for_a_stream_is_refused(courtroom: Courtroom) -> None:
    server = courtroom.server
    judge_seat = server.person("presiding_judge").seat_id
    judge = courtroom.join(server.person("presiding_judge"))
    party = courtroom.join(server.person("party"))
    witness = courtroom.join(server.person("witness"))
    press(judge, "start")
    flowing(party, judge_seat)

    ask = """seat_id => hearingProbe.socket.send(
        JSON.stringify({ type: "request_stream", id: 2 ** 40, seat_id, kind: "video" }))"""
    for page in (witness, party):
        page.evaluate(ask, judge_seat)
    answer = "hearingProbe.last.{}?.id === 2 ** 40"
    until(witness, lambda: witness.evaluate(answer.format("refused")), what="the witness is refused")
    until(party, lambda: party.evaluate(answer.format("ok")), what="the party may have it")
    receives_nothing(witness, while_growing=lambda: rtp_received(party))
    assert rtp_received(witness) == 0
