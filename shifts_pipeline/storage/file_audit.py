"""What the database holds of one loaded file: the audit against the ledger, and a sample of its trips."""

import numpy as np
import psycopg
from numpy.typing import NDArray

from shifts_pipeline.storage.write_trips import MAX_STORED_REJECT_BYTES, MAX_STORED_REJECTS


def rows_match_ledger(connection: psycopg.Connection, file_id: int) -> bool:
    """Whether the tables hold exactly the trips and rejects that the ledger states for a file."""
    row = connection.execute(
        "SELECT shifts_store.rows_match_ledger(%s, %s, %s)",
        [file_id, MAX_STORED_REJECTS, MAX_STORED_REJECT_BYTES],
    ).fetchone()
    connection.commit()
    return row is not None and bool(row[0])


def block_pairs(connection: psycopg.Connection, file_id: int) -> int:
    """Blocks the refresh of a file's pairs until it is loaded again, replaced or found right; returns how many."""
    row = connection.execute("SELECT shifts_store.block_pairs(%s)", [file_id]).fetchone()
    connection.commit()
    return int(row[0]) if row else 0


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
