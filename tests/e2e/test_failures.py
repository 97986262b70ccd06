"""What dies comes back: the service and the media process are killed in session, and nobody touches their page."""

import time
from collections.abc import Callable

from playwright.sync_api import Page

from tests.e2e.courtroom import Courtroom, press, resume_if_interrupted, view, wait_for_view
from tests.e2e.media_checks import flowing, until


def _in_session(courtroom: Courtroom) -> tuple[Page, Page, Page]:
    server = courtroom.server
    judge, first, second = courtroom.join_all(
        server.person("presiding_judge"), server.person("party", 0), server.person("party", 1)
    )
    press(judge, "start")
    for page in (judge, first, second):
        wait_for_view(page, lambda seen: seen["state"] == "in_session", "the hearing is in session")
        page.evaluate("window.isStillTheSamePage = true")
    _everybody_flows(courtroom)
    return judge, first, second


def _everybody_flows(courtroom: Courtroom) -> None:
    people = [person for person in courtroom.server.people if person.person_id in courtroom.pages]
    for person in people:
        for other in people:
            if other is not person:
                flowing(courtroom.pages[person.person_id], other.seat_id)


def test_after_kill_9_of_the_service_everybody_returns(courtroom: Courtroom) -> None:
    pages = _in_session(courtroom)
    server = courtroom.server
    seq = view(pages[0])["seq"]
    seats = [view(page)["me"]["seat_id"] for page in pages]

    server.kill()
    server.start()
    for page, seat_id in zip(pages, seats, strict=True):
        wait_for_view(
            page,
            lambda seen: seen["seq"] > seq and seen["me"]["presence"] == "present",
            "people return by themselves",
        )
        assert view(page)["me"]["seat_id"] == seat_id
    resume_if_interrupted(pages[0])
    _everybody_flows(courtroom)
    assert all(page.evaluate("window.isStillTheSamePage") for page in pages)
    seen_seq = view(pages[0])["seq"]  # read first: the log grows while it is verified
    verdict = server.verify_log()
    assert verdict["ok"] is True, verdict
    assert verdict["events"] >= seen_seq > seq
    assert verdict["first_bad"] is None


def test_after_kill_9_of_the_media_process_everybody_flows_again(
    courtroom: Courtroom, record_property: Callable[[str, object], None]
) -> None:
    pages = _in_session(courtroom)
    server = courtroom.server
    before = [page.evaluate("hearingProbe.connections.length") for page in pages]

    server.kill_media()
    killed = time.monotonic()
    for page, count in zip(pages, before, strict=True):
        _wait_for_new_connections(page, count)
    _everybody_flows(courtroom)
    took_s = round(time.monotonic() - killed, 1)
    record_property("media process killed -> everybody sees and hears everybody, s (checks included)", took_s)
    assert all(page.evaluate("window.isStillTheSamePage") for page in pages)
    assert all(view(page)["state"] == "in_session" for page in pages)


def _wait_for_new_connections(page: Page, count: int) -> None:
    until(page, lambda: page.evaluate("hearingProbe.connections.length") > count, what="new peer connections")
