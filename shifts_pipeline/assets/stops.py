"""The asset `stops`: the places at which vehicles may stop, from files in the folder `stops` of the landing zone."""

from collections.abc import Iterator, Sequence

import dagster as dg
from dagster._core.definitions.data_version import DEFAULT_DATA_VERSION

from shifts_core.schema import tables
from shifts_pipeline.asset_keys import STOPS
from shifts_pipeline.assets.table_schemas import table_metadata
from shifts_pipeline.display_text import printable
from shifts_pipeline.resources.landing import Landing
from shifts_pipeline.resources.load_limits import LoadLimits
from shifts_pipeline.resources.trips_database import TripsDatabase
from shifts_pipeline.storage import stop_files
from shifts_pipeline.storage.stop_files import RecordedFile

FILES_CAN_BE_USED = "every_file_of_stops_can_be_used"
_MAX_LISTED = 100
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
    landing: Landing,
    load_limits: LoadLimits,
) -> Iterator[dg.MaterializeResult[None]]:
    """Reads the files that are new or changed, deletes the stops of those that are gone, and lists all."""
    with trips_database.connect(autocommit=True) as connection:
        changes = stop_files.find_changes(connection, landing.zone, landing.zone.list_files())
        for name in stop_files.apply_changes(
            connection, landing.zone, changes, load_limits.max_rejected_share
        ):
            context.log.info("%s", printable(name))
        files = stop_files.recorded_files(connection)
        rejects = stop_files.recorded_rejects(connection, _MAX_LISTED)
    unusable = [file for file in files if file.error is not None]
    metadata: dict[str, dg.MetadataValue] = {
        "dagster/row_count": dg.MetadataValue.int(sum(file.stops for file in files)),
        "rows_rejected": dg.MetadataValue.int(sum(file.rejected for file in files)),
        "files": _files_table(files),
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
        check_results=[
            dg.AssetCheckResult(
                check_name=FILES_CAN_BE_USED,
                passed=not unusable,
                description="; ".join(
                    f"{printable(file.name)}: {file.error}" for file in unusable[:_MAX_LISTED]
                )
                or f"{len(files):,} files are in force",
                metadata={"unusable": dg.MetadataValue.int(len(unusable))},
            )
        ],
    )


def _files_table(files: Sequence[RecordedFile]) -> dg.TableMetadataValue:
    """Files that cannot be used first."""
    listed = sorted(files, key=lambda file: (file.error is None, file.name))[:_MAX_LISTED]
    return dg.MetadataValue.table(
        [
            dg.TableRecord(
                {
                    "file": printable(file.name),
                    "region": printable(file.region or ""),
                    "stops": file.stops,
                    "rejected": file.rejected,
                    "remark": file.error or ("" if file.has_trips else "no trips of this region yet"),
                }
            )
            for file in listed
        ],
        schema=dg.TableSchema(
            [dg.TableColumn(name) for name in ("file", "region")]
            + [dg.TableColumn(name, "int") for name in ("stops", "rejected")]
            + [dg.TableColumn("remark")]
        ),
    )
