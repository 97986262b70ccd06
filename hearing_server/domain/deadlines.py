"""Timers as part of the state: what is due next, and when. A restart rebuilds them from the log."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from hearing_server.domain import direction, lifecycle, testimony
from hearing_server.domain.events import Deadline
from hearing_server.domain.state import Hearing

SOURCES: Sequence[Callable[[Hearing], Iterable[Deadline]]] = (
    lifecycle.deadlines,
    direction.deadlines,
    testimony.deadlines,
)


def next_due(hearing: Hearing) -> Deadline | None:
    """The earliest deadline; of two at the same time, the one of the hearing before the one of a person."""
    due = [deadline for source in SOURCES for deadline in source(hearing)]
    return min(due, key=lambda deadline: deadline.at) if due else None


def next_deadline(hearing: Hearing) -> datetime | None:
    """When to send the next `Tick`. It changes with every event."""
    due = next_due(hearing)
    return None if due is None else due.at
