"""What every event store does."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone

import pytest

from hearing_server.domain.ids import HearingId
from hearing_server.ports import ConcurrentAppendError, EventStore, LoggedEvent, NewEvent, UnstorableError
from hearing_server.records.event_chain import GENESIS, verify
from tests.fakes.storage import AnyStores

pytest_plugins = ("tests.contract.storage_backends",)

HEARING, OTHER = HearingId("h-1"), HearingId("h-2")
AT = datetime(2026, 11, 22, 9, 30, 0, 123456, tzinfo=UTC)


def new_event(number: int = 0, *, at: datetime = AT, actor: str = "p-1") -> NewEvent:
    return NewEvent(at=at, actor=actor, type="person:arrived", body={"number": number})


@pytest.fixture
def events(stores: AnyStores) -> EventStore:
    return stores.events


async def test_what_is_appended_is_read_back_as_it_was(events: EventStore) -> None:
    body = {
        "text": "审判长 😀",
        "float": 0.1,
        "small": 1e-7,
        "zero": -0.0,
        "none": None,
        "deep": [{"a": [True, -1]}],
        "": "",
    }
    appended = await events.append(
        HEARING, 0, [NewEvent(at=AT, actor="p-1", type="t", body=body), new_event(2, actor="system")]
    )
    assert await events.read(HEARING) == tuple(appended)
    assert [event.seq for event in appended] == [1, 2]
    assert appended[0].prev == GENESIS
    assert appended[0].body == body
    assert verify(await events.read(HEARING)).ok


async def test_reading_starts_after_the_number_given(events: EventStore) -> None:
    await events.append(HEARING, 0, [new_event(number) for number in range(5)])
    assert [event.seq for event in await events.read(HEARING, after_seq=3)] == [4, 5]
    assert await events.read(HEARING, after_seq=5) == ()


async def test_a_time_in_another_zone_is_the_same_time(events: EventStore) -> None:
    beijing = AT.astimezone(timezone(timedelta(hours=8)))
    [logged] = await events.append(HEARING, 0, [new_event(at=beijing)])
    [read] = await events.read(HEARING)
    assert read.at == AT
    assert read.at.utcoffset() == timedelta(0)
    assert read.hash == logged.hash
    assert verify([read]).ok


async def test_a_naive_time_is_refused(events: EventStore) -> None:
    with pytest.raises(UnstorableError, match="time zone"):
        await events.append(HEARING, 0, [new_event(at=AT.replace(tzinfo=None))])
    assert await events.hearing_ids() == ()


async def test_the_log_must_end_where_the_writer_thinks(events: EventStore) -> None:
    before = await events.append(HEARING, 0, [new_event(1), new_event(2)])
    for after_seq in (0, 1, 3, 99):
        with pytest.raises(ConcurrentAppendError):
            await events.append(HEARING, after_seq, [new_event(3)])
    assert await events.read(HEARING) == tuple(before)
    await events.append(HEARING, 2, [new_event(3)])
    assert len(await events.read(HEARING)) == 3


async def test_a_log_begins_with_its_first_event(events: EventStore) -> None:
    with pytest.raises(ConcurrentAppendError):
        await events.append(HEARING, 5, [new_event()])
    assert await events.hearing_ids() == ()
    assert await events.read(HEARING) == ()


async def test_appending_nothing_changes_nothing(events: EventStore) -> None:
    assert tuple(await events.append(HEARING, 0, [])) == ()
    assert await events.hearing_ids() == ()


UNSTORABLE_BODIES: tuple[dict[str, object], ...] = (
    {"text": "a\0b"},
    {"text": "\ud800"},
    {"text": "x" * 5000},
    {"a\0b": 1},
    {"number": 2**53},
    {"number": float("nan")},
    {"number": float("inf")},
    {"list": [[["\0"]]]},
    {"bytes": b"x"},
)


async def test_what_cannot_be_kept_faithfully_is_refused_whole(events: EventStore) -> None:
    before = await events.append(HEARING, 0, [new_event()])
    for body in UNSTORABLE_BODIES:
        with pytest.raises(UnstorableError):
            await events.append(HEARING, 1, [new_event(1), NewEvent(at=AT, actor="p-1", type="t", body=body)])
    assert await events.read(HEARING) == tuple(before)
    await events.append(HEARING, 1, [new_event(1), NewEvent(at=AT, actor="p-1", type="t", body={"text": "x"})])


async def test_ids_that_cannot_be_kept_are_refused(events: EventStore) -> None:
    for hearing_id in ("h" * 65, "", "h\0"):
        with pytest.raises(UnstorableError):
            await events.append(HearingId(hearing_id), 0, [new_event()])
    for actor in ("p" * 65, "", "\udc00"):
        with pytest.raises(UnstorableError):
            await events.append(HEARING, 0, [new_event(actor=actor)])
    assert await events.hearing_ids() == ()


async def test_hearings_have_logs_of_their_own_and_come_oldest_first(events: EventStore) -> None:
    await events.append(OTHER, 0, [new_event(at=AT)])
    await events.append(HEARING, 0, [new_event(at=AT + timedelta(seconds=1))])
    await events.append(OTHER, 1, [new_event(at=AT + timedelta(seconds=2))])
    assert await events.hearing_ids() == (OTHER, HEARING)
    assert [len(await events.read(hearing_id)) for hearing_id in (OTHER, HEARING)] == [2, 1]


async def test_twenty_writers_leave_no_gap(events: EventStore) -> None:
    async def append(writer: int) -> None:
        while True:
            seq = len(await events.read(HEARING))
            try:
                await events.append(HEARING, seq, [new_event(writer), new_event(writer)])
                return
            except ConcurrentAppendError:
                continue

    await asyncio.gather(*(append(writer) for writer in range(20)))
    log = await events.read(HEARING)
    assert [event.seq for event in log] == list(range(1, 41))
    assert verify(log).ok
    assert sorted(str(_writer(event)) for event in log[::2]) == sorted(map(str, range(20)))
    assert [_writer(event) for event in log[::2]] == [_writer(event) for event in log[1::2]]  # no batch is split


def _writer(event: LoggedEvent) -> object:
    return event.body["number"]
