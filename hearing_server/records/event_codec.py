"""Domain events to JSON bodies and back, for every dataclass in a table of event types."""

from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import TypeVar, cast

import msgspec

_E = TypeVar("_E")


class UndecodableEventError(Exception):
    """A logged event that this version of the software cannot read: run the version that wrote it, or a newer one."""

    code = "undecodable_event"


def encode_event(event: object) -> dict[str, object]:
    """Return the body of `event` (a dataclass instance): JSON values only, the same for equal events.

    Class variables, such as the `type` of the event, are not part of the body.
    """
    if not is_dataclass(event) or isinstance(event, type):
        raise TypeError(f"{event!r} is not an event: events are dataclass instances.")
    return cast(dict[str, object], _with_lists(msgspec.to_builtins(event, str_keys=True, order="deterministic")))


def _with_lists(value: object) -> object:
    """JSON has no tuples: what is read back must equal what was written."""
    match value:
        case dict():
            return {key: _with_lists(item) for key, item in value.items()}
        case list() | tuple():
            return [_with_lists(item) for item in value]
        case _:
            return value


def decode_event(event_type: str, body: Mapping[str, object], event_types: Mapping[str, type[_E]]) -> _E:
    """Return the event that `encode_event` turned into `body`. `event_types` maps each `type` to its dataclass.

    Fields that an older writer did not know take their defaults. Raises UndecodableEventError.
    """
    event_class = event_types.get(event_type)
    if event_class is None:
        raise UndecodableEventError(f"This version knows no event {event_type!r}; use the version that wrote the log.")
    try:
        return msgspec.convert(dict(body), event_class, str_keys=True)
    except msgspec.ValidationError as error:
        raise UndecodableEventError(f"The body of a {event_type} event does not fit: {error}") from error
