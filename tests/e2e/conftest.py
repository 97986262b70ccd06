"""Fixtures of the browser tests: a real service, real Chromium, and people who enter by their links."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Playwright, sync_playwright

from tests.e2e.chromium import find_chromium, flags
from tests.e2e.clips import TALKING_HEADS, Clip, make_clip
from tests.e2e.courtroom import Courtroom
from tests.e2e.demo_server import DemoServer
from tests.e2e.media_checks import PATIENCE_S, PROBE

RESULTS = Path(__file__).parents[2] / "test-results" / "e2e"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.timeout(900))  # several waits of PATIENCE_S, on a machine that is busy


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """Keep whether the test failed where its fixtures can see it."""
    report = yield
    if report.when == "call":
        item.stash[FAILED] = report.failed
    return report


FAILED: pytest.StashKey[bool] = pytest.StashKey()


@pytest.fixture(scope="session")
def playwright_driver() -> Iterator[Playwright]:
    with sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Clip]:
    """Talking heads for the fake cameras; none where there is no test data, and Chromium shows its test pattern."""
    named = os.environ.get("HEARING_TEST_DATA")
    folder = Path(named, "data", "talking-heads") if named else None
    if folder is None or not folder.is_dir():
        return []
    target = tmp_path_factory.mktemp("clips")
    return [make_clip(folder / name, target) for name in TALKING_HEADS if (folder / name).exists()]


@pytest.fixture(scope="session")
def browsers(playwright_driver: Playwright, clips: list[Clip]) -> Iterator[Callable[[int], Browser]]:
    """Return the browser whose camera shows the n-th clip. The fake camera is one setting of the whole process."""
    path = find_chromium()
    if path is None:
        pytest.skip(os.environ.get("HEARING_NO_BROWSER", "no Chromium found; name one in HEARING_CHROMIUM"))
    started: dict[int, Browser] = {}

    def get(number: int) -> Browser:
        number = number % len(clips) if clips else 0
        if number not in started:
            clip = clips[number] if clips else None
            arguments = flags(clip.video, clip.audio) if clip else flags()
            started[number] = playwright_driver.chromium.launch(executable_path=path, headless=True, args=arguments)
        return started[number]

    yield get
    for browser in started.values():
        browser.close()


@pytest.fixture
def new_page(browsers: Callable[[int], Browser], request: pytest.FixtureRequest) -> Iterator[Callable[..., Page]]:
    """Return `new_page(clip=0, **context options)`: a page in a context of its own, with the probe in it.

    Errors that a page throws, and what its content security policy blocks, fail the test. Pages of a failed test are
    pictured in test-results/e2e.
    """
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def note_console(message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            errors.append(message.text)

    def prepared(page: Page) -> None:
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", note_console)

    def new(clip: int = 0, **options: Any) -> Page:
        settings = {"locale": "zh-CN", "viewport": {"width": 1280, "height": 800}, **options}
        context = browsers(clip).new_context(**settings)
        contexts.append(context)
        context.set_default_timeout(PATIENCE_S * 1000)
        context.add_init_script(path=PROBE)
        context.on("page", prepared)
        return context.new_page()

    yield new
    failed = request.node.stash.get(FAILED, False)
    for number, context in enumerate(contexts):
        for page in context.pages if failed else ():
            _keep_picture(page, RESULTS / request.node.name / f"page-{number}.png")
        context.close()
    assert not errors, f"errors in the pages: {errors}"


@pytest.fixture
def server(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[DemoServer]:
    """A service with its own data and a fresh sample hearing, in check-in."""
    running = DemoServer(tmp_path)
    try:
        yield running
    finally:
        running.stop()
        if request.node.stash.get(FAILED, False):
            (RESULTS / request.node.name).mkdir(parents=True, exist_ok=True)
            shutil.copy(running.log, RESULTS / request.node.name / "server.log")


@pytest.fixture
def courtroom(server: DemoServer, new_page: Callable[..., Page]) -> Courtroom:
    return Courtroom(server, new_page)


def _keep_picture(page: Page, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=path)
