"""The shared timer of replay peers."""

import asyncio

import pytest

from media.replay.pacer import Pacer


async def until(event: asyncio.Event) -> None:
    async with asyncio.timeout(10):
        await event.wait()


async def test_ticks_come_in_the_order_of_their_times_and_as_often_as_they_ask() -> None:
    pacer, seen, done = Pacer(asyncio.get_running_loop()), list[str](), asyncio.Event()

    def fast(now_s: float) -> float | None:
        seen.append("fast")
        return now_s + 0.01 if len(seen) < 5 else None

    def slow(now_s: float) -> None:
        seen.append("slow")
        done.set()

    pacer.add(slow, 0.0 + asyncio.get_running_loop().time() + 0.3)
    pacer.add(fast, 0.0)
    await until(done)
    assert seen == ["fast"] * 5 + ["slow"]


async def test_a_removed_tick_does_not_come_and_may_remove_itself() -> None:
    pacer, seen, done = Pacer(asyncio.get_running_loop()), list[str](), asyncio.Event()
    now_s = asyncio.get_running_loop().time()

    def removed(now_s: float) -> float:
        seen.append("removed")
        return now_s

    def leaves(now_s: float) -> float:
        seen.append("leaves")
        pacer.remove(leaves)
        pacer.remove(leaves)
        return now_s

    def last(now_s: float) -> None:
        done.set()

    pacer.add(removed, now_s + 0.02)
    pacer.add(leaves, now_s + 0.02)
    pacer.add(last, now_s + 0.1)
    pacer.remove(removed)
    await until(done)
    assert seen == ["leaves"]


async def test_a_tick_that_fails_is_reported_and_does_not_stop_the_others(caplog: pytest.LogCaptureFixture) -> None:
    pacer, done = Pacer(asyncio.get_running_loop()), asyncio.Event()

    def fails(now_s: float) -> float:
        raise RuntimeError("broken camera")

    def works(now_s: float) -> None:
        done.set()

    pacer.add(fails, 0.0)
    pacer.add(works, 0.0)
    await until(done)
    assert "stopped sending" in caplog.text


async def test_one_pacer_for_one_loop() -> None:
    assert Pacer.shared() is Pacer.shared()
    other = await asyncio.to_thread(asyncio.run, _shared())
    assert other is not Pacer.shared()


async def _shared() -> Pacer:
    return Pacer.shared()
