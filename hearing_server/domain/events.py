"""What every event has in common, and the shape of a deadline."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened in a hearing. Its time, its actor and its number are kept beside it, in the log.

    Fields hold ids, enums, booleans, integers, aware UTC datetimes, salted commitments, and tuples of such values.
    """

    type: ClassVar[str]  # "<subject>:<past action>"; never renamed


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """`events` are to happen at `at`, unless something else happens first."""

    at: datetime
    events: tuple[Event, ...]


class UnexpectedEventError(Exception):
    """The log holds an event that cannot follow the ones before it. Verify the log of this hearing."""

    code = "unexpected_event"
