"""Checkpoints, commitments, times and texts as they are written in the record."""

import base64
import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from hearing_server.domain.ids import HearingId
from hearing_server.records.checkpoint import (
    CheckpointProblem,
    checkpoint_from_json,
    checkpoint_problem,
    checkpoint_to_json,
    sign_checkpoint,
)
from hearing_server.records.commitment import commitment, commitment_holds
from hearing_server.records.text_rules import MAX_BODY_DEPTH, UnstorableValueError, check_body, check_text
from hearing_server.records.utc_text import parse_utc, utc_text

AT = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
SIGNED = sign_checkpoint(KEY, HearingId("h-1"), 3, "a" * 64, AT)


def test_a_checkpoint_is_verified_with_nothing_but_its_statement() -> None:
    statement = b'{"at":"2026-11-22T09:30:00.000000Z","head":"' + b"a" * 64 + b'","log":"h-1","size":3}'
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(SIGNED.public_key))
    key.verify(base64.b64decode(SIGNED.signature), statement)
    assert checkpoint_problem(SIGNED, {SIGNED.public_key}) is None


def test_every_changed_field_breaks_the_signature() -> None:
    changes = {"size": 4, "head": "b" * 64, "hearing_id": "h-2", "at": AT + timedelta(seconds=1), "signature": "AAAA"}
    for name, value in changes.items():
        changed = replace(SIGNED, **{name: value})  # type: ignore[arg-type]  # fields by name
        assert checkpoint_problem(changed, {SIGNED.public_key}) is CheckpointProblem.FORGED, name


@pytest.mark.parametrize("key", ["", "not base64!", "AAAA", "é"])
def test_a_key_that_is_none_is_a_forgery(key: str) -> None:
    assert checkpoint_problem(replace(SIGNED, public_key=key), {key}) is CheckpointProblem.FORGED


def test_a_good_signature_of_another_key_is_not_trusted() -> None:
    assert checkpoint_problem(SIGNED, ()) is CheckpointProblem.UNTRUSTED


def test_a_checkpoint_comes_back_from_its_file() -> None:
    written = checkpoint_to_json(SIGNED)
    assert checkpoint_from_json(written) == SIGNED
    for name in written:
        with pytest.raises(ValueError, match="checkpoint"):
            checkpoint_from_json({key: value for key, value in written.items() if key != name})
    with pytest.raises(ValueError, match="isoformat"):
        checkpoint_from_json({**written, "at": "yesterday"})


def test_a_commitment_can_be_checked_with_any_sha256() -> None:
    salt, content = bytes(range(32)), "张三".encode()
    made = commitment(salt, content)
    assert made == hashlib.sha256(salt + content).hexdigest()
    assert commitment_holds(made, salt, content)
    assert not commitment_holds(made, salt, content + b"!")
    assert not commitment_holds(made, bytes(32), content)
    with pytest.raises(ValueError, match="32 bytes"):
        commitment(b"short", content)


def test_times_are_written_in_one_way() -> None:
    assert utc_text(AT.astimezone(timezone(timedelta(hours=8)))) == "2026-11-22T09:30:00.000000Z"
    assert parse_utc("2026-11-22T09:30:00.000000Z") == AT
    with pytest.raises(ValueError, match="time zone"):
        utc_text(datetime(2026, 11, 22))  # noqa: DTZ001 - a naive time is what is tested
    for text in ("2026-11-22T09:30:00Z", "2026-11-22T09:30:00.000000+00:00", "2026-11-22"):
        with pytest.raises(ValueError, match="2026"):
            parse_utc(text)


def test_texts_and_numbers_that_a_database_or_json_would_change_are_refused() -> None:
    for good in ("", "审判长 😀", "a" * 10, "\n\t\x7f"):
        assert check_text(good, where="x", max_chars=10) == good
    for bad in ("a\0", "\udfff", "a" * 11):
        with pytest.raises(UnstorableValueError):
            check_text(bad, where="x", max_chars=10)
    check_body({"a": [{"b": 2**53 - 1}, -(2**53) + 1, 1.5, None, True, "x"]})
    bad_values: list[object] = [2**53, -(2**53), 1e300, float("nan"), "\0", {1: "a"}, {"\ud800": 1}, b"x", object()]
    for value in bad_values:
        with pytest.raises(UnstorableValueError):
            check_body({"a": [value]})


def test_a_body_that_is_nested_without_end_is_refused() -> None:
    deep: dict[str, object] = {}
    for _ in range(MAX_BODY_DEPTH - 2):
        deep = {"a": deep}
    check_body(deep)
    with pytest.raises(UnstorableValueError, match="deep"):
        check_body({"a": {"a": {"a": deep}}})
