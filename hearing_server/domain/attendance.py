"""Who is here: entering, losing the connection, returning, leaving."""

from enum import StrEnum


class Presence(StrEnum):
    ABSENT = "absent"  # has not entered yet
    PRESENT = "present"
    LOST = "lost"  # the connection broke: a fault, not departure
    LEFT = "left"  # left by their own act
