"""Salted commitments: the log can prove what a text was while it is kept, and says nothing once it is erased."""

import hashlib
import hmac

SALT_BYTES = 32


def commitment(salt: bytes, content: bytes) -> str:
    """Return sha256(salt || content) as 64 hex digits.

    `salt` has exactly 32 random bytes, so that nobody can find a short text (a name) by trying. It must be as secret
    as the content and go when the content goes.
    """
    if len(salt) != SALT_BYTES:
        raise ValueError(f"A salt has {SALT_BYTES} bytes, not {len(salt)}.")
    return hashlib.sha256(salt + content).hexdigest()


def commitment_holds(expected: str, salt: bytes, content: bytes) -> bool:
    """Whether `expected` was made from `content` with `salt`."""
    return hmac.compare_digest(commitment(salt, content).encode(), expected.encode("utf-8", "replace"))
