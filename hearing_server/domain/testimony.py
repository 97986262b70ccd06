"""A witness's path from seclusion to the stand and back."""

from enum import StrEnum


class TestimonyState(StrEnum):
    WAITING = "waiting"  # not called yet: hears and sees nothing of the court
    CALLED = "called"  # told to get ready; still hears nothing
    TESTIFYING = "testifying"
    RELEASED = "released"  # isolated again until the record is signed
