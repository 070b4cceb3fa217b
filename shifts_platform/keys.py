"""API keys in the trips database: added, listed and revoked with the rights of its owner."""

import getpass
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import NamedTuple

import psycopg

from shifts_core.access.keys import create_key
from shifts_core.access.rights import Rights
from shifts_platform.errors import PlatformError


class ListedKey(NamedTuple):
    """A key without its secret."""

    name: str
    prefix: str
    rights: Rights
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


def add_key(connection: psycopg.Connection, name: str, rights: Rights) -> str:
    """Stores a new key; returns it, which nothing can do later.

    Raises:
        PlatformError: a key has this name.
    """
    key = create_key()
    regions = None if rights.regions is None else sorted(rights.regions)
    try:
        with connection.transaction():
            connection.execute(
                "INSERT INTO shifts_store.api_keys"
                " (name, prefix, digest, session_secret, role, regions, aggregates_only)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s)",
                [
                    name,
                    key.prefix,
                    key.digest,
                    key.session_secret,
                    rights.role,
                    regions,
                    rights.aggregates_only,
                ],
            )
            _record(connection, "key.added", name)
    except psycopg.errors.UniqueViolation:
        raise PlatformError(f"a key named {name} exists: revoke it, or choose another name") from None
    return key.text


def revoke_key(connection: psycopg.Connection, name: str) -> None:
    """Revokes a key: it ends at once in all processes of the API, with its sessions and streams.

    Raises:
        PlatformError: no key in force has this name.
    """
    with connection.transaction():
        revoked = connection.execute(
            "UPDATE shifts_store.api_keys SET revoked_at = now() WHERE name = %s AND revoked_at IS NULL",
            [name],
        )
        if revoked.rowcount == 0:
            raise PlatformError(f"no key named {name} is in force: see `shifts keys list`")
        _record(connection, "key.revoked", name)


def list_keys(connection: psycopg.Connection) -> Sequence[ListedKey]:
    """All keys, revoked ones too, in the order in which they were added."""
    rows = connection.execute(
        "SELECT name, prefix, role, regions, aggregates_only, created_at, last_used_at, revoked_at"
        " FROM shifts_store.api_keys ORDER BY key_id"
    ).fetchall()
    return [
        ListedKey(name, prefix, Rights(role, None if regions is None else frozenset(regions), only), *times)
        for name, prefix, role, regions, only, *times in rows
    ]


def has_keys(url: str) -> bool:
    """Whether a database has a key, even a revoked one."""
    with psycopg.connect(url, connect_timeout=10) as connection:
        row = connection.execute("SELECT EXISTS (SELECT FROM shifts_store.api_keys)").fetchone()
    return row == (True,)


def _record(connection: psycopg.Connection, action: str, name: str) -> None:
    user = "an unknown user"
    # A container may run under a number without a name.
    with suppress(KeyError, OSError):
        user = getpass.getuser()
    connection.execute(
        "SELECT shifts_store.record_access(%s, %s, NULL, NULL, %s, NULL, NULL)",
        [action, f"shifts keys ({user})", f"key {name}"],
    )
