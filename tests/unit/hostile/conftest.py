"""Counts the hostile cases of every file in this folder and prints them as one line at the end of the run."""

from collections import Counter

import pytest

TALLY = pytest.StashKey[Counter[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[TALLY] = Counter()


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> Counter[str]:
    """Add to `permitted` and `refused`."""
    return request.config.stash.setdefault(TALLY, Counter())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    counts = config.stash.get(TALLY, Counter())
    total = counts["permitted"] + counts["refused"]
    if total:
        line = f"hostile: {total} cases, {counts['permitted']} permitted, {counts['refused']} refused"
        terminalreporter.write_line(line)
