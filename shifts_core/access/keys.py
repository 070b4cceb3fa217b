"""API keys: how they are made, and what is stored of them.

A key has 256 random bits. Nobody can guess one from its hash, so the hash is plain SHA-256: salt and slow hashes
protect passwords, which people choose. The prefix finds the stored key, whose digest is compared in constant time.
"""

import hashlib
import hmac
import re
import secrets
from typing import NamedTuple

_KEY = re.compile(r"shifts_([0-9a-f]{8})_[A-Za-z0-9_-]{43}")


class NewKey(NamedTuple):
    """A key, which is shown once, and what is stored of it."""

    text: str
    prefix: str
    digest: bytes
    session_secret: bytes
    """Signs the sessions that are opened with the key."""


def create_key() -> NewKey:
    """A new random key."""
    prefix = secrets.token_hex(4)
    text = f"shifts_{prefix}_{secrets.token_urlsafe(32)}"
    return NewKey(text, prefix, digest_of(text), secrets.token_bytes(32))


def digest_of(text: str) -> bytes:
    """What is stored of a key, 32 bytes."""
    return hashlib.sha256(text.encode()).digest()


def prefix_of(text: str) -> str | None:
    """The prefix of a key; None for a text of another form."""
    match = _KEY.fullmatch(text)
    return match and match[1]


def is_key(text: str, digest: bytes) -> bool:
    """Whether a text is the key with this digest; takes the same time for each wrong one."""
    return hmac.compare_digest(digest_of(text), digest)
