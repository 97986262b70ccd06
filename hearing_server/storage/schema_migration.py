"""Alembic without a configuration file: the revisions travel inside the package."""

from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, func, select

from hearing_server.ports import StorageError
from hearing_server.storage.tables import metadata

_MIGRATIONS = Path(__file__).parent / "migrations"
_UPGRADE_LOCK = 0x4845_4152  # any fixed number: two processes that start together must not both create the tables


def alembic_config(connection: Connection | None = None) -> Config:
    """Return the configuration; `connection` carries the transaction in which `migrations/env.py` works."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def upgrade_schema(connection: Connection) -> None:
    """Run every missing revision in the transaction of `connection`."""
    is_sqlite = connection.dialect.name == "sqlite"
    if not is_sqlite:
        connection.execute(select(func.pg_advisory_xact_lock(_UPGRADE_LOCK)))
    command.upgrade(alembic_config(connection), "head")
    if is_sqlite and (broken := connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()):
        raise StorageError(f"{len(broken)} rows point to nothing after the upgrade; it was rolled back.")


def check_schema(connection: Connection) -> list[Any]:
    """Return the differences between the database and the tables, as Alembic names them."""
    context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
    return list(compare_metadata(context, metadata))
