"""The sensor `landing_zone`: registers complete new files in the ledger."""

import time
from functools import cache

import dagster as dg

from shifts_pipeline.resources.landing import Landing
from shifts_pipeline.resources.trips_database import TripsDatabase
from shifts_pipeline.sensors.registration import Registration
from shifts_pipeline.sensors.waiting import WATCH_S

LISTING_INTERVAL_S = 1.0
CHEAP_LISTING_S = 0.1
"""Within a tick, only a zone that is listed faster is listed again: listing a bucket costs time and money."""
_MAX_NAMED = 5
"""Skipped entries that are named; the others are counted."""


@dg.sensor(
    minimum_interval_seconds=2,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Records every complete new or changed file of the landing zone in the ledger, where it waits for"
    " `queued_files`. Ticks list files that are skipped, with the reason.",
)
def landing_zone(
    context: dg.SensorEvaluationContext, trips_database: TripsDatabase, landing: Landing
) -> dg.SkipReason:
    """Requests no run: the sensor `queued_files` does, for files from here and from the API."""
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
            if queued or now - begun > CHEAP_LISTING_S or now + LISTING_INTERVAL_S > end:
                status = f"{len(files):,} files in the landing zone, {queued:,} new"
                return dg.SkipReason(f"{status}; skipped: {_listed(skipped)}" if skipped else status)
            time.sleep(LISTING_INTERVAL_S)


@cache
def _registration(database_url: str, landing_url: str) -> Registration:
    """One per process that evaluates the sensor."""
    del database_url, landing_url
    return Registration()


def _listed(skipped: dict[str, str]) -> str:
    named = [f"{name} ({reason})" for name, reason in sorted(skipped.items())[:_MAX_NAMED]]
    more = len(skipped) - len(named)
    return ", ".join(named) + (f" and {more:,} more" if more else "")
