"""Sessions of pages: a signed text that stands for a key until it expires, so that a page does not keep the key."""

import hashlib
import hmac
import re
import secrets
from typing import NamedTuple

LIFETIME_S = 12 * 3600
_TOKEN = re.compile(r"([a-z0-9]{1,16})\.(\d{1,11})\.([0-9a-f]{32})\.([0-9a-f]{64})")


class Session(NamedTuple):
    """A session of a key."""

    prefix: str
    """Of the key."""
    expires_at: int
    """Seconds since 1970."""
    number: str
    """32 random hexadecimal digits."""


def new_session(prefix: str, now: float) -> Session:
    """A session that begins now, in seconds since 1970."""
    return Session(prefix, int(now) + LIFETIME_S, secrets.token_hex(16))


def sign(session: Session, secret: bytes) -> str:
    """The token of a session, signed with the secret of its key."""
    return f"{_text(session)}.{_signature(session, secret)}"


def parse_token(token: str) -> tuple[Session, str] | None:
    """The session that a token claims, and its signature; None if it is malformed."""
    match = _TOKEN.fullmatch(token)
    if match is None:
        return None
    prefix, expires_at, number, signature = match.groups()
    return Session(prefix, int(expires_at), number), signature


def is_signed(session: Session, signature: str, secret: bytes) -> bool:
    """Whether the signature is that of the session; takes the same time for each wrong one."""
    return hmac.compare_digest(_signature(session, secret), signature)


def _text(session: Session) -> str:
    return f"{session.prefix}.{session.expires_at}.{session.number}"


def _signature(session: Session, secret: bytes) -> str:
    return hmac.new(secret, _text(session).encode(), hashlib.sha256).hexdigest()
