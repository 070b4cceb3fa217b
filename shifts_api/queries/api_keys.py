"""Reads API keys, ended sessions and what limits all rights, and records which keys were used."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import ARRAY, BigInteger, DateTime, func, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from shifts_core.access.rights import Rights
from shifts_core.access.sessions import Session
from shifts_core.schema.tables import api_keys, cell_settings, ended_sessions


class StoredKey(NamedTuple):
    """What is known of a key, without the key."""

    key_id: int | None
    """None for the key of the setting."""
    name: str
    prefix: str
    digest: bytes
    session_secret: bytes
    rights: Rights


class StoredKeys(NamedTuple):
    """All keys in a snapshot of the database."""

    active: Mapping[str, StoredKey]
    """By prefix."""
    revoked: frozenset[str]
    """Prefixes."""
    ended_sessions: frozenset[str]
    """Numbers of sessions that have not expired."""
    min_count: int | None
    """`SHIFTS_MIN_COUNT` of the pipeline; None if it is not set there."""


async def read_keys(connection: AsyncConnection) -> StoredKeys:
    """Reads all keys."""
    column = api_keys.c
    active, revoked = {}, set()
    for row in await connection.execute(select(api_keys).order_by(column.key_id)):
        if row.revoked_at is not None:
            revoked.add(row.prefix)
            continue
        regions = None if row.regions is None else frozenset(row.regions)
        rights = Rights(row.role, regions, row.aggregates_only)
        active[row.prefix] = StoredKey(
            row.key_id, row.name, row.prefix, row.digest, row.session_secret, rights
        )
    is_open = ended_sessions.c.expires_at > func.now()
    ended = await connection.scalars(select(ended_sessions.c.session).where(is_open))
    min_count = await connection.scalar(select(cell_settings.c.min_count))
    return StoredKeys(active, frozenset(revoked), frozenset(ended), min_count)


async def touch_keys(connection: AsyncConnection, used: Mapping[int, datetime]) -> None:
    """Records when keys were used last, by their ids."""
    ids = literal([*used], ARRAY(BigInteger))
    times = literal([*used.values()], ARRAY(DateTime(timezone=True)))
    await connection.execute(select(func.shifts_store.touch_api_keys(ids, times)))


async def end_session(connection: AsyncConnection, session: Session) -> None:
    """Ends a session in all processes of the API."""
    expires_at = datetime.fromtimestamp(session.expires_at, UTC)
    await connection.execute(select(func.shifts_store.end_session(session.number, expires_at)))
