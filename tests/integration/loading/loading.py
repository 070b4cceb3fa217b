"""Loads files as a run does, without Dagster: landing folder, ledger, loader and a real database."""

import gzip
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psycopg

from shifts_core.landing.open_zone import open_zone
from shifts_core.trips.report import Progress
from shifts_pipeline.storage import database, deletion
from shifts_pipeline.storage.ingest import ingest
from shifts_pipeline.storage.ledger import FileRecord
from shifts_pipeline.storage.load_context import LoadContext, LoadResult
from tests.unit.core.trips.reading import DATES

_EMPTIED = (
    "trips, rejected_rows, file_week_counts, region_weeks, weekly_trip_tiles, tile_segments, trip_files,"
    " expired_weeks, expired_totals"
)

OnProgress = Callable[[FileRecord, Progress], None]


def silent(record: FileRecord, progress: Progress) -> None:
    """Ignores progress."""


@dataclass
class Loader:
    """A landing folder and the database it is loaded into."""

    url: str
    landing: Path
    max_rejected_share: float = 1.0
    _written: int = field(default=0)

    def put(self, name: str, data: bytes) -> None:
        """Writes a file into the landing folder, compressed for the suffix `.gz`; each write is a new version."""
        path = self.landing / name
        path.write_bytes(gzip.compress(data, 1) if name.endswith(".gz") else data)
        self._written += 1
        os.utime(path, (1e9 + self._written, 1e9 + self._written))

    def load(
        self, name: str, on_progress: OnProgress = silent, *, run: str = "run", by_hand: bool = False
    ) -> LoadResult:
        """Loads a file on a connection of its own, as a run of a sensor, or by hand."""
        with (
            database.connect(self.url) as connection,
            database.connect(self.url, autocommit=True) as side,
        ):
            context = self.load_context(connection, side, run)
            return ingest(name, replace(context, run_request_id=None) if by_hand else context, on_progress)

    def delete(self, file_id: int, *, keep_copies: bool = False) -> None:
        """Asks for the deletion of a file, and does what a run does then."""
        self.execute("SELECT shifts_store.request_deletion(%s, %s, 'somebody')", file_id, keep_copies)
        self.delete_requested()

    def delete_requested(self) -> None:
        """Deletes what was asked for, as a run does."""
        with database.connect(self.url) as connection:
            deletion.delete_rows(connection)
            deletion.delete_landed(
                connection, open_zone(str(self.landing)), deletion.without_rows(connection)
            )

    def load_context(self, connection: psycopg.Connection, side: psycopg.Connection, run: str) -> LoadContext:
        """The context of a run."""
        return LoadContext(
            connection=connection,
            side=side,
            zone=open_zone(str(self.landing)),
            dates=DATES,
            max_rejected_share=self.max_rejected_share,
            run_id=run,
            run_request_id=run,
        )

    def empty(self) -> None:
        """Empties the tables."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("SET search_path = shifts_store, public")
            connection.execute(f"TRUNCATE {_EMPTIED} CASCADE")

    def query(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Rows of the database."""
        with psycopg.connect(self.url) as connection:
            return connection.execute(statement, values).fetchall()

    def execute(self, statement: str, *values: object) -> None:
        """Changes the database."""
        with psycopg.connect(self.url) as connection:
            connection.execute(statement, values)

    def statuses(self) -> dict[str, list[str]]:
        """The status of each version, oldest first, by file name."""
        found: dict[str, list[str]] = {}
        for name, status in self.query("SELECT name, status FROM shifts.files ORDER BY file_id"):
            found.setdefault(name, []).append(status)
        return found

    def counts(self) -> dict[str, tuple[int, int, int]]:
        """By file name: trips in the table, trips counted by pair, and rows of the loaded version in the ledger."""
        return {
            name: (in_table, recorded, in_ledger)
            for name, in_table, recorded, in_ledger in self.query(
                """
                WITH stored AS MATERIALIZED (
                    SELECT file_id, count(*) AS trips FROM shifts_store.trips GROUP BY file_id
                ), recorded AS MATERIALIZED (
                    SELECT file_id, sum(trips) AS trips FROM shifts_store.file_week_counts GROUP BY file_id
                )
                SELECT f.name, sum(coalesce(s.trips, 0))::bigint, sum(coalesce(r.trips, 0))::bigint,
                    sum(CASE f.status WHEN 'loaded' THEN f.rows_loaded ELSE 0 END)::bigint
                FROM shifts_store.trip_files f
                LEFT JOIN stored s USING (file_id) LEFT JOIN recorded r USING (file_id)
                GROUP BY f.name
                """
            )
        }
