"""The sensor over the landing zone: what lies there complete and is new gets an entry in the ledger."""

import time

import dagster as dg

from shifts_pipeline import ledger
from shifts_pipeline.resources import Landing, TripsDatabase
from shifts_pipeline.sensors.waiting import WATCH_S

LOOK_EVERY_S = 1.0
CHEAP_LOOK_S = 0.1
"""A folder is looked at again within the tick; a bucket, where listing costs time and money, is not."""


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
    end = time.monotonic() + WATCH_S
    with trips_database.connect(autocommit=True) as connection:
        while True:
            begun = time.monotonic()
            files = list(landing.zone.list_files())
            queued = ledger.register(connection, files)
            now = time.monotonic()
            if queued or now - begun > CHEAP_LOOK_S or now + LOOK_EVERY_S > end:
                return dg.SkipReason(f"{len(files):,} files in the landing zone, {queued:,} new")
            time.sleep(LOOK_EVERY_S)
