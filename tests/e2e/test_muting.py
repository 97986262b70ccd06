"""Muting acts at the relay: what a hostile page goes on sending is heard by nobody."""

from tests.e2e.courtroom import Courtroom, press, view, wait_for_view
from tests.e2e.media_checks import flowing, hears, read, sees, until

# A page that cannot be made to stop: its microphone ignores being disabled, stopped, or taken from its sender.
KEEPS_SENDING = """
Object.defineProperty(MediaStreamTrack.prototype, "enabled", { get: () => true, set: () => {} });
MediaStreamTrack.prototype.stop = () => {};
const replaceTrack = RTCRtpSender.prototype.replaceTrack;
RTCRtpSender.prototype.replaceTrack = function (track) {
  return track === null ? Promise.resolve() : replaceTrack.call(this, track);
};
"""


def test_a_muted_client_that_keeps_sending_is_heard_by_nobody(courtroom: Courtroom) -> None:
    server = courtroom.server
    loud, listener = server.person("party", 0), server.person("party", 1)
    judge = courtroom.join(server.person("presiding_judge"))
    loud_page = courtroom.join(loud, init_script=KEEPS_SENDING)
    listening = courtroom.join(listener)
    press(judge, "start")
    flowing(listening, loud.seat_id)
    flowing(judge, loud.seat_id)

    # With everybody else silent too, one sound packet at the listener would be the muted one's.
    press(judge, f"mute:{loud.person_id}")
    press(judge, f"mute:{server.person('presiding_judge').person_id}")
    wait_for_view(
        listening,
        lambda seen: all(seat["is_muted"] for seat in seen["seats"] if seat["location"] == "courtroom"),
        "everybody in court but the listener is muted",
    )
    listening.wait_for_timeout(500)  # the jitter of what was under way; the relay itself stopped before the view came
    before, sent = read(listening), read(loud_page).sent["audio"]
    until(loud_page, lambda: read(loud_page).sent["audio"] > sent + 100, what="the muted page goes on sending")
    sees(listening, loud.seat_id)
    after = read(listening)
    assert after.received["video"] > before.received["video"]
    assert after.received["audio"] == before.received["audio"], "the muted one was heard"

    press(judge, f"mute:{loud.person_id}")  # the same button opens it again
    wait_for_view(loud_page, lambda seen: not seen["me"]["is_muted"], "the muted one may be heard again")
    hears(listening, loud.seat_id)
    assert not view(loud_page)["me"]["is_mute_locked"]
