"""The client's texts: the same keys in both languages, and a text for everything the server can name."""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import get_args

import pytest

from hearing_server.domain.attendance import Presence
from hearing_server.domain.lifecycle import HearingState
from hearing_server.domain.permissions import ReasonCode
from hearing_server.domain.roles import Role
from hearing_server.domain.testimony import TestimonyState
from hearing_server.signalling.notices import GoodbyeCode

ROOT = Path(__file__).parents[2]
LOCALES = ROOT / "web_client" / "src" / "locale"
CLIENT = ROOT / "web_client" / "src"
# Where a code stands as a literal: as the first argument of an error, or first in a row of a table of errors.
_CODES = re.compile(
    r"(?:ErrorText|bad_request|BadMessageError|OutOfPhase|LinkRefusedError)\(\s*\"([a-z_]+)\"|"
    r"Error: \(\s*\"([a-z_]+)\"|^\s*\"(link_[a-z]+)\": \(",
    re.MULTILINE,
)
_PLACEHOLDERS = re.compile(r"\{\w+\}")


def _texts(language: str) -> dict[str, str]:
    texts: dict[str, str] = json.loads((LOCALES / f"{language}.json").read_text())
    return texts


ZH, EN = _texts("zh"), _texts("en")


def _error_codes() -> set[str]:
    """Every error code that the gateway and the signalling can send."""
    sources = [
        *(ROOT / "hearing_server" / "gateway").glob("*.py"),
        *(ROOT / "hearing_server" / "signalling").glob("*.py"),
    ]
    found = (code for path in sources for groups in _CODES.findall(path.read_text()) for code in groups if code)
    return set(found)


def test_both_languages_have_the_same_keys_in_the_same_order() -> None:
    assert list(ZH) == list(EN)


def test_no_text_is_empty_and_none_is_in_the_wrong_language() -> None:
    for key in EN:
        assert ZH[key].strip(), key
        assert EN[key].strip(), key
        assert not re.search(r"[\u4e00-\u9fff]", EN[key]), key
        assert re.search(r"[\u4e00-\u9fff]", ZH[key]), key


def test_both_languages_have_the_same_placeholders() -> None:
    for key in EN:
        assert sorted(set(_PLACEHOLDERS.findall(ZH[key]))) == sorted(set(_PLACEHOLDERS.findall(EN[key]))), key


@pytest.mark.parametrize(
    ("prefix", "codes"),
    [
        ("state", HearingState),
        ("role", Role),
        ("presence", Presence),
        ("testimony", TestimonyState),
        ("reason", ReasonCode),
        ("goodbye", get_args(GoodbyeCode)),
        ("error", sorted(_error_codes())),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_everything_the_server_can_name_has_a_text(prefix: str, codes: Iterable[str]) -> None:
    assert [code for code in codes if f"{prefix}.{code}" not in EN] == []


def test_the_search_for_error_codes_finds_those_of_each_kind() -> None:
    found = _error_codes()
    assert {"link_used", "malformed_message", "stale_id", "storage_failed", "rate_limited", "internal_error"} <= found


def test_no_page_carries_a_text_of_its_own() -> None:
    """A Chinese letter in the client's source is a text outside the locale files; the language button is the one."""
    for path in CLIENT.rglob("*.ts"):
        words = re.findall(r"[\u4e00-\u9fff]+", path.read_text())
        assert words == (["中文"] if path.name == "state_line.ts" else []), path
