"""How many (region, week) pairs wait for a refresh, and which for longest."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

import psycopg
from psycopg.rows import class_row

from shifts_pipeline.storage.region_week import DerivedTable


@dataclass(frozen=True)
class WaitingPairs:
    """The stale pairs of a derived table."""

    derived_table: DerivedTable | Literal["shifts"]
    pairs: int
    late: int
    """Stale for longer than allowed."""
    blocked: int
    """Not refreshed because of a file whose rows differ from the ledger."""
    region: str | None
    """Of the pair that is stale for longest, as the next two fields; none if every pair is fresh."""
    week: date | None
    stale_since: datetime | None


def waiting_pairs(connection: psycopg.Connection, max_wait: timedelta) -> list[WaitingPairs]:
    """The stale pairs of each derived table."""
    with connection.cursor(row_factory=class_row(WaitingPairs)) as cursor:
        return cursor.execute("SELECT * FROM shifts_store.waiting_pairs(%s)", [max_wait]).fetchall()
