"""The chain names the first event that is not what was sealed; checkpoints guard what a chain cannot."""

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from hearing_server.domain.ids import HearingId
from hearing_server.records.checkpoint import Checkpoint, CheckpointProblem, sign_checkpoint
from hearing_server.records.event_chain import (
    GENESIS,
    ChainProblem,
    LoggedEvent,
    NewEvent,
    event_hash,
    seal,
    seal_all,
    verify,
)
from hearing_server.records.text_rules import UnstorableValueError

AT = datetime(2026, 11, 22, 9, 30, 0, 5, tzinfo=UTC)
HEARING = HearingId("h-1")
KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
OTHER_KEY = Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32)


def new_events(count: int, text: str = "") -> list[NewEvent]:
    return [
        NewEvent(at=AT + timedelta(seconds=n), actor="p-1", type="seat:muted", body={"n": n, "text": text})
        for n in range(1, count + 1)
    ]


LOG = seal_all(GENESIS, 0, new_events(10))


def checkpoint_at(size: int, key: Ed25519PrivateKey = KEY, log: tuple[LoggedEvent, ...] = LOG) -> Checkpoint:
    return sign_checkpoint(key, HEARING, size, log[size - 1].hash if size else GENESIS, AT)


TRUSTED = (checkpoint_at(1).public_key,)


def with_event(seq: int, event: LoggedEvent) -> tuple[LoggedEvent, ...]:
    return (*LOG[: seq - 1], event, *LOG[seq:])


def test_the_hash_is_over_the_canonical_json_of_six_fields() -> None:
    event = NewEvent(at=AT, actor="p", type="t", body={"b": 1, "a": "é"})
    text = (
        '{"actor":"p","at":"2026-11-22T09:30:00.000005Z","body":{"a":"é","b":1},"prev":"'
        + GENESIS
        + '","seq":1,"type":"t"}'
    )
    assert seal(GENESIS, 1, event).hash == hashlib.sha256(text.encode()).hexdigest()


def test_a_whole_log_is_good() -> None:
    report = verify(LOG)
    assert (report.ok, report.events, report.head, report.first_bad) == (True, 10, LOG[-1].hash, None)
    assert verify(LOG, [checkpoint_at(n) for n in (10, 0, 3)], trusted_keys=TRUSTED, recorded=(10, LOG[-1].hash)).ok


def test_an_empty_log_is_good_and_ends_with_zeros() -> None:
    assert verify([]).ok
    assert verify([]).head == GENESIS


@pytest.mark.parametrize("seq", [1, 4, 10])
@pytest.mark.parametrize(
    "change",
    [
        {"body": {"n": 99}},
        {"at": AT + timedelta(days=1)},
        {"at": AT + timedelta(microseconds=1)},
        {"actor": "p-2"},
        {"type": "seat:unmuted"},
        {"hash": "f" * 64},
        {"prev": "f" * 64},
        {"body": {"n": float("nan")}},
    ],
    ids=["body", "time", "microsecond", "actor", "type", "hash", "prev", "unhashable"],
)
def test_an_altered_event_is_named(seq: int, change: dict[str, object]) -> None:
    report = verify(with_event(seq, replace(LOG[seq - 1], **change)))  # type: ignore[arg-type]  # fields by name
    assert report.first_bad == (seq, ChainProblem.ALTERED)
    assert not report.ok


def test_the_same_time_in_another_zone_is_no_alteration() -> None:
    beijing = LOG[3].at.astimezone(timezone(timedelta(hours=8)))
    assert verify(with_event(4, replace(LOG[3], at=beijing))).ok


def test_an_event_altered_with_its_hash_made_anew_is_named() -> None:
    forged = seal(LOG[2].hash, 4, NewEvent(at=AT, actor="p-1", type="seat:muted", body={"n": 99}))
    assert verify(with_event(4, forged)).first_bad == (4, ChainProblem.ALTERED)


def test_the_first_of_several_is_named() -> None:
    log = with_event(7, replace(LOG[6], actor="x"))
    assert verify((*log[:2], replace(log[2], actor="x"), *log[3:])).first_bad == (3, ChainProblem.ALTERED)


def test_swapped_events_are_named() -> None:
    assert verify((*LOG[:3], LOG[4], LOG[3], *LOG[5:])).first_bad == (4, ChainProblem.OUT_OF_ORDER)
    renumbered = (*LOG[:3], replace(LOG[4], seq=4), replace(LOG[3], seq=5), *LOG[5:])
    assert verify(renumbered).first_bad == (4, ChainProblem.OUT_OF_ORDER)


@pytest.mark.parametrize("seq", [1, 4, 9])
def test_an_event_missing_in_the_middle_is_named(seq: int) -> None:
    assert verify((*LOG[: seq - 1], *LOG[seq:])).first_bad == (seq, ChainProblem.MISSING)


def test_an_event_missing_with_the_rest_renumbered_is_found() -> None:
    rest = (replace(event, seq=event.seq - 1) for event in LOG[4:])
    report = verify((*LOG[:3], *rest))
    assert report.first_bad == (4, ChainProblem.ALTERED)


def test_an_event_put_in_between_is_found() -> None:
    assert verify((*LOG[:3], LOG[2], *LOG[3:])).first_bad == (4, ChainProblem.OUT_OF_ORDER)


def test_a_cut_tail_is_caught_by_a_checkpoint_and_by_nothing_else() -> None:
    assert verify(LOG[:6]).ok
    assert verify(LOG[:6], [checkpoint_at(6)], trusted_keys=TRUSTED).ok
    report = verify(LOG[:6], [checkpoint_at(3), checkpoint_at(9)], trusted_keys=TRUSTED)
    assert report.first_bad == (7, ChainProblem.CUT_OFF)
    assert verify((), [checkpoint_at(9)], trusted_keys=TRUSTED).first_bad == (1, ChainProblem.CUT_OFF)


def test_a_tail_cut_carelessly_is_caught_by_the_size_beside_the_log() -> None:
    assert verify(LOG[:6], recorded=(10, LOG[-1].hash)).first_bad == (7, ChainProblem.CUT_OFF)
    assert verify(LOG, recorded=(9, LOG[8].hash)).first_bad == (10, ChainProblem.REWRITTEN)
    assert verify(LOG, recorded=(10, LOG[9].hash)).ok


def test_a_history_written_anew_is_caught_by_a_checkpoint_and_by_nothing_else() -> None:
    forged = (*LOG[:4], *seal_all(LOG[3].hash, 4, new_events(6, text="forged")))
    assert verify(forged).ok
    assert verify(forged, [checkpoint_at(4)], trusted_keys=TRUSTED).ok
    report = verify(forged, [checkpoint_at(8), checkpoint_at(4), checkpoint_at(6)], trusted_keys=TRUSTED)
    assert report.first_bad == (6, ChainProblem.REWRITTEN)


def test_a_history_written_anew_with_checkpoints_of_another_key_is_caught() -> None:
    forged = seal_all(GENESIS, 0, new_events(10, text="forged"))
    signed = [checkpoint_at(5, OTHER_KEY, forged), checkpoint_at(10, OTHER_KEY, forged)]
    assert verify(forged, signed, trusted_keys=TRUSTED).first_bad == (5, CheckpointProblem.UNTRUSTED)
    assert verify(forged, signed, trusted_keys=(signed[0].public_key,)).ok


def test_a_checkpoint_that_was_changed_is_named() -> None:
    forged = replace(checkpoint_at(5), size=4, head=LOG[3].hash)
    assert verify(LOG, [forged], trusted_keys=TRUSTED).first_bad == (4, CheckpointProblem.FORGED)


def test_an_event_without_time_zone_is_not_sealed() -> None:
    with pytest.raises(UnstorableValueError, match="time zone"):
        seal(GENESIS, 1, replace(new_events(1)[0], at=AT.replace(tzinfo=None)))


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(-1e15, 1e15)
    | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abcé", max_size=3), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.text("xyz", max_size=3), JSON_VALUES, max_size=4))
def test_a_body_keeps_its_hash_through_the_text_of_a_database(body: dict[str, object]) -> None:
    event = seal(GENESIS, 1, NewEvent(at=AT, actor="p", type="t", body=body))
    read = replace(event, body=json.loads(json.dumps(body)))
    assert event_hash(1, GENESIS, read) == event.hash


@settings(max_examples=150, deadline=None)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=10))
def test_every_other_order_or_choice_of_events_is_found(picked: list[int]) -> None:
    log = tuple(LOG[index] for index in picked)
    is_a_beginning = log == LOG[: len(log)]
    assert verify(log).ok == is_a_beginning
