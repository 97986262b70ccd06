"""Notices keep their order, views are coalesced, a browser that does not read is noticed."""

import asyncio

import pytest

from hearing_server.gateway.outbox import MAX_NOTICES, Outbox
from hearing_server.signalling.notices import Goodbye, MediaState, Ok


async def test_notices_come_in_order_and_before_the_view() -> None:
    outbox = Outbox(view_interval_s=0)
    outbox.want_view()
    outbox.put(Ok(id=1))
    outbox.put(Goodbye(code="left"))
    assert [await outbox.next(), await outbox.next(), await outbox.next()] == [Ok(id=1), Goodbye(code="left"), None]


async def test_many_wishes_for_a_view_are_one_view() -> None:
    outbox = Outbox(view_interval_s=3600)
    for _ in range(50):
        outbox.want_view()
    assert await outbox.next() is None
    outbox.want_view()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(outbox.next(), 0.05)
    outbox.put(Ok(id=2))
    assert await outbox.next() == Ok(id=2), "a pending view does not hold notices back"


async def test_overflow_is_said_and_bounded() -> None:
    outbox = Outbox(view_interval_s=0)
    for _ in range(MAX_NOTICES):
        outbox.put(MediaState(state="connected"))
    assert not outbox.has_overflowed
    outbox.put(Ok(id=3))
    assert outbox.has_overflowed
    assert await outbox.next() == Ok(id=3)
