"""The benchmarks run, and measure what they say: small ones always, the comparisons only in the full suite."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

KEYS = {
    "us_per_packet", "percent_of_core", "latency_p50_ms", "latency_p99_ms", "loss_ratio", "ratio_to_janus",
    "ratio_to_janus_event_loops", "ratio_to_relay", "compiled", "engines", "passes", "machine",
}  # fmt: skip
ROOT = Path(__file__).parents[2]


def bench(*arguments: str, path: str | None = None) -> tuple[int, dict[str, Any], str]:
    """Run `hearing bench` with `arguments`: exit code, the JSON object, standard error."""
    command = [sys.executable, "-c", "from hearing_server.cli.bench import app; app()", *arguments, "--json"]
    environment = {**os.environ, "PATH": path} if path is not None else None
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, env=environment, cwd=ROOT, check=False)
    document = json.loads(done.stdout.splitlines()[-1]) if done.stdout.strip() else {}
    return done.returncode, document, done.stderr


def test_one_sender_and_one_receiver() -> None:
    """Media really flows. Loss is bounded loosely: a machine busy with other tests drops packets of its own."""
    code, document, stderr = bench(
        "media", "--senders", "1", "--receivers", "1", "--seconds", "1", "--passes", "1", "--against", ""
    )
    assert code == 0, stderr
    assert document.keys() >= KEYS
    row = document["passes"][0]["hearing"]
    assert row["streams"] == 2
    assert row["packets_per_s"] > 20
    assert row["frames_per_s"] > 1
    assert document["loss_ratio"] < 0.05
    assert document["us_per_packet"] > 0
    assert 0 < document["latency_p50_ms"] <= document["latency_p99_ms"]
    assert document["ratio_to_janus"] is document["ratio_to_relay"] is None
    assert document["machine"]["cores"] >= 1


def test_a_missing_comparator_is_told_and_left_out(tmp_path: Path) -> None:
    """With a PATH that has no Janus; the engine itself is measured all the same."""
    code, document, stderr = bench(
        *("media", "--senders", "1", "--receivers", "1", "--seconds", "0.5", "--passes", "1", "--against", "janus"),
        path=str(tmp_path),
    )
    assert code == 0, stderr
    assert document["ratio_to_janus"] is None
    assert "apt install janus" in stderr
    assert document["us_per_packet"] > 0


def test_an_unknown_comparator_is_refused() -> None:
    code, document, stderr = bench("media", "--against", "mediasoup")
    assert (code, document) == (2, {})
    assert "janus, relay" in stderr


def test_two_small_hearings() -> None:
    code, document, stderr = bench("hearings", "--count", "2", "--people", "2", "--seconds", "1")
    assert code == 0, stderr
    assert document.keys() >= {"starved", "latency_p95_ms", "cpu_percent", "rss_mib", "binds"}
    assert document["streams"] == 2 * 2 * 2, "two receivers a hearing, sound and picture each"
    assert document["binds"] == 2 * 2 * 2, "two connections for each of four people"
    assert document["cpu_percent"] > 0
    assert 0.5 < document["sent_ratio"] < 1.1


def test_hearings_that_share_a_process() -> None:
    code, document, stderr = bench(
        "hearings", "--count", "2", "--people", "2", "--seconds", "1", "--rooms-per-process", "2"
    )
    assert code == 0, stderr
    assert document["streams"] == 2 * 2 * 2
    assert document["processes"] == 2, "one for both, and the spare one"


@pytest.mark.full
def test_people_come_and_go_for_a_minute() -> None:
    code, document, stderr = bench("soak", "--minutes", "1", "--hearings", "1", "--people", "3", "--seed", "2")
    assert code == 0, stderr
    assert document["failures"] == {}
    assert sum(document["actions"].values()) > 10
    assert document["growth"]["descriptors"] <= 0
    assert len(document["samples"]) >= 4
    assert "rss_mib" in stderr


@pytest.mark.full
@pytest.mark.skipif(shutil.which("janus") is None, reason="Janus is not installed; on Debian: apt install janus")
def test_beside_janus_and_the_stock_relay() -> None:
    code, document, stderr = bench(
        "media", "--senders", "2", "--receivers", "1", "--seconds", "2", "--passes", "1", "--against", "janus,relay"
    )
    assert code == 0, stderr
    for name in ("janus", "janus_event_loops"):
        row = document["passes"][0][name]
        assert row.get("streams") == 4, stderr
        assert row["latency_p50_ms"] > 0
        assert document[f"ratio_to_{name}"] > 0
    assert document["engines"]["relay"]["version"].startswith("aiortc")
