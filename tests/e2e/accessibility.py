"""axe-core on the page as it is now, and walking a page by keyboard alone."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

AXE = Path(__file__).parents[2] / "web_client" / "node_modules" / "axe-core" / "axe.min.js"
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_MAX_TABS = 80
_FOCUSED = """() => {
  const element = document.activeElement;
  return { testid: element?.dataset.testid ?? null, isVisible: element?.matches(":focus-visible") ?? false };
}"""


def violations(page: Page) -> list[str]:
    """Return one line for each rule that the page breaks: the rule, and the elements that break it."""
    if not AXE.exists():
        pytest.skip("axe-core is not installed: run bin/test, or npm ci in web_client")
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text())
    found: dict[str, Any] = page.evaluate(
        "rules => axe.run(document, { runOnly: rules, resultTypes: ['violations'] })", _RULES
    )
    return [f"{one['id']}: {[node['html'][:160] for node in one['nodes']]}" for one in found["violations"]]


def tab_to(page: Page, test_id: str) -> None:
    """Press Tab until the element has the focus, and check that a person would see that it has."""
    passed = []
    for _ in range(_MAX_TABS):
        page.keyboard.press("Tab")
        focused = page.evaluate(_FOCUSED)
        if focused["testid"] == test_id:
            assert focused["isVisible"], f"{test_id} has the focus but does not show it"
            return
        passed.append(focused["testid"])
    raise AssertionError(f"{test_id} cannot be reached with Tab; passed {passed}")
