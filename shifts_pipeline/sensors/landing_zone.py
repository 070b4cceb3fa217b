"""The sensor over the landing zone: what lies there complete and is new gets an entry in the ledger."""

import dagster as dg

from shifts_pipeline import ledger
from shifts_pipeline.resources import Landing, TripsDatabase


@dg.sensor(
    minimum_interval_seconds=2,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Queues every complete new file of the landing zone; the ledger knows what was taken.",
)
def landing_zone(
    context: dg.SensorEvaluationContext, trips_database: TripsDatabase, landing: Landing
) -> dg.SkipReason:
    """Requests no run: the ledger, filled from here and by the web service, is worked off in one place."""
    del context
    files = list(landing.zone.list_files())
    with trips_database.connect() as connection:
        queued = ledger.register(connection, files)
    return dg.SkipReason(f"{len(files):,} files in the landing zone, {queued:,} new")
