"""What shifts guarantee, measured by PostGIS on the written tables."""

from collections.abc import Sequence
from datetime import date

import psycopg

from shifts_pipeline.storage.pair_checks import record_failure
from shifts_pipeline.storage.shifts.state import MakingOptions

TRIPS_FIT = "every_counted_trip_fits_its_shift"
COUNTED_ONCE = "every_trip_counts_for_one_shift"
_MAX_EXAMPLES = 20
"""Shifts that are named for each failed check."""


def check_shifts(
    connection: psycopg.Connection, region_ids: Sequence[int], week: date, options: MakingOptions
) -> None:
    """Check the shifts of regions after a week, and store which checks fail.

    Args:
        connection: in autocommit mode.
        region_ids: the regions, which the caller has locked.
        week: the last week of the history.
        options: by which the shifts were made.
    """
    with connection.transaction():
        # The planner has no statistics of newly loaded trips and expects too few for a nested loop.
        connection.execute("SET LOCAL enable_nestloop = off")
        found = connection.execute(
            "SELECT region_id, misfits, double FROM shifts_store.shift_violations(%s, %s, %s, %s)",
            [list(region_ids), week, options.weeks, options.parameters.max_radius_m],
        ).fetchall()
    for region_id, misfits, double in found:
        for check_name, ranks in ((TRIPS_FIT, misfits), (COUNTED_ONCE, double)):
            if ranks:
                details = {"violations": len(ranks), "ranks": ranks[:_MAX_EXAMPLES]}
                record_failure(connection, region_id, week, "shifts", check_name, details)
