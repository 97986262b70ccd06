"""What a benchmark needs of an engine under test."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final, Protocol, TypeVar

from media.bench.child import Child
from media.bench.layout import Layout

_AT_ONCE: Final = 8
"""Handshakes that run at the same time: more would only wait for each other on one processor."""

Item = TypeVar("Item")


class EngineMissingError(Exception):
    """The engine cannot run on this computer. The text says what to install."""

    code = "bench_engine_missing"


class BenchmarkError(Exception):
    """Our own engine could not be measured."""

    code = "bench_failed"


class Engine(Protocol):
    """An engine in processes of its own. `start` and `aclose` own them."""

    name: str

    async def start(self) -> None:
        """Start the processes. Raises EngineMissingError."""

    async def connect(self, layout: Layout, load: Child) -> None:
        """Connect everybody of `layout`, whose peers `load` has opened. Everybody is silent until the load's `go`."""

    def pids(self) -> Sequence[int]:
        """Return the processes whose cost counts."""
        ...

    def facts(self) -> dict[str, Any]:
        """Return what a reader of the figures should know: version, settings."""
        ...

    async def aclose(self) -> None:
        """End the processes. Safe to call twice."""


async def for_each(items: Iterable[Item], work: Callable[[Item], Awaitable[None]], *, at_once: int = _AT_ONCE) -> None:
    """Run `work` on every item, `at_once` at a time. The first failure ends the others and is raised."""
    gate = asyncio.Semaphore(at_once)

    async def gated(item: Item) -> None:
        async with gate:
            await work(item)

    try:
        async with asyncio.TaskGroup() as group:
            for item in items:
                group.create_task(gated(item))
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from failures
