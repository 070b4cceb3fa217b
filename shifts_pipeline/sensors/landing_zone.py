"""The sensor over the landing zone: what lies there complete and is new gets an entry in the ledger."""

import time
from functools import cache

import dagster as dg

from shifts_pipeline.resources.landing import Landing
from shifts_pipeline.resources.trips_database import TripsDatabase
from shifts_pipeline.sensors.registration import Registration
from shifts_pipeline.sensors.waiting import WATCH_S

LOOK_EVERY_S = 1.0
CHEAP_LOOK_S = 0.1
"""A folder is looked at again within the tick; a bucket, where listing costs time and money, is not."""
_NAMED = 5
"""So many skipped entries are named; of the others only the count is told."""


@dg.sensor(
    minimum_interval_seconds=2,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Queues every complete new file of the landing zone; the ledger knows what was taken.",
)
def landing_zone(
    context: dg.SensorEvaluationContext, trips_database: TripsDatabase, landing: Landing
) -> dg.SkipReason:
    """Requests no run: the ledger, filled from here and by the web service, is worked off in one place."""
    end = time.monotonic() + WATCH_S
    registration = _registration(trips_database.url, landing.url)
    with trips_database.connect(autocommit=True) as connection:
        while True:
            begun = time.monotonic()
            skipped: dict[str, str] = {}
            files = list(landing.zone.list_files(skipped.__setitem__))
            if new := registration.newly_skipped(skipped):
                context.log.warning("skipped in the landing zone: %s", _listed(new))
            queued = registration.register(connection, files)
            now = time.monotonic()
            if queued or now - begun > CHEAP_LOOK_S or now + LOOK_EVERY_S > end:
                said = f"{len(files):,} files in the landing zone, {queued:,} new"
                return dg.SkipReason(f"{said}; skipped: {_listed(skipped)}" if skipped else said)
            time.sleep(LOOK_EVERY_S)


@cache
def _registration(database_url: str, landing_url: str) -> Registration:
    """Lives as long as the process that evaluates the sensor."""
    del database_url, landing_url
    return Registration()


def _listed(skipped: dict[str, str]) -> str:
    named = [f"{name} ({reason})" for name, reason in sorted(skipped.items())[:_NAMED]]
    more = len(skipped) - len(named)
    return ", ".join(named) + (f" and {more:,} more" if more else "")
