"""Idempotency keys: clients repeat a request with the same key without doing its work twice."""

import hashlib
from typing import Annotated

from fastapi import Header

IdempotencyKey = Annotated[
    str | None,
    Header(
        description="Repeating a request with the same key does its work once and returns the same answer.",
        pattern=r"^[\x21-\x7e]{1,255}$",
        examples=["7c0a1f9e-order-15"],
    ),
]


def fingerprint(*parts: bytes) -> str:
    """A hexadecimal hash that distinguishes requests, so that a key is not used for two different ones."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()
