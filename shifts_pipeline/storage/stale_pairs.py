"""Stale (region, week) pairs: which are due for a refresh, and the refreshes that began."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import psycopg
from psycopg.rows import class_row

from shifts_pipeline.storage.region_week import DERIVED_TABLES, DerivedTable

FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=5), timedelta(minutes=5)
"""Pause of a pair after a failed refresh: the first, doubled by each further failure, and its maximum."""


@dataclass(frozen=True)
class Pair:
    """A (region, week) pair to be refreshed."""

    region_id: int
    region: str
    week: date
    trips: int
    tables: tuple[DerivedTable, ...]
    """The derived tables that are due."""


@dataclass(frozen=True)
class WeekTotals:
    """What a week holds, and how many of its pairs are stale in each derived table."""

    regions: int
    trips: int
    stale_aggregates: int
    stale_clusters: int

    def stale(self, table: DerivedTable) -> int:
        """Number of pairs that are stale in a derived table."""
        return self.stale_aggregates if table == "aggregates" else self.stale_clusters


def weeks_with_trips(connection: psycopg.Connection) -> list[date]:
    """The Mondays of all weeks that have trips, in order."""
    rows = connection.execute("SELECT * FROM shifts_store.weeks_with_trips()")
    return [week for (week,) in rows]


def weeks_with_stale_pairs(connection: psycopg.Connection) -> dict[date, datetime]:
    """Monday → since when the week's oldest stale pair is stale."""
    return dict(connection.execute("SELECT * FROM shifts_store.weeks_with_stale_pairs()").fetchall())


def adopt_min_count(connection: psycopg.Connection, min_count: int | None) -> None:
    """Marks all pairs as stale if the least number of trips of a cell has changed; drops cells if it is not set."""
    connection.execute("SELECT shifts_store.adopt_min_count(%s)", [min_count])


def due_pairs(connection: psycopg.Connection, week: date, min_age: timedelta = timedelta(0)) -> list[Pair]:
    """Pairs of a week that are stale and not paused after a failure, largest first.

    Args:
        connection: to the trips database.
        week: its Monday.
        min_age: pairs that became stale later are omitted.
    """
    rows = connection.execute("SELECT * FROM shifts_store.due_pairs(%s, %s)", [week, min_age])
    return [Pair(id_, region, week, trips, tuple(tables)) for id_, region, trips, tables in rows]


def all_pairs(connection: psycopg.Connection, week: date) -> list[Pair]:
    """Every pair that a week ever had, with all derived tables."""
    rows = connection.execute(
        """
        SELECT w.region_id, r.name, coalesce(c.trips, 0)
        FROM shifts_store.region_weeks w
        JOIN shifts_store.regions r USING (region_id)
        LEFT JOIN (SELECT region_id, sum(trips)::bigint AS trips FROM shifts_store.file_week_counts
                   WHERE week = %s GROUP BY region_id) AS c USING (region_id)
        WHERE w.week = %s ORDER BY r.name
        """,
        [week, week],
    )
    return [Pair(id_, region, week, trips, DERIVED_TABLES) for id_, region, trips in rows]


def week_totals(connection: psycopg.Connection, week: date) -> WeekTotals:
    """The totals of a week."""
    with connection.cursor(row_factory=class_row(WeekTotals)) as cursor:
        totals = cursor.execute("SELECT * FROM shifts_store.week_totals(%s)", [week]).fetchone()
    assert totals is not None
    return totals


def begin(
    connection: psycopg.Connection,
    pair: Pair,
    tables: Sequence[DerivedTable],
    run_id: str,
    *,
    only_due: bool,
) -> tuple[DerivedTable, ...]:
    """Locks a pair and records that its refresh begins: if the worker dies, the pair pauses as after a failure.

    Args:
        connection: holds the lock until `end`; in autocommit mode.
        pair: the pair.
        tables: the derived tables to be computed.
        run_id: of the run.
        only_due: omit tables that are fresh or paused by now, and do not wait for another worker.

    Returns:
        The tables to be computed. None, and nothing is locked, if another worker holds the pair or no table is due.
    """
    row = connection.execute(
        "SELECT shifts_store.begin_refresh(%s, %s, %s, %s, %s, %s, %s)",
        [pair.region_id, pair.week, list(tables), run_id, only_due, FIRST_PAUSE, LONGEST_PAUSE],
    ).fetchone()
    return tuple(row[0]) if row else ()


def end(
    connection: psycopg.Connection,
    pair: Pair,
    *,
    succeeded: Sequence[DerivedTable],
    failed: Sequence[DerivedTable] = (),
    error: str | None = None,
) -> None:
    """Unlocks a pair, forgets the failures of tables that succeeded, and records why the others failed."""
    connection.execute(
        "SELECT shifts_store.end_refresh(%s, %s, %s, %s, %s)",
        [pair.region_id, pair.week, list(succeeded), list(failed), error],
    )


def begin_batch(
    connection: psycopg.Connection, pairs: Sequence[Pair], table: DerivedTable, run_id: str, *, only_due: bool
) -> tuple[list[Pair], list[Pair]]:
    """Locks those pairs of a week that can share a batch, and records that their refresh begins, as `begin` does.

    It waits for no other worker.

    Returns:
        The pairs that are locked, and the pairs to be refreshed alone: their last refresh failed or its worker died,
        or, unless `only_due`, another worker holds them. Nothing is to be done for the others.
    """
    found: dict[int, bool] = dict(
        connection.execute(
            "SELECT region_id, has_begun FROM shifts_store.begin_refreshes(%s, %s, %s, %s, %s, %s, %s)",
            [
                [pair.region_id for pair in pairs],
                pairs[0].week,
                table,
                run_id,
                only_due,
                FIRST_PAUSE,
                LONGEST_PAUSE,
            ],
        ).fetchall()
    )
    begun = [pair for pair in pairs if found.get(pair.region_id, False)]
    return begun, [pair for pair in pairs if not found.get(pair.region_id, True)]


def end_batch(connection: psycopg.Connection, pairs: Sequence[Pair], table: DerivedTable) -> None:
    """Unlocks pairs of a week that began as a batch, and forgets their attempts."""
    connection.execute(
        "SELECT shifts_store.end_refreshes(%s, %s, %s)",
        [[pair.region_id for pair in pairs], pairs[0].week, table],
    )


def runs_with_failures(connection: psycopg.Connection, run_ids: Collection[str]) -> set[str]:
    """The runs among some whose attempt at a pair is its last and has failed."""
    rows = connection.execute(
        "SELECT DISTINCT run_id FROM shifts_store.refresh_attempts WHERE run_id = ANY (%s)", [list(run_ids)]
    )
    return {run_id for (run_id,) in rows}
