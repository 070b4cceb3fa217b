"""What the Dagster UI shows of `raw_trips`: the table's columns, and metadata and plots of each loaded file."""

from datetime import date

import dagster as dg
import psycopg

from shifts_core.trips.report import LoadReport
from shifts_pipeline.asset_keys import RAW_TRIPS
from shifts_pipeline.assets import plots
from shifts_pipeline.assets.metadata import optional_metadata
from shifts_pipeline.display_text import markdown_code, printable
from shifts_pipeline.storage.file_audit import sample_trips
from shifts_pipeline.storage.file_events import final_event
from shifts_pipeline.storage.ledger import FileRecord
from shifts_pipeline.storage.load_context import LoadResult

TABLE_METADATA = {
    "dagster/table_name": "shifts_store.trips",
    "dagster/column_schema": dg.TableSchema(
        columns=[
            dg.TableColumn("trip_id", "bigint", "week number and running number"),
            dg.TableColumn("started_at", "timestamp", "local wall clock"),
            dg.TableColumn("region_id", "integer"),
            dg.TableColumn("source_id", "integer"),
            dg.TableColumn("file_id", "bigint", "the file version in the ledger"),
            dg.TableColumn("origin", "geometry(Point, 4326)"),
            dg.TableColumn("destination", "geometry(Point, 4326)"),
        ]
    ),
}
_MAX_REGIONS_NAMED = 100
_MAX_WEEKS_PLOTTED = 52


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
        "dagster/uri": dg.MetadataValue.text(record.uri),
        "rows_rejected": dg.MetadataValue.int(record.rows_rejected),
        "status": dg.MetadataValue.text(record.status),
        "task_id": dg.MetadataValue.text(record.task_id),
        "file_id": dg.MetadataValue.int(record.file_id),
    }
    if report is not None:
        metadata |= optional_metadata(context.log, lambda: _report_metadata(report))
        if report.rows_loaded and with_plots:
            metadata |= optional_metadata(context.log, lambda: {"trips_by_week": _weekly_bars(report)})
            metadata |= optional_metadata(context.log, lambda: {"map": _map(connection, record)})
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
        "rows_per_second": dg.MetadataValue.int(
            round((report.rows_loaded + report.rows_rejected) / max(report.seconds, 1e-3))
        ),
        "seconds": dg.MetadataValue.float(round(report.seconds, 2)),
        "regions": dg.MetadataValue.text(", ".join(map(printable, regions[:_MAX_REGIONS_NAMED])) + more),
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


def _weekly_bars(report: LoadReport) -> dg.MarkdownMetadataValue:
    trips: dict[date, int] = {}
    for count in report.weeks:
        trips[count.week] = trips.get(count.week, 0) + count.trips
    weeks = sorted(trips)[-_MAX_WEEKS_PLOTTED:]
    return plots.weekly_bars(weeks, [trips[week] for week in weeks], "trips by week")


def _map(connection: psycopg.Connection, record: FileRecord) -> dg.MarkdownMetadataValue:
    sample = sample_trips(connection, record.file_id)
    return plots.trips_map(sample, f"{len(sample):,} of {record.rows_loaded:,} trips of {record.name}")
