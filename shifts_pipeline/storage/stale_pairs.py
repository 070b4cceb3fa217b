"""Stale (region, week) pairs: which are due for a refresh, and which refreshes failed."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import psycopg
from psycopg.rows import class_row
from sqlalchemy import ColumnElement, Date, Text, and_, exists, func, literal, select, tuple_
from sqlalchemy.dialects.postgresql import ARRAY

from shifts_core.calendar import DateRange
from shifts_core.schema.tables import refresh_attempts
from shifts_core.schema.views import stale_weeks
from shifts_pipeline.storage.region_week import DerivedTable
from shifts_pipeline.storage.statements import execute

FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=5), timedelta(minutes=5)
"""Pause of a pair after a failed refresh: the first, doubled by each further failure, and its maximum."""


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
    pair = stale_weeks.c
    statement = (
        select(pair.region, pair.week, pair.stale_since)
        .where(
            _is_due(table),
            pair.week >= weeks.first,
            pair.week < weeks.end,
            pair.stale_since <= func.now() - min_age,
        )
        .order_by(pair.stale_since, pair.region_id, pair.week)
        .limit(limit)
    )
    with connection.cursor(row_factory=class_row(StalePair)) as cursor:
        return execute(cursor, statement).fetchall()


def due_among(
    connection: psycopg.Connection, table: DerivedTable, pairs: Sequence[tuple[str, date]]
) -> set[tuple[str, date]]:
    """The pairs among some that are stale in a derived table and not paused after a failure."""
    pair = stale_weeks.c
    regions = literal([region for region, _ in pairs], ARRAY(Text))
    weeks = literal([week for _, week in pairs], ARRAY(Date))
    wanted = func.unnest(regions, weeks).table_valued("region", "week").render_derived()
    statement = select(pair.region, pair.week).where(
        _is_due(table), tuple_(pair.region, pair.week).in_(select(wanted))
    )
    return set(execute(connection, statement).fetchall())


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
        "SELECT shifts_store.begin_refresh(%s, %s, %s, %s, %s, %s)",
        [region, week, table, run_id, FIRST_PAUSE, LONGEST_PAUSE],
    )
    connection.commit()


def fail(connection: psycopg.Connection, table: DerivedTable, region: str, week: date, error: str) -> None:
    """Records why a refresh failed, and commits; the pause begins now."""
    connection.execute("SELECT shifts_store.fail_refresh(%s, %s, %s, %s)", [region, week, table, error])
    connection.commit()


def end(connection: psycopg.Connection, table: DerivedTable, region: str, week: date) -> None:
    """Deletes the record of a pair's failures, and commits."""
    connection.execute("SELECT shifts_store.end_refresh(%s, %s, %s)", [region, week, table])
    connection.commit()


def runs_with_failures(connection: psycopg.Connection, run_ids: Collection[str]) -> set[str]:
    """The runs among some whose attempt at a pair is its last and has failed."""
    rows = connection.execute(
        "SELECT DISTINCT run_id FROM shifts_store.refresh_attempts WHERE run_id = ANY (%s)", [list(run_ids)]
    )
    return {run_id for (run_id,) in rows}


def _is_due(table: DerivedTable) -> ColumnElement[bool]:
    pair, attempt = stale_weeks.c, refresh_attempts.c
    is_paused = exists().where(
        attempt.region_id == pair.region_id,
        attempt.week == pair.week,
        attempt.derived_table == table,
        attempt.retry_at > func.now(),
    )
    return and_(pair[f"{table}_stale"], ~is_paused)
