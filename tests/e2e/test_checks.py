"""The checks of media_checks.py notice what they are there to notice: shown on a page whose media we control."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.e2e.accessibility import tab_to, violations
from tests.e2e.media_checks import (
    NeverHappenedError,
    flowing,
    hears,
    receives_nothing,
    rtp_received,
    sees,
    until,
)

TOY = Path(__file__).with_name("toy.html")
ADDRESS = "http://127.0.0.1:9/toy.html"  # answered by the test itself; nothing listens there
IMPATIENT_S = 2.5


@pytest.fixture
def toy_page(new_page: Callable[..., Page]) -> Callable[[], Page]:
    def opened() -> Page:
        page = new_page()
        page.route(ADDRESS, lambda route: route.fulfill(path=TOY, content_type="text/html"))
        page.goto(ADDRESS)
        return page

    return opened


def test_flowing_media_is_seen_as_flowing(toy_page: Callable[[], Page]) -> None:
    flowing(toy_page(), "seat_a")


def test_until_awaits_promises(toy_page: Callable[[], Page]) -> None:
    page = toy_page()
    with pytest.raises(NeverHappenedError):
        until(page, lambda: page.evaluate("Promise.resolve(false)"), what="a promise of false", timeout_s=0.5)


def test_a_seat_without_a_stream_never_flows(toy_page: Callable[[], Page]) -> None:
    page = toy_page()
    flowing(page, "seat_a")
    with pytest.raises(NeverHappenedError, match="seat_b"):
        sees(page, "seat_b", timeout_s=IMPATIENT_S)


@pytest.mark.parametrize("kind", ["audio", "video"])
def test_a_stream_that_stops_is_noticed(toy_page: Callable[[], Page], kind: str) -> None:
    page = toy_page()
    flowing(page, "seat_a")
    page.evaluate("kind => silence(kind)", kind)
    page.wait_for_timeout(500)  # what was under way arrives
    stopped, other = (hears, sees) if kind == "audio" else (sees, hears)
    other(page, "seat_a")
    with pytest.raises(NeverHappenedError, match="seat_a"):
        stopped(page, "seat_a", timeout_s=IMPATIENT_S)


def test_black_pictures_and_silence_do_not_count(toy_page: Callable[[], Page]) -> None:
    page = toy_page()
    flowing(page, "seat_a")
    page.evaluate("disable()")
    page.wait_for_timeout(1000)
    packets = rtp_received(page)
    with pytest.raises(NeverHappenedError, match="shows a picture"):
        sees(page, "seat_a", timeout_s=IMPATIENT_S)
    with pytest.raises(NeverHappenedError, match="sound"):
        hears(page, "seat_a", timeout_s=IMPATIENT_S)
    assert rtp_received(page) > packets, "packets of black and silence must have arrived"


def test_a_packet_where_none_may_arrive_is_noticed(toy_page: Callable[[], Page]) -> None:
    page, control = toy_page(), toy_page()
    flowing(page, "seat_a")
    flowing(control, "seat_a")
    with pytest.raises(AssertionError, match="packets arrived"):
        receives_nothing(page, while_growing=lambda: rtp_received(control))


def test_nothing_received_needs_a_control_that_receives(toy_page: Callable[[], Page]) -> None:
    page, control = toy_page(), toy_page()
    flowing(control, "seat_a")
    for one in (page, control):
        one.evaluate("hangUp()")
    with pytest.raises(NeverHappenedError, match="control"):
        receives_nothing(page, while_growing=lambda: rtp_received(control), timeout_s=IMPATIENT_S)


def test_packets_of_a_closed_connection_still_count(toy_page: Callable[[], Page]) -> None:
    page = toy_page()
    flowing(page, "seat_a")
    before = rtp_received(page)
    page.evaluate("hangUp()")
    assert rtp_received(page) >= before > 0


def test_a_page_that_breaks_an_accessibility_rule_is_noticed(new_page: Callable[[], Page]) -> None:
    page = new_page()
    page.set_content("<button></button><img src='data:,'>")
    found = " ".join(violations(page))
    assert "button-name" in found
    assert "image-alt" in found


def test_a_button_that_the_keyboard_cannot_reach_is_noticed(new_page: Callable[[], Page]) -> None:
    page = new_page()
    page.set_content("<button data-testid='near'>.</button><i data-testid='far'>.</i>")
    tab_to(page, "near")
    with pytest.raises(AssertionError, match="cannot be reached"):
        tab_to(page, "far")
