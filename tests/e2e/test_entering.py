"""Personal links: used once, bound to one seat, and a reload of the page keeps the seat."""

from collections.abc import Callable

from playwright.sync_api import Page

from tests.e2e.courtroom import Courtroom, press, view, wait_for_view
from tests.e2e.media_checks import flowing, until


def test_a_reload_keeps_the_seat(courtroom: Courtroom) -> None:
    server = courtroom.server
    clerk, judge = server.person("clerk"), server.person("presiding_judge")
    clerk_page, judge_page = courtroom.join(clerk), courtroom.join(judge)
    flowing(judge_page, clerk.seat_id)

    judge_page.reload()
    wait_for_view(judge_page, lambda seen: seen["me"]["seat_id"] == judge.seat_id, "the judge is back")
    flowing(judge_page, clerk.seat_id)
    flowing(clerk_page, judge.seat_id)


def test_a_used_link_lets_nobody_else_in(courtroom: Courtroom, new_page: Callable[..., Page]) -> None:
    party = courtroom.server.person("party")
    page = courtroom.join(party)

    stranger = new_page()
    stranger.goto(party.link)
    stranger.get_by_test_id("error:link_used").wait_for()
    assert stranger.get_by_test_id("join").count() == 0
    assert view(stranger) == {}
    assert view(page)["me"]["presence"] == "present", "who is in is not disturbed"


def test_two_seats_in_two_tabs_of_one_browser(courtroom: Courtroom) -> None:
    server = courtroom.server
    people = [server.person("party", 0), server.person("party", 1)]
    first = courtroom.join(people[0])
    second = first.context.new_page()
    second.goto(people[1].link)
    second.get_by_test_id("join").click()
    tabs = [first, second]
    for tab in tabs:
        wait_for_view(tab, lambda seen: seen["me"]["presence"] == "present", "both are in")
    for tab in tabs:
        tab.reload()
    for tab, person in zip(tabs, people, strict=True):
        wait_for_view(
            tab,
            lambda seen, person=person: seen["me"]["seat_id"] == person.seat_id,  # type: ignore[misc]  # bound now
            "each tab keeps its own seat",
        )


def test_a_new_link_ends_the_old_session(courtroom: Courtroom, new_page: Callable[..., Page]) -> None:
    server = courtroom.server
    party = server.person("party")
    clerk, old = courtroom.join(server.person("clerk")), courtroom.join(party)
    clerk.get_by_test_id(f"more:{party.person_id}").click()
    press(clerk, f"reissue:{party.person_id}")
    link = clerk.get_by_test_id("link-url")
    link.wait_for()
    until(old, lambda: old.evaluate("hearingProbe.last.goodbye?.code") == "revoked", what="the old session ends")

    page = new_page()
    page.goto(link.input_value())
    page.get_by_test_id("join").click()
    wait_for_view(page, lambda seen: seen["me"]["seat_id"] == party.seat_id, "the new link opens the same seat")
