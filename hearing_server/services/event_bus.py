"""Tells the parts of this process that a hearing has changed. The event log is the truth; this only wakes."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hearing_server.domain.hearing import Event, Hearing

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class HearingChanged:
    before: Hearing
    after: Hearing
    events: Sequence[Event]


Listener = Callable[[HearingChanged], None]


class EventBus:
    """Calls every listener at once, in the order they came. Listeners must not block: they mark work to be done."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    def subscribe(self, listener: Listener) -> None:
        self._listeners.append(listener)

    def publish(self, change: HearingChanged) -> None:
        for listener in self._listeners:
            try:
                listener(change)
            except Exception:
                # One deaf listener must not keep the others from hearing that the witness was released.
                logger.exception("listener failed", extra={"hearing_id": change.after.hearing_id})
