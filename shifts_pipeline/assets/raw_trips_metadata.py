"""What the Dagster UI shows of `raw_trips`: a description, and metadata, links and plots of each loaded file."""

from datetime import date

import dagster as dg
import psycopg

from shifts_core.trips.report import LoadReport
from shifts_pipeline.asset_keys import RAW_TRIPS, TRIP_CLUSTERS, WEEKLY_AGGREGATES
from shifts_pipeline.assets import plots
from shifts_pipeline.assets.bar_chart import weekly_bars
from shifts_pipeline.assets.metadata import optional_metadata
from shifts_pipeline.assets.partition_links import week_links
from shifts_pipeline.display_text import printable
from shifts_pipeline.storage.file_audit import sample_trips
from shifts_pipeline.storage.file_events import final_event
from shifts_pipeline.storage.ledger import FileRecord
from shifts_pipeline.storage.load_context import LoadResult

DESCRIPTION = """\
Trips of all files, one partition per file name.

- A file is loaded completely or not at all, and the same bytes once, under any name.
- A changed file replaces its rows. Materialize a partition to load its file again.
- Rows that are not valid trips are rejected with their line number and the reason.

SQL: `shifts.trips`, `shifts.files` (status of every file) and `shifts.rejects`.
"""
_MAX_REGIONS_NAMED = 100


def materialization(
    context: dg.AssetExecutionContext,
    key: str,
    result: LoadResult,
    connection: psycopg.Connection,
    *,
    with_plots: bool,
) -> dg.AssetMaterialization:
    """The materialization of a file that is loaded or a duplicate."""
    record, report = result.record, result.report
    metadata: dict[str, dg.MetadataValue] = {
        "dagster/partition_row_count": dg.MetadataValue.int(record.rows_loaded),
        "rows_rejected": dg.MetadataValue.int(record.rows_rejected),
    }
    if report is not None:
        metadata |= optional_metadata(context.log, lambda: _report_metadata(report))
        if report.rows_loaded:
            metadata |= optional_metadata(context.log, lambda: {"trips_by_week": _weekly_bars(report)})
        if report.rows_loaded and with_plots:
            metadata |= optional_metadata(context.log, lambda: {"map": _map(connection, record)})
        metadata |= optional_metadata(context.log, lambda: _rejects(report) | _speed(report))
    metadata |= {
        "status": dg.MetadataValue.text(record.status),
        "dagster/uri": dg.MetadataValue.text(record.uri),
        "file_id": dg.MetadataValue.int(record.file_id),
        "task_id": dg.MetadataValue.text(record.task_id),
    }
    return dg.AssetMaterialization(
        asset_key=RAW_TRIPS,
        partition=key,
        description=final_event(record)[1],
        metadata=metadata,
        tags={"dagster/data_version": record.content_hash or record.version},
    )


def _report_metadata(report: LoadReport) -> dict[str, dg.MetadataValue]:
    weeks = sorted({count.week for count in report.weeks})
    regions = sorted({count.region for count in report.weeks})
    more = f" and {len(regions) - _MAX_REGIONS_NAMED:,} more" if len(regions) > _MAX_REGIONS_NAMED else ""
    metadata: dict[str, dg.MetadataValue] = {
        "regions": dg.MetadataValue.text(", ".join(map(printable, regions[:_MAX_REGIONS_NAMED])) + more),
        "weeks": dg.MetadataValue.text(f"{weeks[0]:%G-W%V} to {weeks[-1]:%G-W%V}" if weeks else "none"),
    }
    if weeks:
        metadata |= {
            asset_key.to_user_string(): week_links(asset_key, weeks)
            for asset_key in (WEEKLY_AGGREGATES, TRIP_CLUSTERS)
        }
    return metadata


def _rejects(report: LoadReport) -> dict[str, dg.MetadataValue]:
    if not report.rows_rejected:
        return {}
    return {
        "rejects_by_reason": dg.MetadataValue.table(
            [
                dg.TableRecord({"reason": printable(reason), "rows": rows})
                for reason, rows in report.rejects_by_reason.items()
            ]
        ),
        "reject_examples": dg.MetadataValue.table(
            [
                dg.TableRecord({"line": line, "reason": printable(reason), "row": printable(raw)})
                for line, reason, raw in report.reject_examples
            ]
        ),
    }


def _speed(report: LoadReport) -> dict[str, dg.MetadataValue]:
    rows = report.rows_loaded + report.rows_rejected
    return {
        "seconds": dg.MetadataValue.float(round(report.seconds, 2)),
        "rows_per_second": dg.MetadataValue.int(round(rows / max(report.seconds, 1e-3))),
    }


def _weekly_bars(report: LoadReport) -> dg.MarkdownMetadataValue:
    trips: dict[date, int] = {}
    for count in report.weeks:
        trips[count.week] = trips.get(count.week, 0) + count.trips
    weeks = sorted(trips)
    return weekly_bars(weeks, [trips[week] for week in weeks])


def _map(connection: psycopg.Connection, record: FileRecord) -> dg.MarkdownMetadataValue:
    sample = sample_trips(connection, record.file_id)
    return plots.trips_map(sample, f"{len(sample):,} of {record.rows_loaded:,} trips of {record.name}")
