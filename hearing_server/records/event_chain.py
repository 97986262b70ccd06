"""The hash chain of one hearing's log: sealing events into it, and finding the first thing that is wrong with it."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, cast

import rfc8785

from hearing_server.records.checkpoint import Checkpoint, CheckpointProblem, checkpoint_problem
from hearing_server.records.text_rules import UnstorableValueError, check_body, check_id
from hearing_server.records.utc_text import utc_text

JsonBody = Mapping[str, object]

GENESIS = "0" * 64  # `prev` of the first event


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEvent:
    """An event before it has a place in the chain. `body` holds ids, enums, times and commitments only."""

    at: datetime
    actor: str  # a PersonId or "system"
    type: str
    body: JsonBody


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedEvent:
    seq: int  # 1, 2, 3 ... within one hearing
    prev: str  # hash of the event before; 64 zeros for the first
    at: datetime
    actor: str
    type: str
    body: JsonBody
    hash: str  # sha256 over the canonical JSON (RFC 8785) of the six fields above


class ChainProblem(StrEnum):
    ALTERED = "altered"  # the event is not what was sealed
    OUT_OF_ORDER = "out_of_order"  # another event of this log stands in its place
    MISSING = "missing"  # later events are there, this one is not
    CUT_OFF = "cut_off"  # a checkpoint or the hearing's row knows of more events than there are
    REWRITTEN = "rewritten"  # the chain fits together, but is not the one that a checkpoint was signed over
    UNREADABLE = "unreadable"  # the stored row cannot be read as an event


Problem = ChainProblem | CheckpointProblem


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainReport:
    ok: bool
    events: int  # how many events were read
    head: str  # hash of the last one; 64 zeros when there is none
    first_bad: tuple[int, Problem] | None  # sequence number and what is wrong there


def event_hash(seq: int, prev: str, event: NewEvent | LoggedEvent) -> str:
    """Return sha256(JCS({seq, prev, at, actor, type, body})) as 64 hex digits."""
    fields = {
        "seq": seq,
        "prev": prev,
        "at": utc_text(event.at),
        "actor": event.actor,
        "type": event.type,
        "body": event.body,
    }
    # rfc8785 types its input as JSON values only; `check_body` has made sure of that, or the dump raises.
    return hashlib.sha256(rfc8785.dumps(cast(Any, fields))).hexdigest()


def check_event(event: NewEvent) -> None:
    """Raises UnstorableValueError when `event` cannot be kept faithfully."""
    if event.at.utcoffset() is None:
        raise UnstorableValueError(f"{event.at!r} has no time zone; give an aware datetime.")
    check_id(event.actor, where="actor")
    check_id(event.type, where="type")
    check_body(event.body)


def seal(prev: str, seq: int, event: NewEvent) -> LoggedEvent:
    """Give `event` its place: number `seq`, after the event with hash `prev`. Raises UnstorableValueError."""
    check_event(event)
    return LoggedEvent(
        seq=seq,
        prev=prev,
        at=event.at.astimezone(UTC),
        actor=event.actor,
        type=event.type,
        body=event.body,
        hash=event_hash(seq, prev, event),
    )


def seal_all(prev: str, after_seq: int, events: Sequence[NewEvent]) -> tuple[LoggedEvent, ...]:
    """Seal `events` one after the other behind event `after_seq`, whose hash is `prev`."""
    sealed: list[LoggedEvent] = []
    for event in events:
        sealed.append(seal(prev, after_seq + len(sealed) + 1, event))
        prev = sealed[-1].hash
    return tuple(sealed)


def verify(
    events: Sequence[LoggedEvent],
    checkpoints: Sequence[Checkpoint] = (),
    *,
    trusted_keys: Collection[str] = (),
    recorded: tuple[int, str] | None = None,
) -> ChainReport:
    """Check a whole log, in the order in which it is kept, and name the first event that is not what was sealed.

    Without checkpoints a cut-off tail and a history written anew are not noticed; no chain can notice them by itself.

    Args:
        checkpoints: All that were signed over this log, in any order.
        trusted_keys: Public keys of the court (base64). A checkpoint of another key proves nothing and is reported.
        recorded: Size and head that the store keeps beside the log. Unsigned, so it catches only the careless.
    """
    found = [_first_broken_link(events), _first_broken_checkpoint(events, checkpoints, trusted_keys)]
    if recorded is not None:
        size, head = recorded
        found.append(_first_mismatch(events, size, head) or _first_mismatch(events, len(events), head))
    first_bad = min((bad for bad in found if bad is not None), key=lambda bad: bad[0], default=None)
    return ChainReport(
        ok=first_bad is None,
        events=len(events),
        head=events[-1].hash if events else GENESIS,
        first_bad=first_bad,
    )


def _first_broken_link(events: Sequence[LoggedEvent]) -> tuple[int, Problem] | None:
    numbers = {event.seq for event in events}
    hashes = {event.hash for event in events}
    head = GENESIS
    for seq, event in enumerate(events, start=1):
        if event.seq != seq:
            return seq, ChainProblem.OUT_OF_ORDER if seq in numbers else ChainProblem.MISSING
        is_intact = _is_intact(event)
        if event.prev != head:
            if is_intact:
                # This event names the predecessor it was sealed behind; the one that stands there is another.
                return max(1, seq - 1), ChainProblem.ALTERED
            return seq, ChainProblem.OUT_OF_ORDER if event.prev in hashes else ChainProblem.ALTERED
        if not is_intact:
            return seq, ChainProblem.ALTERED
        head = event.hash
    return None


def _is_intact(event: LoggedEvent) -> bool:
    try:
        return event.hash == event_hash(event.seq, event.prev, event)
    except (ValueError, TypeError):  # a value was put in that no sealed event can hold
        return False


def _first_broken_checkpoint(
    events: Sequence[LoggedEvent], checkpoints: Sequence[Checkpoint], trusted_keys: Collection[str]
) -> tuple[int, Problem] | None:
    for checkpoint in sorted(checkpoints, key=lambda checkpoint: checkpoint.size):
        problem = checkpoint_problem(checkpoint, trusted_keys)
        if problem is not None:
            return max(1, checkpoint.size), problem
        if (mismatch := _first_mismatch(events, checkpoint.size, checkpoint.head)) is not None:
            return mismatch
    return None


def _first_mismatch(events: Sequence[LoggedEvent], size: int, head: str) -> tuple[int, Problem] | None:
    if size > len(events):
        return len(events) + 1, ChainProblem.CUT_OFF
    if head != (events[size - 1].hash if size > 0 else GENESIS):
        return max(1, size), ChainProblem.REWRITTEN
    return None
