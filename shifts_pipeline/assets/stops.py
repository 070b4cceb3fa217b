"""The asset `stops`: the places at which vehicles may stop, from files in the folder `stops` of the landing zone."""

from collections.abc import Iterator

import dagster as dg
from dagster._core.definitions.data_version import DEFAULT_DATA_VERSION

from shifts_core.schema import tables
from shifts_pipeline.asset_keys import STOPS
from shifts_pipeline.assets.reference_files import MAX_LISTED, check_result, files_table
from shifts_pipeline.assets.table_schemas import table_metadata
from shifts_pipeline.display_text import printable
from shifts_pipeline.resources.landing import Landing
from shifts_pipeline.resources.load_limits import LoadLimits
from shifts_pipeline.resources.trips_database import TripsDatabase
from shifts_pipeline.resources.worker_lock import WorkerLock
from shifts_pipeline.storage.reference_files import apply_changes, find_changes, recorded_files
from shifts_pipeline.storage.stop_files import StopFiles, recorded_rejects

FILES_CAN_BE_USED = "every_file_of_stops_can_be_used"
_DESCRIPTION = """\
The places at which vehicles of a region may stop: `stops/REGION.csv`, `stops/REGION.geojson` or
`stops/REGION/stops.txt` of a GTFS feed in the landing zone.

Shifts of the region stop there where there is a stop within the radius, and are made again when the stops change. A
file that cannot be used leaves the stops of its version before in force. Without the file its stops are gone.

SQL: `shifts.stops`.
"""


@dg.asset(
    key=STOPS,
    group_name="trips",
    kinds={"postgres"},
    owners=["team:platform"],
    description=_DESCRIPTION,
    metadata=table_metadata(tables.stops),
    check_specs=[
        dg.AssetCheckSpec(
            FILES_CAN_BE_USED,
            asset=STOPS,
            description="The newest version of every file of stops is in force. The table of the materialization says"
            " what to correct.",
        )
    ],
)
def stops(
    context: dg.AssetExecutionContext,
    trips_database: TripsDatabase,
    worker_lock: WorkerLock,
    landing: Landing,
    load_limits: LoadLimits,
) -> Iterator[dg.MaterializeResult[None]]:
    """Reads the files that are new or changed, deletes the stops of those that are gone, and lists all."""
    del worker_lock  # held for the whole run
    with trips_database.connect(autocommit=True) as connection:
        changes = find_changes(connection, landing.zone, landing.zone.list_files(), "stops")
        store = StopFiles(load_limits.max_rejected_share)
        for name in apply_changes(connection, landing.zone, changes, store):
            context.log.info("%s", printable(name))
        files = recorded_files(connection, "stops")
        rejects = recorded_rejects(connection, MAX_LISTED)
    metadata: dict[str, dg.MetadataValue] = {
        "dagster/row_count": dg.MetadataValue.int(sum(file.entries for file in files)),
        "rows_rejected": dg.MetadataValue.int(sum(file.rejected for file in files)),
        "files": files_table(files, "stops"),
    }
    if rejects:
        metadata["rejected"] = dg.MetadataValue.table(
            [
                dg.TableRecord(
                    {
                        "file": printable(reject.file),
                        "line": reject.line,
                        "reason": reject.reason,
                        "raw": printable(reject.raw),
                    }
                )
                for reject in rejects
            ]
        )
    yield dg.MaterializeResult(
        metadata=metadata,
        # The database knows which shifts are stale: those of other regions are not.
        data_version=DEFAULT_DATA_VERSION,
        check_results=[check_result(FILES_CAN_BE_USED, files)],
    )
