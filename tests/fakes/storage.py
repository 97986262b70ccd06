"""Stores that keep everything in memory, for tests of what stands above them. They pass the stores' contract tests."""

import hashlib
import secrets
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeAlias

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hearing_server.domain.ids import HearingId, PersonId
from hearing_server.ports import (
    Checkpoint,
    ConcurrentAppendError,
    ContentErasedError,
    LinkRefusedError,
    LoggedEvent,
    NewEvent,
    SeatGrant,
    StorageError,
    UnstorableError,
)
from hearing_server.records.checkpoint import sign_checkpoint
from hearing_server.records.commitment import SALT_BYTES, commitment_holds
from hearing_server.records.commitment import commitment as make_commitment
from hearing_server.records.event_chain import GENESIS, seal_all
from hearing_server.records.text_rules import UnstorableValueError, check_id, check_text
from hearing_server.storage.stores import Stores

MAX_NAME_CHARS = 200
MAX_CONTENT_BYTES = 16 * 1024 * 1024


@dataclass
class FakeEventStore:
    """Set `failure` to make every following append fail as a full disk would."""

    failure: StorageError | None = None
    logs: dict[HearingId, list[LoggedEvent]] = field(default_factory=dict)

    async def append(self, hearing_id: HearingId, after_seq: int, events: Sequence[NewEvent]) -> Sequence[LoggedEvent]:
        if not events:
            return ()
        if self.failure is not None:
            raise self.failure
        log = self.logs.get(hearing_id, [])
        if len(log) != after_seq:
            raise ConcurrentAppendError(f"The log ends at {len(log)}, not at {after_seq}.")
        try:
            check_id(hearing_id, where="hearing_id")
            sealed = seal_all(log[-1].hash if log else GENESIS, after_seq, events)
        except UnstorableValueError as error:
            raise UnstorableError(str(error)) from error
        self.logs[hearing_id] = [*log, *sealed]
        return sealed

    async def read(self, hearing_id: HearingId, after_seq: int = 0) -> Sequence[LoggedEvent]:
        return tuple(self.logs.get(hearing_id, [])[after_seq:])

    async def hearing_ids(self) -> Sequence[HearingId]:
        return tuple(sorted(self.logs, key=lambda hearing_id: (self.logs[hearing_id][0].at, hearing_id)))


@dataclass
class FakeContentStore:
    contents: dict[HearingId, dict[str, tuple[bytes, bytes]]] = field(default_factory=lambda: defaultdict(dict))
    erased: set[HearingId] = field(default_factory=set)

    async def put(self, hearing_id: HearingId, name: str, content: bytes) -> str:
        try:
            check_id(hearing_id, where="hearing_id")
            check_text(name, where="name", max_chars=MAX_NAME_CHARS)
            if len(content) > MAX_CONTENT_BYTES:
                raise UnstorableValueError("too much content")
        except UnstorableValueError as error:
            raise UnstorableError(str(error)) from error
        if hearing_id in self.erased:
            raise ContentErasedError(hearing_id)
        salt = secrets.token_bytes(SALT_BYTES)
        self.contents[hearing_id][name] = (salt, content)
        return make_commitment(salt, content)

    async def get(self, hearing_id: HearingId, name: str) -> bytes | None:
        kept = self.contents[hearing_id].get(name)
        return None if kept is None else kept[1]

    async def matches(self, hearing_id: HearingId, name: str, commitment: str) -> bool:
        kept = self.contents[hearing_id].get(name)
        return kept is not None and commitment_holds(commitment, *kept)

    async def erase(self, hearing_id: HearingId) -> None:
        if self.contents.pop(hearing_id, None):
            self.erased.add(hearing_id)


@dataclass(frozen=True)
class _Link:
    grant: SeatGrant
    expires_at: datetime | None
    is_used: bool = False
    is_revoked: bool = False


@dataclass
class FakeEntryTokens:
    links: dict[str, _Link] = field(default_factory=dict)
    resume_tokens: dict[str, _Link] = field(default_factory=dict)

    async def issue_link(self, grant: SeatGrant, *, at: datetime, expires_at: datetime) -> str:
        _revoke(self.links, grant)
        return _add(self.links, _Link(grant, expires_at))

    async def peek_link(self, link_token: str, *, at: datetime) -> SeatGrant:
        link = self.links.get(_hash(link_token))
        if link is None:
            raise LinkRefusedError("link_unknown")
        if link.is_used:
            raise LinkRefusedError("link_used")
        if link.is_revoked:
            raise LinkRefusedError("link_revoked")
        if link.expires_at is not None and link.expires_at <= at:
            raise LinkRefusedError("link_expired")
        return link.grant

    async def redeem_link(self, link_token: str, *, at: datetime) -> tuple[SeatGrant, str]:
        grant = await self.peek_link(link_token, at=at)
        self.links[_hash(link_token)] = replace(self.links[_hash(link_token)], is_used=True)
        _revoke(self.resume_tokens, grant)
        return grant, _add(self.resume_tokens, _Link(grant, None))

    async def check_resume(self, resume_token: str) -> SeatGrant:
        token = self.resume_tokens.get(_hash(resume_token))
        if token is None:
            raise LinkRefusedError("link_unknown")
        if token.is_revoked:
            raise LinkRefusedError("link_revoked")
        return token.grant

    async def revoke_seat(self, grant: SeatGrant, *, at: datetime) -> None:
        _revoke(self.links, grant)
        _revoke(self.resume_tokens, grant)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _add(tokens: dict[str, _Link], link: _Link) -> str:
    token = secrets.token_urlsafe(32)
    tokens[_hash(token)] = link
    return token


def _revoke(tokens: dict[str, _Link], grant: SeatGrant) -> None:
    for key, link in tokens.items():
        if link.grant == grant:
            tokens[key] = replace(link, is_revoked=True)


@dataclass
class FakeCheckpointStore:
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    checkpoints: list[Checkpoint] = field(default_factory=list)

    async def sign(self, hearing_id: HearingId, size: int, head: str, at: datetime) -> Checkpoint:
        signed = sign_checkpoint(self.key, hearing_id, size, head, at)
        self.checkpoints.append(signed)
        return signed

    async def read(self, hearing_id: HearingId) -> Sequence[Checkpoint]:
        mine = [signed for signed in self.checkpoints if signed.hearing_id == hearing_id]
        return tuple(sorted(dict.fromkeys(mine), key=lambda signed: signed.size))


@dataclass
class FakeAuditLog:
    rows: list[tuple[HearingId, datetime, PersonId, str, str]] = field(default_factory=list)

    async def record_refusal(
        self, hearing_id: HearingId, at: datetime, person_id: PersonId, message_type: str, code: str
    ) -> None:
        try:
            for text in (message_type, code):
                check_text(text, where="a refusal", max_chars=MAX_NAME_CHARS)
        except UnstorableValueError as error:
            raise UnstorableError(str(error)) from error
        self.rows.append((hearing_id, at, person_id, message_type, code))

    async def refusals(self, hearing_id: HearingId) -> Sequence[tuple[datetime, PersonId, str, str]]:
        return tuple(row[1:] for row in self.rows if row[0] == hearing_id)


AnyStores: TypeAlias = "FakeStores | Stores"


@dataclass
class FakeStores:
    """The fakes by the names that the real stores have."""

    events: FakeEventStore = field(default_factory=FakeEventStore)
    contents: FakeContentStore = field(default_factory=FakeContentStore)
    tokens: FakeEntryTokens = field(default_factory=FakeEntryTokens)
    checkpoints: FakeCheckpointStore = field(default_factory=FakeCheckpointStore)
    audit: FakeAuditLog = field(default_factory=FakeAuditLog)
