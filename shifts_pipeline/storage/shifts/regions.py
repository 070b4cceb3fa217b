"""Regions whose shifts are due, and the refreshes of regions that begin and end."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import psycopg

from shifts_pipeline.storage.shifts.state import MakingOptions
from shifts_pipeline.storage.stale_pairs import FIRST_PAUSE, LONGEST_PAUSE

MAX_WAIT = timedelta(minutes=10)
"""How long the shifts of a region wait for its clusters: loads may change a region all day long."""


@dataclass(frozen=True)
class DuePair:
    """A pair that makings of its region have not seen the last change of."""

    region_id: int
    week: date
    stale_since: datetime


def set_options(connection: psycopg.Connection, options: MakingOptions) -> bool:
    """Make all makings stale if they were made with other options; return whether they were."""
    row = connection.execute("SELECT shifts_store.set_shift_parameters(%s)", [options.text]).fetchone()
    return bool(row and row[0])


def due_pairs(connection: psycopg.Connection, min_age: timedelta = timedelta(0)) -> list[DuePair]:
    """The stale pairs of regions that are due, the oldest change first.

    Args:
        connection: to the trips database.
        min_age: regions that became stale later are omitted.
    """
    rows = connection.execute("SELECT * FROM shifts_store.due_shift_pairs(%s, %s)", [min_age, MAX_WAIT])
    return [DuePair(*row) for row in rows]


def region_sizes(connection: psycopg.Connection, region_ids: Collection[int]) -> dict[int, int]:
    """Numbers of trips of regions, all weeks together."""
    found: dict[int, int] = dict(
        connection.execute(
            "SELECT region_id, sum(trips)::bigint FROM shifts_store.file_week_counts"
            " WHERE region_id = ANY (%s) GROUP BY region_id",
            [list(region_ids)],
        ).fetchall()
    )
    return {region_id: found.get(region_id, 0) for region_id in region_ids}


def regions_of_weeks(connection: psycopg.Connection, weeks: Sequence[date], names: Sequence[str]) -> set[int]:
    """Regions that have trips or a making in some weeks; of these names only, if there are any."""
    rows = connection.execute(
        """
        SELECT r.region_id FROM shifts_store.regions r
        JOIN (SELECT region_id FROM shifts_store.region_weeks WHERE week = ANY (%s)
              UNION SELECT region_id FROM shifts_store.shift_makings WHERE week = ANY (%s)) AS w USING (region_id)
        WHERE %s = '{}'::text[] OR r.name = ANY (%s)
        """,
        [list(weeks), list(weeks), list(names), list(names)],
    )
    return {region_id for (region_id,) in rows}


def begin(
    connection: psycopg.Connection, region_ids: Sequence[int], run_id: str, *, only_due: bool
) -> dict[int, int]:
    """Lock regions and record that their refresh begins: if the worker dies, they pause as after a failure.

    Args:
        connection: holds the locks until `end` or `fail`; in autocommit mode.
        region_ids: the regions.
        run_id: of the run.
        only_due: omit regions that are fresh or paused by now, and do not wait for other workers.

    Returns:
        The regions that are locked, and the number of the attempt since the last success.
    """
    rows = connection.execute(
        "SELECT region_id, attempt FROM shifts_store.begin_shifts(%s, %s, %s, %s, %s)",
        [list(region_ids), run_id, only_due, FIRST_PAUSE, LONGEST_PAUSE],
    )
    return dict(rows.fetchall())


def end(connection: psycopg.Connection, region_ids: Collection[int]) -> None:
    """Unlock regions and forget their failures."""
    connection.execute("SELECT shifts_store.end_shifts(%s)", [list(region_ids)])


def fail(connection: psycopg.Connection, region_id: int, error: str) -> None:
    """Unlock a region and record why its refresh failed."""
    connection.execute("SELECT shifts_store.fail_shifts(%s, %s)", [region_id, error])


def find_weeks(connection: psycopg.Connection, region: str) -> tuple[str, list[date]]:
    """The weeks in which a region has trips, in order.

    Args:
        connection: to the trips database.
        region: its name; if empty, the one with the most trips is taken.

    Returns:
        The name, empty without any trips, and the weeks.
    """
    if not region:
        row = connection.execute(
            "SELECT r.name FROM shifts_store.file_week_counts c JOIN shifts_store.regions r USING (region_id)"
            " GROUP BY r.name ORDER BY sum(c.trips) DESC, r.name LIMIT 1"
        ).fetchone()
        region = row[0] if row else ""
    rows = connection.execute(
        "SELECT DISTINCT c.week FROM shifts_store.file_week_counts c JOIN shifts_store.regions r USING (region_id)"
        " WHERE r.name = %s ORDER BY c.week",
        [region],
    )
    return region, [week for (week,) in rows]
