"""`hearing log verify`: its keys, exit codes and where it looks."""

import asyncio
import json
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hearing_server.cli import log
from hearing_server.domain.ids import HearingId
from hearing_server.ports import NewEvent
from hearing_server.records.checkpoint import CheckpointProblem
from hearing_server.records.event_chain import ChainProblem
from hearing_server.storage.stores import open_stores

AT = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


async def keep_three_events(data_dir: Path) -> str:
    stores = await open_stores(data_dir)
    events = [NewEvent(at=AT, actor="p-1", type="t", body={"n": n}) for n in range(3)]
    logged = await stores.events.append(HearingId("h-1"), 0, events)
    await stores.aclose()
    return logged[-1].hash


@pytest.fixture
def head(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.delenv("HEARING_DATA_DIR", raising=False)
    monkeypatch.delenv("HEARING_DATABASE_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    return asyncio.run(keep_three_events(tmp_path / "data"))


def test_a_whole_log(head: str) -> None:
    result = CliRunner().invoke(log.app, ["verify", "h-1", "--data", "data", "--json"])
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {"ok": True, "events": 3, "head": head, "first_bad": None}
    assert "Checking" in result.stderr


def test_a_changed_log(head: str) -> None:
    with sqlite3.connect("data/hearing.db") as database:
        database.execute("UPDATE event SET actor = 'p-2' WHERE seq = 2")
    result = CliRunner().invoke(log.app, ["verify", "h-1", "--data", "data", "--json"])
    assert result.exit_code == 1
    assert json.loads(result.stdout)["first_bad"] == {"seq": 2, "problem": "altered"}
    assert json.loads(result.stdout)["ok"] is False
    words = CliRunner().invoke(log.app, ["verify", "h-1", "--data", "data"])
    assert words.exit_code == 1
    assert "event 2 is not what was logged" in words.stdout


@pytest.mark.parametrize("arguments", [["h-2", "--data", "data"], ["h-1", "--data", "nothing"], ["h-1"], ["../h-1"]])
def test_what_could_not_be_checked(head: str, arguments: list[str]) -> None:
    result = CliRunner().invoke(log.app, ["verify", *arguments, "--json"])
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "could not be checked" in result.stderr


def test_the_data_folder_of_the_environment_and_the_one_by_default(head: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("data").rename("hearing-data")
    assert CliRunner().invoke(log.app, ["verify", "h-1"]).exit_code == 0
    Path("hearing-data").rename("elsewhere")
    assert CliRunner().invoke(log.app, ["verify", "h-1"]).exit_code == 2
    monkeypatch.setenv("HEARING_DATA_DIR", "elsewhere")
    assert CliRunner().invoke(log.app, ["verify", "h-1"]).exit_code == 0


def test_every_problem_has_an_explanation() -> None:
    assert set(log.EXPLANATIONS) == {*ChainProblem, *CheckpointProblem}
