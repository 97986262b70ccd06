"""The event log, content, tokens, checkpoints and refusals."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_BIG_INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_JSON = sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql")
_TIME = sa.DateTime(timezone=True)
_SHA256 = sa.String(64)


def _id(name: str) -> "sa.Column[str]":
    return sa.Column(name, sa.String(64), nullable=False)


def upgrade() -> None:
    op.create_table(
        "hearing",
        _id("id"),
        sa.Column("head", _SHA256, nullable=False),
        sa.Column("seq", _BIG_INT, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hearing")),
    )
    op.create_table(
        "event",
        sa.Column("id", _BIG_INT, autoincrement=True, nullable=False),
        _id("hearing_id"),
        sa.Column("seq", _BIG_INT, nullable=False),
        sa.Column("prev", _SHA256, nullable=False),
        sa.Column("at", _TIME, nullable=False),
        _id("actor"),
        _id("type"),
        sa.Column("body", _JSON, nullable=False),
        sa.Column("hash", _SHA256, nullable=False),
        sa.ForeignKeyConstraint(["hearing_id"], ["hearing.id"], name=op.f("fk_event_hearing_id_hearing")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event")),
        sa.UniqueConstraint("hearing_id", "seq", name=op.f("uq_event_hearing_id_seq")),
    )
    op.create_table(
        "checkpoint",
        sa.Column("id", _BIG_INT, autoincrement=True, nullable=False),
        _id("hearing_id"),
        sa.Column("size", _BIG_INT, nullable=False),
        sa.Column("head", _SHA256, nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("public_key", sa.String(64), nullable=False),
        sa.Column("signature", sa.String(128), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_checkpoint")),
    )
    op.create_index(op.f("ix_checkpoint_hearing_id_size"), "checkpoint", ["hearing_id", "size"])
    _create_content_tables()
    _create_token_tables()
    op.create_table(
        "refusal",
        sa.Column("id", _BIG_INT, autoincrement=True, nullable=False),
        _id("hearing_id"),
        sa.Column("at", _TIME, nullable=False),
        _id("person_id"),
        sa.Column("message_type", sa.String(200), nullable=False),
        sa.Column("code", sa.String(200), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refusal")),
    )
    op.create_index(op.f("ix_refusal_hearing_id_at"), "refusal", ["hearing_id", "at"])


def _create_content_tables() -> None:
    op.create_table(
        "data_key",
        _id("hearing_id"),
        sa.Column("master_key_id", sa.String(16), nullable=False),
        sa.Column("nonce", sa.LargeBinary(), nullable=True),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("hearing_id", name=op.f("pk_data_key")),
    )
    op.create_table(
        "content",
        _id("hearing_id"),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("nonce", sa.LargeBinary(), nullable=False),
        sa.Column("ciphertext", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["hearing_id"], ["data_key.hearing_id"], name=op.f("fk_content_hearing_id_data_key")),
        sa.PrimaryKeyConstraint("hearing_id", "name", name=op.f("pk_content")),
    )


def _create_token_tables() -> None:
    op.create_table(
        "entry_link",
        sa.Column("token_hash", _SHA256, nullable=False),
        _id("hearing_id"),
        _id("person_id"),
        sa.Column("issued_at", _TIME, nullable=False),
        sa.Column("expires_at", _TIME, nullable=False),
        sa.Column("used_at", _TIME, nullable=True),
        sa.Column("revoked_at", _TIME, nullable=True),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_entry_link")),
    )
    op.create_index(op.f("ix_entry_link_hearing_id_person_id"), "entry_link", ["hearing_id", "person_id"])
    op.create_table(
        "resume_token",
        sa.Column("token_hash", _SHA256, nullable=False),
        _id("hearing_id"),
        _id("person_id"),
        sa.Column("issued_at", _TIME, nullable=False),
        sa.Column("revoked_at", _TIME, nullable=True),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_resume_token")),
    )
    op.create_index(op.f("ix_resume_token_hearing_id_person_id"), "resume_token", ["hearing_id", "person_id"])


def downgrade() -> None:
    raise NotImplementedError("A log is never thrown away: restore the database from before the upgrade instead.")
