"""The states of a hearing and how it moves between them."""

from enum import StrEnum


class HearingState(StrEnum):
    SCHEDULED = "scheduled"
    CHECK_IN = "check_in"
    IN_SESSION = "in_session"
    RECESS = "recess"
    INTERRUPTED = "interrupted"
    CLOSED = "closed"
    CANCELLED = "cancelled"
