"""The asset `raw_trips`: every file of the landing zone, loaded exactly once, every line accounted for."""

import time
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any, TypeAlias

import dagster as dg
import numpy as np
import psycopg
from numpy.typing import NDArray

from shifts_core.calendar import DateRange
from shifts_core.trips.report import LoadReport, Progress
from shifts_pipeline.assets import plots as pictures
from shifts_pipeline.assets.decoration import markdown_code, optional_metadata, printable
from shifts_pipeline.assets.events import keep_connections
from shifts_pipeline.checks.evaluations import check_outputs
from shifts_pipeline.partitions import TRIP_FILES, from_key
from shifts_pipeline.resources import Feed, Landing, LoadLimits, Publisher, TripsDatabase, WorkerLock
from shifts_pipeline.storage import ledger
from shifts_pipeline.storage.failures import is_outage
from shifts_pipeline.storage.ingest import Ingestion, MissingFile, Outcome, ingest
from shifts_pipeline.storage.ledger import Entry
from shifts_pipeline.storage.write_trips import MAX_STORED_REJECT_BYTES, MAX_STORED_REJECTS
from shifts_pipeline.tags import BATCH

RAW_TRIPS = dg.AssetKey("raw_trips")
ROWS_ACCOUNTED = "every_row_is_accounted_for"
PROGRESS_EVERY_S = 1.0
FILES_WITH_PICTURES = 5
"""A run of many small files would spend most of its time on drawing."""

FileEvent: TypeAlias = dg.AssetMaterialization | dg.AssetCheckEvaluation
_REGIONS_NAMED = 100

_COLUMNS = dg.TableSchema(
    columns=[
        dg.TableColumn("trip_id", "bigint", "week number and running number"),
        dg.TableColumn("started_at", "timestamp", "local wall clock"),
        dg.TableColumn("region_id", "integer"),
        dg.TableColumn("source_id", "integer"),
        dg.TableColumn("file_id", "bigint", "the ledger's entry that brought the row"),
        dg.TableColumn("origin", "geometry(Point, 4326)"),
        dg.TableColumn("destination", "geometry(Point, 4326)"),
    ]
)


@dg.asset(
    key=RAW_TRIPS,
    partitions_def=TRIP_FILES,
    backfill_policy=dg.BackfillPolicy.single_run(),
    output_required=False,
    check_specs=[
        dg.AssetCheckSpec(
            ROWS_ACCOUNTED,
            asset=RAW_TRIPS,
            partitions_def=TRIP_FILES,
            description="Rows of the file = rows in `trips` + rows in `rejected_rows`, as far as those are kept.",
        )
    ],
    group_name="trips",
    kinds={"postgres"},
    owners=["team:platform"],
    code_version="1",
    pool="raw_trips",
    description="Trips as they came: one partition a file of the landing zone, loaded whole or not at all.",
    metadata={"dagster/table_name": "shifts_store.trips", "dagster/column_schema": _COLUMNS},
)
def raw_trips(
    context: dg.AssetExecutionContext,
    trips_database: TripsDatabase,
    worker_lock: WorkerLock,
    landing: Landing,
    feed: Feed,
    load_limits: LoadLimits,
) -> Iterator[FileEvent | dg.Output[Any]]:
    """Loads the files of the run's partitions one after the other; a file that fails does so alone."""
    del worker_lock  # held for the run, not used
    keep_connections(context.instance)
    failures: list[str] = []
    faults: list[Exception] = []
    keys = list(context.partition_keys)  # asked for once: Dagster looks them up in its database
    with trips_database.connect() as connection, feed.publisher() as publisher:
        job = Ingestion(
            connection=connection,
            database_url=trips_database.url,
            zone=landing.zone,
            dates=DateRange.starting(date.fromisoformat(load_limits.first_week), date.today()),  # noqa: DTZ011
            max_rejected_share=load_limits.max_rejected_share,
            run_id=context.run.run_id,
            run_request_id=context.run.tags.get(BATCH),
        )
        for key in keys:
            name = from_key(key)
            try:
                outcome = ingest(name, job, _Telling(context, publisher, key))
                announce(publisher, connection, outcome, context.run.run_id)
                is_drawn = len(keys) <= FILES_WITH_PICTURES
                events = _events(context, connection, key, outcome, failures, is_drawn=is_drawn)
            except MissingFile as error:
                failures.append(str(error))
                continue
            except Exception as error:
                if is_outage(error):
                    raise
                # A fault of this code, or no room for this file: the others shall not wait for it.
                context.log.error("%s is taken up again, this try failed", name, exc_info=True)
                connection.rollback()
                faults.append(error)
                continue
            yield from events
    if faults:
        raise faults[0]
    if failures:
        raise dg.Failure(
            description="\n".join(failures[:20])
            + (f"\n… and {len(failures) - 20} more" if len(failures) > 20 else ""),
            metadata={"failed_files": len(failures)},
            allow_retries=False,
        )
    yield from check_outputs(context)


def _events(
    context: dg.AssetExecutionContext,
    connection: psycopg.Connection,
    key: str,
    outcome: Outcome,
    failures: list[str],
    *,
    is_drawn: bool,
) -> Sequence[FileEvent]:
    """The Dagster events of a file that ended, and what is wrong with it in `failures`."""
    name = outcome.entry.name
    if outcome.entry.status == "queued":
        context.log.info("%s is still being written; it is taken when it has settled.", name)
        return ()
    if outcome.error:
        context.log.error("%s: %s", name, outcome.error)
        failures.append(f"{name}: {outcome.error}")
        return ()
    is_accounted_for = _is_accounted_for(connection, outcome.entry)
    if not is_accounted_for:
        failures.append(f"{name}: its rows in the database are not those of the ledger")
    return (
        _materialization(context, key, outcome, connection, is_drawn=is_drawn),
        dg.AssetCheckEvaluation(
            asset_key=RAW_TRIPS,
            check_name=ROWS_ACCOUNTED,
            passed=is_accounted_for,
            metadata={
                "rows_loaded": outcome.entry.rows_loaded,
                "rows_rejected": outcome.entry.rows_rejected,
            },
            partition=key,
        ),
    )


def announce(publisher: Publisher, connection: psycopg.Connection, outcome: Outcome, run_id: str) -> None:
    """Tells listeners how a file and the requests for it ended; after the commit, and once for each ending."""
    for entry in (outcome.entry, *outcome.riders):
        if entry.status in ("queued", "loading"):
            continue
        type_, message = _ending(entry)
        publisher.publish(
            type_,
            run_id=run_id,
            task_ids=[entry.task_id],
            asset=RAW_TRIPS.to_user_string(),
            partition=entry.name,
            message=message,
            details={
                "file_id": entry.file_id,
                "status": entry.status,
                "rows_loaded": entry.rows_loaded,
                "rows_rejected": entry.rows_rejected,
            },
            dedupe_key=f"{type_}:{entry.file_id}:{entry.finished_at and entry.finished_at.timestamp()}",
        )
        ledger.announced(connection, entry.file_id)
        connection.commit()


def _ending(entry: Entry) -> tuple[str, str]:
    if entry.error or entry.status in ("failed", "superseded"):
        return (
            "file.failed",
            f"{entry.name}: {entry.error or 'replaced by a newer version before it was loaded'}",
        )
    if entry.status == "duplicate":
        return "file.loaded", f"{entry.name}: these bytes are loaded already, nothing was added"
    rejected = f", {entry.rows_rejected:,} rejected" if entry.rows_rejected else ""
    return "file.loaded", f"{entry.name}: {entry.rows_loaded:,} trips loaded{rejected}"


class _Telling:
    """Passes progress on to the feed and the run's log, at most once in `PROGRESS_EVERY_S`."""

    def __init__(self, context: dg.AssetExecutionContext, publisher: Publisher, key: str) -> None:
        self._context, self._publisher, self._key = context, publisher, key
        self._next = time.monotonic() + PROGRESS_EVERY_S

    def __call__(self, entry: Entry, progress: Progress) -> None:
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + PROGRESS_EVERY_S
        try:
            self._tell(entry, progress)
        except Exception:
            # Progress is for the eye: a load that nobody can follow is still a load.
            self._next = float("inf")
            self._context.log.warning("no more progress is reported of %s", entry.name, exc_info=True)

    def _tell(self, entry: Entry, progress: Progress) -> None:
        self._publisher.publish(
            "file.progress",
            run_id=self._context.run.run_id,
            task_ids=[entry.task_id],
            asset=RAW_TRIPS.to_user_string(),
            partition=entry.name,
            message=f"{entry.name}: {progress.rows:,} rows, {progress.share:.0%}",
            details={"file_id": entry.file_id, "rows": progress.rows, "share": round(progress.share, 4)},
        )
        self._context.log.info("%s: %s rows, %.0f %%", entry.name, f"{progress.rows:,}", 100 * progress.share)


def _is_accounted_for(connection: psycopg.Connection, entry: Entry) -> bool:
    """Whether the database holds exactly what the ledger says the file had."""
    # Each week is read once, whatever the number of its regions.
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
        {"id": entry.file_id, "rejects": MAX_STORED_REJECTS, "bytes": MAX_STORED_REJECT_BYTES},
    ).fetchone()
    connection.commit()
    return row is not None and bool(row[0])


def _materialization(
    context: dg.AssetExecutionContext,
    key: str,
    outcome: Outcome,
    connection: psycopg.Connection,
    *,
    is_drawn: bool,
) -> dg.AssetMaterialization:
    entry, report = outcome.entry, outcome.report
    metadata: dict[str, dg.MetadataValue] = {
        "dagster/partition_row_count": dg.MetadataValue.int(entry.rows_loaded),
        "dagster/uri": dg.MetadataValue.text(entry.uri),
        "rows_rejected": dg.MetadataValue.int(entry.rows_rejected),
        "status": dg.MetadataValue.text(entry.status),
        "task_id": dg.MetadataValue.text(entry.task_id),
        "file_id": dg.MetadataValue.int(entry.file_id),
    }
    if report is not None:
        metadata |= optional_metadata(context.log, lambda: _report_metadata(report))
        if report.rows_loaded and is_drawn:
            metadata |= optional_metadata(context.log, lambda: {"trips_by_week": _weeks_picture(report)})
            metadata |= optional_metadata(context.log, lambda: {"map": _map(connection, entry)})
    return dg.AssetMaterialization(
        asset_key=RAW_TRIPS,
        partition=key,
        description=_ending(entry)[1],
        metadata=metadata,
        tags={"dagster/data_version": entry.content_hash or entry.version},
    )


def _report_metadata(report: LoadReport) -> dict[str, dg.MetadataValue]:
    weeks = sorted({count.week for count in report.weeks})
    regions = sorted({count.region for count in report.weeks})
    more = f" and {len(regions) - _REGIONS_NAMED:,} more" if len(regions) > _REGIONS_NAMED else ""
    metadata: dict[str, dg.MetadataValue] = {
        "rows_per_second": dg.MetadataValue.int(
            round((report.rows_loaded + report.rows_rejected) / max(report.seconds, 1e-3))
        ),
        "seconds": dg.MetadataValue.float(round(report.seconds, 2)),
        "regions": dg.MetadataValue.text(", ".join(map(printable, regions[:_REGIONS_NAMED])) + more),
        "weeks": dg.MetadataValue.text(f"{weeks[0]:%G-W%V} to {weeks[-1]:%G-W%V}" if weeks else "none"),
    }
    if report.rows_rejected:
        metadata["rejects_by_reason"] = dg.MetadataValue.json(report.rejects_by_reason)
        metadata["reject_examples"] = dg.MetadataValue.md(
            "\n".join(
                f"- line {line}: {markdown_code(reason)}: {markdown_code(raw)}"
                for line, reason, raw in report.reject_examples
            )
        )
    return metadata


def _weeks_picture(report: LoadReport) -> dg.MarkdownMetadataValue:
    trips: dict[date, int] = {}
    for count in report.weeks:
        trips[count.week] = trips.get(count.week, 0) + count.trips
    weeks = sorted(trips)[-52:]
    return pictures.weekly_bars(weeks, [trips[week] for week in weeks], "trips by week")


def _map(connection: psycopg.Connection, entry: Entry) -> dg.MarkdownMetadataValue:
    sample = _sample(connection, entry.file_id)
    title = f"{len(sample):,} of {entry.rows_loaded:,} trips of {entry.name}"
    return pictures.trips_map(sample, title)


def _sample(connection: psycopg.Connection, file_id: int, size: int = 2000) -> NDArray[np.float64]:
    """Some of a file's trips for the picture; shape (n, 4), degrees."""
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
