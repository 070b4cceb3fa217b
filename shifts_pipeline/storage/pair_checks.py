"""Checks of refreshed (region, week) pairs: failures are stored, and a week passes while none of its pairs failed."""

from datetime import date
from typing import Any, Literal

import psycopg
from psycopg.types.json import Jsonb

from shifts_pipeline.storage.region_week import DerivedTable


def record_failure(
    connection: psycopg.Connection,
    region_id: int,
    week: date,
    table: DerivedTable | Literal["shifts"],
    check_name: str,
    details: dict[str, Any],
) -> None:
    """Stores that a pair failed a check. The next refresh of the pair's table forgets it."""
    connection.execute(
        """
        INSERT INTO shifts_store.failed_pair_checks (region_id, week, derived_table, check_name, details)
        VALUES (%s, %s, %s, %s, %s)
        ON CONFLICT (region_id, week, check_name) DO UPDATE SET details = excluded.details
        """,
        [region_id, week, table, check_name, Jsonb(details)],
    )


def failures(
    connection: psycopg.Connection, week: date, check_name: str, limit: int
) -> tuple[int, dict[str, dict[str, Any]]]:
    """How many pairs of a week failed a check, and the details of some of them by region."""
    rows = connection.execute(
        """
        SELECT r.name, f.details, count(*) OVER () FROM shifts_store.failed_pair_checks f
        JOIN shifts_store.regions r USING (region_id)
        WHERE f.week = %s AND f.check_name = %s ORDER BY r.name LIMIT %s
        """,
        [week, check_name, limit],
    ).fetchall()
    return (rows[0][2] if rows else 0), {region: details for region, details, _ in rows}
