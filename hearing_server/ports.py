"""What the services need from the outside: small Protocols, implemented in `storage` and faked in `tests/fakes`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from hearing_server.domain.ids import HearingId, PersonId
from hearing_server.records.checkpoint import Checkpoint
from hearing_server.records.event_chain import JsonBody, LoggedEvent, NewEvent

__all__ = [
    "AuditLog",
    "Checkpoint",
    "CheckpointStore",
    "ConcurrentAppendError",
    "ContentErasedError",
    "ContentStore",
    "EntryTokens",
    "EventStore",
    "JsonBody",
    "LinkRefusedError",
    "LoggedEvent",
    "NewEvent",
    "SeatGrant",
    "StorageError",
    "UnstorableError",
]


class ConcurrentAppendError(Exception):
    """Somebody else appended first; read again and decide again."""

    code = "concurrent_append"


class StorageError(Exception):
    """The database refused or is unreachable; nothing was written. The message says what to do next."""

    code = "storage_failed"


class UnstorableError(StorageError):
    """A text or number that cannot be kept faithfully (NUL, half a surrogate pair, too long). Nothing was written."""

    code = "unstorable_value"


class ContentErasedError(StorageError):
    """The hearing's content was erased lawfully; nothing can be added to it."""

    code = "content_erased"


class EventStore(Protocol):
    """The append-only, hash-chained log of every hearing."""

    async def append(self, hearing_id: HearingId, after_seq: int, events: Sequence[NewEvent]) -> Sequence[LoggedEvent]:
        """Append all of `events` in one transaction after event `after_seq` (0: a new hearing).

        Raises ConcurrentAppendError when the log does not end at `after_seq`, StorageError when nothing was written.
        """
        ...

    async def read(self, hearing_id: HearingId, after_seq: int = 0) -> Sequence[LoggedEvent]: ...

    async def hearing_ids(self) -> Sequence[HearingId]: ...


class AuditLog(Protocol):
    """Refusals of people in a hearing. Not part of the chain; rate-limited by the caller."""

    async def record_refusal(
        self, hearing_id: HearingId, at: datetime, person_id: PersonId, message_type: str, code: str
    ) -> None: ...

    async def refusals(self, hearing_id: HearingId) -> Sequence[tuple[datetime, PersonId, str, str]]: ...


class ContentStore(Protocol):
    """Personal content (names, titles, words), encrypted with one data key per hearing, AES-256-GCM."""

    async def put(self, hearing_id: HearingId, name: str, content: bytes) -> str:
        """Store `content` under `name` (an older one is replaced) and return its salted commitment, for the log.

        Raises ContentErasedError after `erase`, StorageError when nothing was written.
        """
        ...

    async def get(self, hearing_id: HearingId, name: str) -> bytes | None: ...

    async def matches(self, hearing_id: HearingId, name: str, commitment: str) -> bool:
        """Whether what is stored under `name` is what `commitment` was made from."""
        ...

    async def erase(self, hearing_id: HearingId) -> None:
        """Destroy the hearing's data key: all its content becomes unreadable for ever. Safe to call twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeatGrant:
    """What a link or a resume token stands for."""

    hearing_id: HearingId
    person_id: PersonId


class LinkRefusedError(Exception):
    """`code`: link_unknown, link_used, link_expired, link_revoked."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class EntryTokens(Protocol):
    """One-time links and the resume tokens they turn into. Only SHA-256 hashes of tokens are stored."""

    async def issue_link(self, grant: SeatGrant, *, at: datetime, expires_at: datetime) -> str:
        """Return a new 256-bit link token (URL-safe text) and revoke earlier links of the same seat."""
        ...

    async def peek_link(self, link_token: str, *, at: datetime) -> SeatGrant:
        """What the link stands for, without using it up. Raises LinkRefusedError."""
        ...

    async def redeem_link(self, link_token: str, *, at: datetime) -> tuple[SeatGrant, str]:
        """Use the link up and return the grant and a new resume token; earlier resume tokens of the seat end.

        Raises LinkRefusedError. Of two simultaneous calls exactly one succeeds.
        """
        ...

    async def check_resume(self, resume_token: str) -> SeatGrant:
        """Raises LinkRefusedError (link_unknown or link_revoked)."""
        ...

    async def revoke_seat(self, grant: SeatGrant, *, at: datetime) -> None:
        """End the seat's links and resume tokens."""


class CheckpointStore(Protocol):
    """Checkpoints, kept in the database and, append-only, in a file beside it."""

    async def sign(self, hearing_id: HearingId, size: int, head: str, at: datetime) -> Checkpoint: ...

    async def read(self, hearing_id: HearingId) -> Sequence[Checkpoint]: ...
