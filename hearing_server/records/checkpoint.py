"""Signed statements about a log: "the log of this hearing has `size` events and ends with `head`".

Only a checkpoint shows that the tail of a chain was cut off or that all of it was written anew.
"""

import base64
import binascii
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from hearing_server.domain.ids import HearingId
from hearing_server.records.utc_text import parse_utc, utc_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Signed statement: the log of `hearing_id` has `size` events and ends with `head`."""

    hearing_id: HearingId
    size: int
    head: str
    at: datetime
    public_key: str  # Ed25519, base64
    signature: str  # base64, over the canonical JSON of {at, head, log, size}


class CheckpointProblem(StrEnum):
    FORGED = "checkpoint_forged"  # the signature does not fit the statement
    UNTRUSTED = "checkpoint_untrusted"  # a good signature, but of a key that is not the court's


def signed_payload(hearing_id: HearingId, size: int, head: str, at: datetime) -> bytes:
    """Return the bytes under the signature: RFC 8785 canonical JSON of {at, head, log, size}."""
    return rfc8785.dumps({"at": utc_text(at), "head": head, "log": hearing_id, "size": size})


def public_key_text(key: Ed25519PublicKey) -> str:
    """Return the 32 bytes of `key` (RFC 8032) in base64."""
    return base64.b64encode(key.public_bytes_raw()).decode("ascii")


def sign_checkpoint(key: Ed25519PrivateKey, hearing_id: HearingId, size: int, head: str, at: datetime) -> Checkpoint:
    """Return the checkpoint of a log of `size` events that ends with hash `head`."""
    return Checkpoint(
        hearing_id=hearing_id,
        size=size,
        head=head,
        at=at,
        public_key=public_key_text(key.public_key()),
        signature=base64.b64encode(key.sign(signed_payload(hearing_id, size, head, at))).decode("ascii"),
    )


def checkpoint_problem(checkpoint: Checkpoint, trusted_keys: Collection[str]) -> CheckpointProblem | None:
    """Return what is wrong with the signature, or None. `trusted_keys` are public keys as in `public_key_text`."""
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(checkpoint.public_key, validate=True))
        signature = base64.b64decode(checkpoint.signature, validate=True)
        key.verify(signature, signed_payload(checkpoint.hearing_id, checkpoint.size, checkpoint.head, checkpoint.at))
    except (InvalidSignature, ValueError, binascii.Error):
        return CheckpointProblem.FORGED
    return None if public_key_text(key) in trusted_keys else CheckpointProblem.UNTRUSTED


def checkpoint_to_json(checkpoint: Checkpoint) -> dict[str, object]:
    """Return the checkpoint as it stands in a file: the signed fields, then the key and the signature."""
    return {
        "at": utc_text(checkpoint.at),
        "head": checkpoint.head,
        "log": checkpoint.hearing_id,
        "size": checkpoint.size,
        "public_key": checkpoint.public_key,
        "signature": checkpoint.signature,
    }


def checkpoint_from_json(fields: Mapping[str, object]) -> Checkpoint:
    """Return the checkpoint that `checkpoint_to_json` wrote. Raises ValueError when a field is missing or malformed."""
    texts = {name: fields.get(name) for name in ("at", "head", "log", "public_key", "signature")}
    size = fields.get("size")
    if type(size) is not int or not all(isinstance(text, str) for text in texts.values()):
        raise ValueError("A checkpoint needs the texts at, head, log, public_key, signature and the number size.")
    return Checkpoint(
        hearing_id=HearingId(str(texts["log"])),
        size=size,
        head=str(texts["head"]),
        at=parse_utc(str(texts["at"])),
        public_key=str(texts["public_key"]),
        signature=str(texts["signature"]),
    )
