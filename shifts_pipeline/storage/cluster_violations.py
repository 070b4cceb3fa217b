"""What clusters guarantee, measured by PostGIS on the written tables."""

from datetime import date
from typing import NamedTuple

import psycopg


class Violations(NamedTuple):
    """Ids of clusters that break a guarantee."""

    too_wide: list[int]
    """Wider than their radius says, or than allowed."""
    wrong_members: list[int]
    """With too few trips, or with trips that are missing or outside of region, week or time window."""


def find_violations(
    connection: psycopg.Connection, region_id: int, week: date, *, max_radius_m: float, min_trips: int
) -> Violations:
    """Check the clusters of a (region, week) pair in a transaction of its own.

    The primary key of the members already keeps a trip from being in two clusters.
    """
    with connection.transaction():
        # The planner has no statistics of newly loaded trips and expects too few for a nested loop.
        connection.execute("SET LOCAL enable_nestloop = off")
        row = connection.execute(
            "SELECT too_wide, wrong_members FROM shifts_store.cluster_violations(%s, %s, %s, %s)",
            [region_id, week, max_radius_m, min_trips],
        ).fetchone()
    assert row is not None
    return Violations(*row)
