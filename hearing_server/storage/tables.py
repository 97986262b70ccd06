"""The tables, the same on SQLite and PostgreSQL. Every change here needs a revision in `migrations/versions`."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import JSONB

from hearing_server.records.text_rules import MAX_ID_CHARS

MAX_NAME_CHARS = 200  # of a piece of content, a message type, a refusal code


class UtcDateTime(TypeDecorator[datetime]):
    """A point in time. Refuses naive datetimes and always returns aware UTC ones, on SQLite too."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.utcoffset() is None:
            raise ValueError(f"{value!r} has no time zone; give an aware datetime.")
        in_utc = value.astimezone(UTC)
        return in_utc.replace(tzinfo=None) if dialect.name == "sqlite" else in_utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


BigInt = BigInteger().with_variant(Integer, "sqlite")  # SQLite gives row ids to INTEGER keys only
Json = JSON().with_variant(JSONB(), "postgresql")
Sha256Text = String(64)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _id(name: str = "hearing_id", **options: Any) -> Column[str]:
    return Column(name, String(MAX_ID_CHARS), nullable=False, **options)


hearing = Table(
    "hearing",
    metadata,
    _id("id", primary_key=True),
    Column("head", Sha256Text, nullable=False),
    Column("seq", BigInt, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

event = Table(
    "event",
    metadata,
    Column("id", BigInt, primary_key=True, autoincrement=True),
    Column("hearing_id", String(MAX_ID_CHARS), ForeignKey("hearing.id"), nullable=False),
    Column("seq", BigInt, nullable=False),
    Column("prev", Sha256Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    _id("actor"),
    _id("type"),
    Column("body", Json, nullable=False),
    Column("hash", Sha256Text, nullable=False),
    UniqueConstraint("hearing_id", "seq"),
)

# No foreign key to `hearing`: a checkpoint must be able to outlive the rows it speaks about.
checkpoint = Table(
    "checkpoint",
    metadata,
    Column("id", BigInt, primary_key=True, autoincrement=True),
    _id(),
    Column("size", BigInt, nullable=False),
    Column("head", Sha256Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("public_key", String(64), nullable=False),
    Column("signature", String(128), nullable=False),
    Index(None, "hearing_id", "size"),
)

# Content is stored before the first event, whose body holds its commitments; hence no foreign key to `hearing`.
data_key = Table(
    "data_key",
    metadata,
    _id(primary_key=True),
    Column("master_key_id", String(16), nullable=False),
    Column("nonce", LargeBinary, nullable=True),  # this and the next are NULL once the content is erased
    Column("wrapped_key", LargeBinary, nullable=True),
)

content = Table(
    "content",
    metadata,
    Column("hearing_id", String(MAX_ID_CHARS), ForeignKey("data_key.hearing_id"), primary_key=True),
    Column("name", String(MAX_NAME_CHARS), primary_key=True),
    Column("nonce", LargeBinary, nullable=False),
    Column("ciphertext", LargeBinary, nullable=False),  # of salt and content: the salt must go when the content goes
)

entry_link = Table(
    "entry_link",
    metadata,
    Column("token_hash", Sha256Text, primary_key=True),
    _id(),
    _id("person_id"),
    Column("issued_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("used_at", UtcDateTime, nullable=True),
    Column("revoked_at", UtcDateTime, nullable=True),
    Index(None, "hearing_id", "person_id"),
)

resume_token = Table(
    "resume_token",
    metadata,
    Column("token_hash", Sha256Text, primary_key=True),
    _id(),
    _id("person_id"),
    Column("issued_at", UtcDateTime, nullable=False),
    Column("revoked_at", UtcDateTime, nullable=True),
    Index(None, "hearing_id", "person_id"),
)

refusal = Table(
    "refusal",
    metadata,
    Column("id", BigInt, primary_key=True, autoincrement=True),
    _id(),
    Column("at", UtcDateTime, nullable=False),
    _id("person_id"),
    Column("message_type", String(MAX_NAME_CHARS), nullable=False),
    Column("code", String(MAX_NAME_CHARS), nullable=False),
    Index(None, "hearing_id", "at"),
)
