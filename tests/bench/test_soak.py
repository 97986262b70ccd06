"""A long run must find a relay that leaks, and must not find one where there is none."""

import asyncio
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from hearing_server.cli.actors import default_clip_folder
from media.bench.soak import SoakBenchmark
from media.sfu.client import SfuEngine

LEAKING = Path(__file__).with_name("leaking_relay.py")


def soak(executable: str) -> dict[str, Any]:
    """Run for half a minute, and judge all the same."""
    benchmark = SoakBenchmark(
        minutes=0.5, hearings=1, people=3, seed=3, clip_folder=default_clip_folder(), judged_from_min=0.1
    )
    return asyncio.run(
        benchmark.run(
            lambda folder: SfuEngine(addresses=("127.0.0.1",), executable=executable), lambda what, share: None
        )
    )


@pytest.mark.full
def test_a_relay_that_keeps_who_has_gone_is_found_out(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{LEAKING}" "$@"\n')
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    document = soak(str(python))
    assert document["failures"] == {}
    assert document["growth"]["descriptors"] > 0
    assert document["growth"]["rss_ratio"] > 0.05
    assert document["is_flat"] is False


@pytest.mark.full
def test_the_relay_itself_is_not() -> None:
    """Memory is not compared: a run this short ends before everything has run once."""
    document = soak(sys.executable)
    assert document["failures"] == {}
    grown = document["growth"]
    assert (grown["descriptors"], grown["binds"]) == (0, 0)
