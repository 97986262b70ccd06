"""Identifiers. Every id on the wire, in the log and in file names is one of these."""

from typing import NewType

HearingId = NewType("HearingId", str)
PersonId = NewType("PersonId", str)
SeatId = NewType("SeatId", str)
