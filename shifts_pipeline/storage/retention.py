"""Drops weeks that are older than what is kept, each in one transaction."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import psycopg
from psycopg.rows import class_row


@dataclass(frozen=True)
class ExpiringWeek:
    """What a week holds that is to be dropped."""

    week: date
    """Its Monday."""
    trips: int
    clusters: int
    shifts: int
    files: int
    """With trips in the week."""
    whole_files: int
    """Without younger trips, of which this is the last week: they are deleted."""


def expiring_weeks(connection: psycopg.Connection, before: date) -> list[ExpiringWeek]:
    """The weeks before a Monday that hold anything, in order."""
    with connection.cursor(row_factory=class_row(ExpiringWeek)) as cursor:
        return cursor.execute("SELECT * FROM shifts_store.expiring_weeks(%s)", [before]).fetchall()


def expire_week(connection: psycopg.Connection, week: date, *, keep_totals: bool, asked_by: str) -> bool:
    """Drops a week; its files without younger trips are to be deleted.

    Args:
        connection: in autocommit mode.
        week: its Monday.
        keep_totals: whether the number of trips of each region remains.
        asked_by: for the ledger.

    Returns:
        False, with nothing changed, if another transaction holds the week.
    """
    try:
        connection.execute("SELECT shifts_store.expire_week(%s, %s, %s)", [week, keep_totals, asked_by])
    except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
        return False
    return True


def drop_empty_partitions(connection: psycopg.Connection) -> Iterator[date]:
    """Drops the partitions of expired weeks that nobody holds; yields their weeks.

    Args:
        connection: in autocommit mode.
    """
    for (week,) in connection.execute(
        "SELECT e.week FROM shifts_store.expired_weeks e"
        " WHERE to_regclass('shifts_store.' || shifts_store.partition_of(e.week)) IS NOT NULL ORDER BY e.week"
    ).fetchall():
        row = connection.execute("SELECT shifts_store.drop_partition(%s)", [week]).fetchone()
        if row == (True,):
            yield week


def expired_weeks(connection: psycopg.Connection) -> list[date]:
    """The weeks that have expired and hold nothing, in order."""
    rows = connection.execute(
        "SELECT e.week FROM shifts_store.expired_weeks e"
        " WHERE e.week NOT IN (SELECT shifts_store.weeks_with_trips()) ORDER BY e.week"
    )
    return [week for (week,) in rows]
