"""The asset `zones`: named polygons of regions, from files in the folder `zones` of the landing zone."""

from collections.abc import Iterator

import dagster as dg
from dagster._core.definitions.data_version import DEFAULT_DATA_VERSION

from shifts_core.schema import tables
from shifts_pipeline.asset_keys import ZONES
from shifts_pipeline.assets.reference_files import check_result, files_table
from shifts_pipeline.assets.table_schemas import table_metadata
from shifts_pipeline.display_text import printable
from shifts_pipeline.resources.landing import Landing
from shifts_pipeline.resources.trips_database import TripsDatabase
from shifts_pipeline.resources.worker_lock import WorkerLock
from shifts_pipeline.storage.reference_files import apply_changes, find_changes, recorded_files
from shifts_pipeline.storage.zone_files import ZoneFiles

FILES_CAN_BE_USED = "every_file_of_zones_can_be_used"
_DESCRIPTION = """\
Named polygons of a region, such as districts: the features of `zones/REGION.geojson` in the landing zone, by their
property `name`. Requests to the API name them.

A file that cannot be used leaves the zones of its version before in force. Without the file its zones are gone. Zones
that the API stored are not in a file, and stay.

SQL: `shifts.zones`.
"""


@dg.asset(
    key=ZONES,
    group_name="trips",
    kinds={"postgres"},
    owners=["team:platform"],
    description=_DESCRIPTION,
    metadata=table_metadata(tables.zones),
    check_specs=[
        dg.AssetCheckSpec(
            FILES_CAN_BE_USED,
            asset=ZONES,
            description="The newest version of every file of zones is in force. The table of the materialization says"
            " what to correct.",
        )
    ],
)
def zones(
    context: dg.AssetExecutionContext,
    trips_database: TripsDatabase,
    worker_lock: WorkerLock,
    landing: Landing,
) -> Iterator[dg.MaterializeResult[None]]:
    """Reads the files that are new or changed, deletes the zones of those that are gone, and lists all."""
    del worker_lock  # held for the whole run
    with trips_database.connect(autocommit=True) as connection:
        changes = find_changes(connection, landing.zone, landing.zone.list_files(), "zones")
        for name in apply_changes(connection, landing.zone, changes, ZoneFiles()):
            context.log.info("%s", printable(name))
        files = recorded_files(connection, "zones")
    yield dg.MaterializeResult(
        metadata={
            "dagster/row_count": dg.MetadataValue.int(sum(file.entries for file in files)),
            "files": files_table(files, "zones"),
        },
        data_version=DEFAULT_DATA_VERSION,
        check_results=[check_result(FILES_CAN_BE_USED, files)],
    )
