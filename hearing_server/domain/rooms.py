"""Where people's sound and pictures flow (location), as opposed to where they belong (seat)."""

from enum import StrEnum


class Location(StrEnum):
    OUTSIDE = "outside"  # absent, lost or left: no media at all
    COURTROOM = "courtroom"
    WAITING_ROOM = "waiting_room"
    WITNESS_ROOM = "witness_room"  # one isolated room per witness
    GALLERY = "gallery"  # observers: receive only


class StreamKind(StrEnum):
    AUDIO = "audio"
    VIDEO = "video"
