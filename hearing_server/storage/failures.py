"""What went wrong in the database, as advice for the operator. One table, used for every transaction."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from alembic.util import CommandError
from sqlalchemy.exc import SQLAlchemyError

from hearing_server.ports import StorageError, UnstorableError
from hearing_server.records.text_rules import UnstorableValueError

# What the driver's message contains -> what to do. SQLite reports in text; PostgreSQL by connection failures mostly.
ADVICE: Mapping[str, str] = {
    "database is locked": "Another program holds the database; end it, then try again.",
    "database or disk is full": "The disk is full; free space on the disk of the data folder, then try again.",
    "no space left": "The disk is full; free space on the disk of the data folder, then try again.",
    "disk i/o error": "The disk refused to write: it is full, over a quota or failing. Check it, then try again.",
    "readonly database": "The database may not be written; check the permissions of the data folder.",
    "unable to open database": "The database cannot be opened; check that the data folder exists and may be written.",
    "malformed": "The database file is damaged; stop the service and restore a copy.",
    "not a database": "The file is not a database, or is damaged; restore a copy.",
    "no such table": "The database has no tables yet; start the service once, or name the right data folder.",
    "undefinedtable": "The database has no tables yet; start the service once, or check the database URL.",
    "can't locate revision": "A newer version wrote this database; run that version of the software.",
}
_OTHER_ADVICE = "The database refused; read the cause below, check that it runs and can be reached, then try again."


def advice(error: BaseException) -> str:
    """Return what to do about `error`, and the driver's own words without any statement or value in them."""
    cause = getattr(error, "orig", None) or error
    words = f"{type(cause).__name__}: {cause}".splitlines()[0][:300]
    text = f"{words} {type(getattr(cause, '__cause__', None)).__name__}".lower()
    return f"{next((do for sign, do in ADVICE.items() if sign in text), _OTHER_ADVICE)} ({words})"


@contextmanager
def as_storage_error() -> Iterator[None]:
    """Turn every failure of the database or disk into a StorageError that says what to do."""
    try:
        yield
    except StorageError:
        raise
    except UnstorableValueError as error:
        raise UnstorableError(str(error)) from error
    except (SQLAlchemyError, sqlite3.Error, CommandError, OSError) as error:
        raise StorageError(advice(error)) from error
