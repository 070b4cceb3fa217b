"""Requests that may be repeated: the key a client gives them, and what the key stands for."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import psycopg
from fastapi import Header
from sqlalchemy.exc import DBAPIError

from shifts_api.web.errors import ApiError

IdempotencyKey = Annotated[
    str | None,
    Header(
        description="The same key twice does the work once; the answer is the same.",
        pattern=r"^[\x21-\x7e]{1,255}$",
        examples=["7c0a1f9e-order-15"],
    ),
]
_USED_OTHERWISE = "SH422"


def fingerprint(*parts: bytes) -> str:
    """What tells one request from another, hexadecimal."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


@contextmanager
def one_request_a_key() -> Iterator[None]:
    """Turns the database's word that a key was used for another request into the client's error.

    Raises:
        ApiError: 422.
    """
    try:
        yield
    except DBAPIError as error:
        if isinstance(error.orig, psycopg.Error) and error.orig.sqlstate == _USED_OTHERWISE:
            raise ApiError(422, "Idempotency-Key: used for another request") from None
        raise
