"""Four people, twelve ways: how long it takes until everybody sees and hears everybody else."""

import time
from collections.abc import Callable, Sequence

from playwright.sync_api import Page

from tests.e2e.courtroom import Courtroom, press, wait_for_view
from tests.e2e.media_checks import flowing

PATIENCE_MS = 120_000


def _watch(pages: Sequence[Page], people: int) -> None:
    """Let every page note when it sees and hears all the others."""
    for page in pages:
        page.evaluate(
            "([count, patience]) => { window.everybodyAtMs = hearingProbe.everybody(count, patience); }",
            [people - 1, PATIENCE_MS],
        )


def _complete_at_ms(pages: Sequence[Page]) -> float:
    """When (ms since 1970) the last page was complete."""
    moments = [page.evaluate("everybodyAtMs") for page in pages]
    assert None not in moments, "somebody was never seen or heard"
    return max(moments)


def test_four_people_see_each_other_at_the_call_to_order_and_after_a_late_arrival(
    courtroom: Courtroom, record_property: Callable[[str, object], None]
) -> None:
    server = courtroom.server
    people = [server.person("presiding_judge"), server.person("clerk"), server.person("party", 0)]
    late = server.person("party", 1)
    pages = courtroom.join_all(*people)
    assert pages[0].evaluate("hearingProbe.everybody(3, 300)") is None, "the control: they are not there yet"

    _watch(pages, 3)
    pressed_ms = time.time() * 1000
    press(pages[0], "start")
    called_s = round((_complete_at_ms(pages) - pressed_ms) / 1000, 2)
    wait_for_view(pages[0], lambda seen: seen["state"] == "in_session", "the hearing is in session")

    everybody = [*pages, courtroom.page_at_door(late)]
    _watch(everybody, 4)
    pressed_ms = time.time() * 1000
    everybody[-1].get_by_test_id("join").click()
    joined_s = round((_complete_at_ms(everybody) - pressed_ms) / 1000, 2)
    record_property("call to order pressed -> all 3 see and hear each other, s (confirmation included)", called_s)
    record_property("4th person presses join -> all 4 see and hear each other, s", joined_s)

    for page, own in zip(everybody, [*people, late], strict=True):  # and not for one frame only
        for other in [*people, late]:
            if other is not own:
                flowing(page, other.seat_id)


def test_four_people_see_each_other_at_the_call_to_order(
    courtroom: Courtroom, record_property: Callable[[str, object], None]
) -> None:
    server = courtroom.server
    people = [server.person("presiding_judge"), server.person("clerk"), *(server.person("party", n) for n in (0, 1))]
    pages = courtroom.join_all(*people)
    _watch(pages, 4)
    pressed_ms = time.time() * 1000
    press(pages[0], "start")
    took_s = round((_complete_at_ms(pages) - pressed_ms) / 1000, 2)
    record_property("call to order pressed -> all 4 see and hear each other, s (confirmation included)", took_s)
