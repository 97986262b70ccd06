"""Which text and numbers every database and the canonical JSON can hold, so that what is logged can be read again.

PostgreSQL refuses NUL and over-long text where SQLite takes both; RFC 8785 refuses lone surrogates and integers that
a double cannot hold.
"""

from collections.abc import Mapping, Sequence

MAX_INTEGER = 2**53 - 1  # RFC 8785 section 3.2.2.3: numbers are IEEE 754 doubles
MAX_BODY_TEXT_CHARS = 4096
MAX_BODY_DEPTH = 16
MAX_ID_CHARS = 64


class UnstorableValueError(ValueError):
    """A text or number that cannot be kept faithfully. The message names the place and the rule."""

    code = "unstorable_value"


def check_text(text: str, *, where: str, max_chars: int) -> str:
    """Return `text` unchanged. Raises UnstorableValueError for NUL, lone surrogates or more than `max_chars`."""
    if len(text) > max_chars:
        raise UnstorableValueError(f"{where} has {len(text)} characters; shorten it to {max_chars}.")
    if "\0" in text:
        raise UnstorableValueError(f"{where} contains a NUL character; remove it.")
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise UnstorableValueError(f"{where} contains half of a surrogate pair; send whole characters.")
    return text


def check_id(text: str, *, where: str) -> str:
    """Return `text` unchanged when it may be an id. Raises UnstorableValueError."""
    if not text:
        raise UnstorableValueError(f"{where} is empty; give an id.")
    return check_text(text, where=where, max_chars=MAX_ID_CHARS)


def check_body(body: Mapping[str, object], *, where: str = "body") -> None:
    """Check every text and number in `body`, however deep. Raises UnstorableValueError."""
    _check_value(body, where, MAX_BODY_DEPTH)


def _check_value(value: object, where: str, levels_left: int) -> None:
    if levels_left == 0:
        raise UnstorableValueError(f"{where} is nested more than {MAX_BODY_DEPTH} levels deep; flatten it.")
    match value:
        case None | bool():
            pass
        case str():
            check_text(value, where=where, max_chars=MAX_BODY_TEXT_CHARS)
        case int() | float():
            if not abs(value) <= MAX_INTEGER:  # also refuses NaN
                raise UnstorableValueError(f"{where} is beyond plus or minus 2^53-1; store it as text.")
        case Mapping():
            for key, item in value.items():
                if not isinstance(key, str):
                    raise UnstorableValueError(f"{where} has a key that is not text.")
                check_text(key, where=f"a key of {where}", max_chars=MAX_BODY_TEXT_CHARS)
                _check_value(item, f"{where}.{key}", levels_left - 1)
        case Sequence() if not isinstance(value, bytes | bytearray):
            for index, item in enumerate(value):
                _check_value(item, f"{where}[{index}]", levels_left - 1)
        case _:
            raise UnstorableValueError(f"{where} is a {type(value).__name__}, which JSON cannot hold.")
