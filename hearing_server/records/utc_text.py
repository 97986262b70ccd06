"""The one way a point in time is written in the record: UTC, microseconds, Z."""

from datetime import UTC, datetime


def utc_text(at: datetime) -> str:
    """Return `at` as "2026-11-22T09:30:00.000000Z" (ISO 8601). Raises ValueError when it has no time zone."""
    if at.tzinfo is None or at.utcoffset() is None:
        raise ValueError(f"{at!r} has no time zone; give an aware datetime.")
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def parse_utc(text: str) -> datetime:
    """Return the time that `utc_text` wrote. Raises ValueError for every other form."""
    at = datetime.fromisoformat(text)
    if utc_text(at) != text:
        raise ValueError(f"{text!r} is not UTC with microseconds and Z.")
    return at
