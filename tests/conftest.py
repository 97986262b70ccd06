"""What all tests share: the order of the suite, and the recorded faces, voices and models outside the repository."""

import os
from pathlib import Path

import pytest

ORDER = ("unit", "contract", "integration", "bench", "e2e")
TESTS = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Quick and pure first: what they find would only show up again, less clearly, further out.

    Browsers last: Playwright leaves an event loop running in the thread of the tests.
    """

    def rank(item: pytest.Item) -> int:
        kind = item.path.relative_to(TESTS).parts[0]
        return ORDER.index(kind) if kind in ORDER else len(ORDER)

    items.sort(key=rank)


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder HEARING_TEST_DATA names, with `data/` and `models/` in it; the test is skipped without it."""
    named = os.environ.get("HEARING_TEST_DATA")
    if not named:
        pytest.skip("HEARING_TEST_DATA is not set: name a folder with data/ and models/")
    folder = Path(named).resolve()
    for part in ("data", "models"):
        if not (folder / part).is_dir():
            pytest.skip(f"HEARING_TEST_DATA has no {part}/ folder: {folder}")
    return folder
