"""Stale (region, week) pairs: which are due for a refresh, and which refreshes failed."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from shifts_core.calendar import DateRange
from shifts_pipeline.storage.region_week import DerivedTable

FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=5), timedelta(minutes=5)
"""Pause of a pair after a failed refresh: the first, doubled by each further failure, and its maximum."""

NO_MESSAGE = "its run ended without a message"
"""Error of a refresh that has begun and not ended."""

_DUE = sql.SQL(
    """
    FROM shifts_store.stale_weeks s
    WHERE s.{stale}
      AND NOT EXISTS (SELECT FROM shifts_store.refresh_attempts a
                      WHERE a.region_id = s.region_id AND a.week = s.week
                        AND a.derived_table = {table} AND a.retry_at > now())
    """
)


@dataclass(frozen=True)
class StalePair:
    """A pair whose trips have changed since a derived table was computed."""

    region: str
    week: date
    stale_since: datetime


def due_pairs(
    connection: psycopg.Connection, table: DerivedTable, weeks: DateRange, *, min_age: timedelta, limit: int
) -> list[StalePair]:
    """Pairs that are stale in a derived table and not paused after a failure, oldest first.

    Args:
        connection: to the trips database.
        table: the derived table.
        weeks: pairs of other weeks are omitted.
        min_age: pairs that became stale later are omitted.
        limit: maximal number of pairs.
    """
    statement = sql.SQL(
        "SELECT s.region, s.week, s.stale_since {due} AND s.week >= %s AND s.week < %s"
        " AND s.stale_since <= now() - %s ORDER BY s.stale_since, s.region_id, s.week LIMIT %s"
    ).format(due=_due(table))
    with connection.cursor(row_factory=class_row(StalePair)) as cursor:
        return cursor.execute(statement, [weeks.first, weeks.end, min_age, limit]).fetchall()


def due_among(
    connection: psycopg.Connection, table: DerivedTable, pairs: Sequence[tuple[str, date]]
) -> set[tuple[str, date]]:
    """The pairs among some that are stale in a derived table and not paused after a failure."""
    statement = sql.SQL(
        "SELECT s.region, s.week {due} AND (s.region, s.week) IN (SELECT * FROM unnest(%s::text[], %s::date[]))"
    ).format(due=_due(table))
    rows = connection.execute(statement, [[region for region, _ in pairs], [week for _, week in pairs]])
    return set(rows.fetchall())


def waiting_trips(connection: psycopg.Connection) -> int:
    """Number of trips that are not aggregated."""
    row = connection.execute(
        "SELECT coalesce(sum(trips), 0)::bigint FROM shifts_store.file_week_counts WHERE NOT aggregated"
    ).fetchone()
    assert row is not None
    return int(row[0])


def outside(connection: psycopg.Connection, weeks: DateRange) -> int:
    """Number of stale pairs whose weeks have no partition."""
    row = connection.execute(
        "SELECT count(*) FROM shifts_store.stale_weeks WHERE week < %s OR week >= %s",
        [weeks.first, weeks.end],
    ).fetchone()
    assert row is not None
    return int(row[0])


def begin(connection: psycopg.Connection, table: DerivedTable, region: str, week: date, run_id: str) -> None:
    """Records that a refresh begins, and commits: if its worker dies, the pair pauses as after a failure."""
    connection.execute(
        """
        INSERT INTO shifts_store.refresh_attempts AS a
            (region_id, week, derived_table, attempts, run_id, started_at, retry_at, error)
        SELECT region_id, %(week)s, %(table)s, 1, %(run)s, now(), now() + %(first)s, %(error)s
        FROM shifts_store.regions WHERE name = %(region)s
        ON CONFLICT (region_id, week, derived_table) DO UPDATE
        SET attempts = a.attempts + 1, run_id = excluded.run_id, started_at = excluded.started_at,
            retry_at = excluded.started_at + least(%(first)s * 2 ^ least(a.attempts, 20), %(longest)s),
            error = excluded.error
        """,
        {
            "region": region,
            "week": week,
            "table": table,
            "run": run_id,
            "first": FIRST_PAUSE,
            "longest": LONGEST_PAUSE,
            "error": NO_MESSAGE,
        },
    )
    connection.commit()


def fail(connection: psycopg.Connection, table: DerivedTable, region: str, week: date, error: str) -> None:
    """Records why a refresh failed, and commits; the pause begins now."""
    connection.execute(
        """
        UPDATE shifts_store.refresh_attempts
        SET error = %s, retry_at = now() + (retry_at - started_at)
        WHERE region_id = (SELECT region_id FROM shifts_store.regions WHERE name = %s)
          AND week = %s AND derived_table = %s
        """,
        [error, region, week, table],
    )
    connection.commit()


def end(connection: psycopg.Connection, table: DerivedTable, region: str, week: date) -> None:
    """Deletes the record of a pair's failures, and commits."""
    connection.execute(
        "DELETE FROM shifts_store.refresh_attempts"
        " WHERE region_id = (SELECT region_id FROM shifts_store.regions WHERE name = %s)"
        " AND week = %s AND derived_table = %s",
        [region, week, table],
    )
    connection.commit()


def runs_with_failures(connection: psycopg.Connection, run_ids: Collection[str]) -> set[str]:
    """The runs among some whose attempt at a pair is its last and has failed."""
    rows = connection.execute(
        "SELECT DISTINCT run_id FROM shifts_store.refresh_attempts WHERE run_id = ANY (%s)", [list(run_ids)]
    )
    return {run_id for (run_id,) in rows}


def _due(table: DerivedTable) -> sql.Composed:
    return _DUE.format(stale=sql.Identifier(f"{table}_stale"), table=sql.Literal(table))
