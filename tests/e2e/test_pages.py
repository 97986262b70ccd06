"""Every page in both languages: no accessibility rule broken, a picture of each, and all of it by keyboard."""

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page

from tests.e2e.accessibility import tab_to, violations
from tests.e2e.courtroom import Courtroom, press, resume_if_interrupted, wait_for_view
from tests.e2e.media_checks import sees, until

PICTURES = Path(__file__).parents[2] / "test-results" / "pages"


class Review:
    """Looks at pages in Chinese and English, and keeps what axe finds for one verdict at the end."""

    def __init__(self) -> None:
        self.found: list[str] = []
        PICTURES.mkdir(parents=True, exist_ok=True)

    def look(self, page: Page, name: str) -> None:
        """`page` stays in the language it came in."""
        page.evaluate("document.fonts.ready")
        for _ in range(2):
            language = page.evaluate("document.documentElement.lang")
            page.screenshot(path=PICTURES / f"{name}.{language}.png")
            self.found += [f"{name} ({language}): {one}" for one in violations(page)]
            switch = page.get_by_test_id("language")
            switch.click()
            until(page, lambda: page.evaluate("document.documentElement.lang") != language, what="the language changes")  # noqa: B023 - called at once


def test_pages_before_the_hearing(courtroom: Courtroom, new_page: Callable[..., Page]) -> None:
    server, review = courtroom.server, Review()
    plaintiff, summoned = server.person("party"), server.person("witness")

    nobody = new_page()
    nobody.goto(server.url)
    nobody.get_by_test_id("no-seat").wait_for()
    review.look(nobody, "no-seat")
    party, witness = courtroom.page_at_door(plaintiff), courtroom.page_at_door(summoned)
    review.look(party, "enter-party")
    review.look(witness, "enter-witness")

    judge, clerk = courtroom.join_all(server.person("presiding_judge"), server.person("clerk"))
    for page in (party, witness):
        page.get_by_test_id("join").click()
    sees(clerk, summoned.seat_id)
    for name, page in {"judge": judge, "clerk": clerk, "party": party, "witness": witness}.items():
        review.look(page, f"check-in-{name}")
    nobody.goto(plaintiff.link)
    nobody.get_by_test_id("error:link_used").wait_for()
    review.look(nobody, "used-link")
    assert review.found == []


def test_pages_of_the_hearing(courtroom: Courtroom) -> None:
    server, review = courtroom.server, Review()
    judge_seat, summoned = server.person("presiding_judge"), server.person("witness")
    judge, party, witness = courtroom.join_all(judge_seat, server.person("party", 0), summoned)
    phone = courtroom.join(
        server.person("party", 1), viewport={"width": 390, "height": 844}, device_scale_factor=2, has_touch=True
    )
    observer = courtroom.join(server.person("observer"))

    press(judge, "start")
    sees(observer, judge_seat.seat_id)
    review.look(witness, "witness-waiting")
    resume_if_interrupted(judge)
    press(judge, f"call:{summoned.person_id}")
    witness.locator('[data-screen="called"]').wait_for()
    witness.screenshot(path=PICTURES / "witness-called.png")
    wait_for_view(witness, lambda seen: seen["me"]["location"] == "courtroom", "the witness is admitted")
    sees(witness, judge_seat.seat_id)
    sees(phone, summoned.seat_id)
    in_court = {"judge": judge, "party": party, "phone": phone, "observer": observer, "witness": witness}
    for name, page in in_court.items():
        review.look(page, f"testimony-{name}")
    observer.close()

    resume_if_interrupted(judge)
    press(judge, f"release:{summoned.person_id}")
    witness.locator('[data-screen="released"]').wait_for()
    review.look(witness, "witness-released")
    resume_if_interrupted(judge)
    press(judge, "recess")
    wait_for_view(party, lambda seen: seen["state"] == "recess", "the hearing is in recess")
    review.look(party, "recess-party")
    judge.get_by_test_id("close").click()
    judge.get_by_test_id("confirm").wait_for()
    review.found += violations(judge)
    judge.screenshot(path=PICTURES / "close-question.png")
    judge.get_by_test_id("confirm").click()
    wait_for_view(judge, lambda seen: seen["state"] == "closed", "the hearing is closed")
    review.look(witness, "witness-closed")
    review.look(judge, "closed-judge")
    assert review.found == []


def test_a_hearing_by_keyboard_alone(courtroom: Courtroom) -> None:
    server = courtroom.server
    summoned = server.person("witness")
    judge = courtroom.page_at_door(server.person("presiding_judge"))
    witness = courtroom.page_at_door(summoned)
    for page in (judge, witness):
        tab_to(page, "join")
        page.keyboard.press("Enter")
        wait_for_view(page, lambda seen: seen["me"]["presence"] == "present", "in by keyboard")

    tab_to(judge, "start")
    judge.keyboard.press("Enter")
    wait_for_view(judge, lambda seen: seen["state"] == "in_session", "started by keyboard")
    tab_to(judge, f"mute:{server.person('presiding_judge').person_id}")
    judge.keyboard.press("Space")
    wait_for_view(judge, lambda seen: seen["me"]["is_muted"], "muted by keyboard")
    tab_to(judge, f"call:{summoned.person_id}")
    judge.keyboard.press("Enter")
    wait_for_view(witness, lambda seen: seen["me"]["location"] == "courtroom", "called by keyboard")
    tab_to(judge, f"release:{summoned.person_id}")
    judge.keyboard.press("Enter")
    wait_for_view(witness, lambda seen: seen["me"]["testimony"] == "released", "released by keyboard")

    tab_to(judge, "close")
    judge.keyboard.press("Enter")
    tab_to(judge, "dismiss")
    judge.keyboard.press("Enter")
    until(judge, lambda: judge.get_by_test_id("confirm").count() == 0, what="the question is gone")
    wait_for_view(judge, lambda seen: seen["state"] == "in_session", "nothing was closed")
