"""What the database holds of one loaded file: the audit against the ledger, and a sample of its trips."""

import numpy as np
import psycopg
from numpy.typing import NDArray

from shifts_pipeline.storage.write_trips import MAX_STORED_REJECT_BYTES, MAX_STORED_REJECTS


def rows_match_ledger(connection: psycopg.Connection, file_id: int) -> bool:
    """Whether the tables hold exactly the trips and rejects that the ledger states for a file."""
    # Each week is read once, however many regions it has.
    row = connection.execute(
        """
        WITH booked AS (
            SELECT week, region_id, trips FROM shifts_store.file_week_counts WHERE file_id = %(id)s
        ), stored AS (
            SELECT w.week, t.region_id, t.trips
            FROM (SELECT DISTINCT week FROM booked) AS w,
            LATERAL (SELECT region_id, count(*) AS trips FROM shifts_store.trips
                     WHERE file_id = %(id)s AND started_at >= w.week AND started_at < w.week + 7
                     GROUP BY region_id) AS t
        )
        SELECT NOT EXISTS (SELECT FROM booked FULL JOIN stored USING (week, region_id, trips)
                           WHERE booked IS NULL OR stored IS NULL)
           AND (SELECT coalesce(sum(trips), 0) FROM booked) = rows_loaded
           AND (SELECT count(*) = rows_rejected OR count(*) < rows_rejected
                    AND (count(*) >= %(rejects)s OR sum(octet_length(raw)) >= %(bytes)s)
                FROM shifts_store.rejected_rows WHERE file_id = %(id)s)
        FROM shifts_store.trip_files WHERE file_id = %(id)s
        """,
        {"id": file_id, "rejects": MAX_STORED_REJECTS, "bytes": MAX_STORED_REJECT_BYTES},
    ).fetchone()
    connection.commit()
    return row is not None and bool(row[0])


def sample_trips(connection: psycopg.Connection, file_id: int, size: int = 2000) -> NDArray[np.float64]:
    """At most `size` trips of a file, from its largest (region, week) pair.

    Returns:
        Shape (n, 4): origin longitude and latitude, destination longitude and latitude; degrees.
    """
    with connection.transaction():
        region_id, week = connection.execute(
            "SELECT region_id, week FROM shifts_store.file_week_counts"
            " WHERE file_id = %s ORDER BY trips DESC LIMIT 1",
            [file_id],
        ).fetchall()[0]
        rows = connection.execute(
            """
            SELECT ST_X(origin), ST_Y(origin), ST_X(destination), ST_Y(destination) FROM shifts_store.trips
            WHERE file_id = %s AND region_id = %s AND started_at >= %s::date AND started_at < %s::date + 7
            LIMIT %s
            """,
            [file_id, region_id, week, week, size],
        ).fetchall()
    return np.array(rows, dtype=np.float64).reshape(-1, 4)
