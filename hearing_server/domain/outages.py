"""The courtroom's media process failed or came back. The hearing goes on; the gap and its cause are in the log."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar

from hearing_server.domain.commands import SystemCommand
from hearing_server.domain.events import Event
from hearing_server.domain.permissions import ReasonCode, Refusal, refuse

if TYPE_CHECKING:
    from hearing_server.domain.state import Hearing


class MediaLostCause(StrEnum):
    PROCESS_DIED = "process_died"
    NOT_RESPONDING = "not_responding"
    SERVER_RESTART = "server_restart"
    PLAN_REFUSED = "plan_refused"  # the relay did not do what the hearing said, so it was closed


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordMediaLost(SystemCommand):
    type: ClassVar[str] = "record_media_lost"
    cause: MediaLostCause


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordMediaRestored(SystemCommand):
    type: ClassVar[str] = "record_media_restored"


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaLost(Event):
    type: ClassVar[str] = "media:lost"
    cause: MediaLostCause


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaRestored(Event):
    type: ClassVar[str] = "media:restored"


def record_lost(hearing: Hearing, command: RecordMediaLost, at: datetime) -> tuple[Event, ...] | Refusal:
    if hearing.media_lost_since is not None:
        return refuse(ReasonCode.NO_CHANGE, action=command.type)
    return (MediaLost(cause=command.cause),)


def record_restored(hearing: Hearing, command: RecordMediaRestored, at: datetime) -> tuple[Event, ...] | Refusal:
    if hearing.media_lost_since is None:
        return refuse(ReasonCode.NO_CHANGE, action=command.type)
    return (MediaRestored(),)


def evolve(hearing: Hearing, event: MediaLost | MediaRestored, at: datetime) -> Hearing:
    return replace(hearing, media_lost_since=at if isinstance(event, MediaLost) else None)
