"""The people of a hearing at their browsers, and what they do with the pages."""

from collections.abc import Callable, Mapping
from typing import Any

from playwright.sync_api import Page

from tests.e2e.demo_server import DemoServer, Person
from tests.e2e.media_checks import until


def view(page: Page) -> Mapping[str, Any]:
    """The latest view of the hearing the server sent to this page; empty before the first."""
    found: Mapping[str, Any] = page.evaluate("hearingProbe.last.view?.view ?? {}")
    return found


def wait_for_view(page: Page, wanted: Callable[[Mapping[str, Any]], bool], what: str) -> None:
    until(page, lambda: bool(latest := view(page)) and wanted(latest), what=what)


class Courtroom:
    """Lets people of the sample hearing enter, and keeps which page is whose."""

    def __init__(self, server: DemoServer, new_page: Callable[..., Page]) -> None:
        self.server = server
        self._new_page = new_page
        self.pages: dict[str, Page] = {}  # by person_id

    def page_at_door(
        self,
        person: Person,
        *,
        init_script: str | None = None,
        prepare: Callable[[Page], None] | None = None,
        **options: Any,
    ) -> Page:
        """Open the person's link; `init_script` makes the page a hostile client, `prepare` gives it another network."""
        page = self._new_page(clip=len(self.pages), **options)
        if init_script is not None:
            page.add_init_script(init_script)
        if prepare is not None:
            prepare(page)
        page.goto(person.link)
        page.get_by_test_id("join").wait_for()
        self.pages[person.person_id] = page
        return page

    def join(self, person: Person, **options: Any) -> Page:
        """Enter by the personal link, through the device page, as far as the server's first view."""
        page = self.page_at_door(person, **options)
        page.get_by_test_id("join").click()
        wait_for_view(page, lambda seen: seen["me"]["presence"] == "present", f"the {person.role} is in")
        return page

    def join_all(self, *people: Person) -> list[Page]:
        return [self.join(person) for person in people]


def press(page: Page, test_id: str) -> None:
    """Click a button, and confirm where the page asks."""
    page.get_by_test_id(test_id).click()
    confirm = page.get_by_test_id("confirm")
    page.wait_for_timeout(100)
    if confirm.is_visible():
        confirm.click()


def resume_if_interrupted(judge: Page) -> None:
    """Go on with a hearing that was interrupted because this machine stood still.

    A judge whose page does not answer for some seconds, or does not return in time after a restart, is lost, and nobody
    directs the hearing. With many pages busy on two cores either can happen.
    """
    if view(judge)["state"] == "interrupted":
        press(judge, "resume")
        wait_for_view(judge, lambda seen: seen["state"] == "in_session", "the hearing goes on")
