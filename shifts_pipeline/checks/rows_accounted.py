"""The check `every_row_is_accounted_for` of `raw_trips`: no row of a file is lost or counted twice."""

import dagster as dg

from shifts_pipeline.asset_keys import RAW_TRIPS
from shifts_pipeline.partitions import TRIP_FILES
from shifts_pipeline.storage.ledger import FileRecord

NAME = "every_row_is_accounted_for"

rows_accounted_spec = dg.AssetCheckSpec(
    NAME,
    asset=RAW_TRIPS,
    partitions_def=TRIP_FILES,
    description="Rows of the file = rows in `trips` + rows in `rejected_rows`, as far as rejects are stored."
    " A file that fails blocks its (region, week) pairs: the sensor `stale_weeks` does not refresh them until the"
    " file is loaded again, replaced, or found right by the nightly audit.",
    blocking=True,
)


def rows_accounted(
    partition: str, record: FileRecord, *, passed: bool, blocked: int
) -> dg.AssetCheckEvaluation:
    """The check's evaluation for a file, which blocks some pairs if it fails."""
    return dg.AssetCheckEvaluation(
        asset_key=RAW_TRIPS,
        check_name=NAME,
        passed=passed,
        metadata={
            "rows_loaded": record.rows_loaded,
            "rows_rejected": record.rows_rejected,
            "pairs_blocked": blocked,
        },
        blocking=True,
        partition=partition,
    )
