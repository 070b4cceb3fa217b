"""The sensor `landing_zone`: registers complete new files in the ledger."""

import time
from collections.abc import Sequence
from functools import cache

import dagster as dg
import psycopg

from shifts_core.landing.zone import LandedFile, LandingZone
from shifts_core.stops.names import is_stop_file
from shifts_pipeline.jobs.asset_jobs import load_stops
from shifts_pipeline.jobs.run_tags import UNFINISHED, files_tag
from shifts_pipeline.resources.landing import Landing
from shifts_pipeline.resources.trips_database import TripsDatabase
from shifts_pipeline.sensors.registration import Registration
from shifts_pipeline.sensors.waiting import WATCH_S
from shifts_pipeline.storage.stop_files import find_changes

LISTING_INTERVAL_S = 1.0
CHEAP_LISTING_S = 0.1
"""Within a tick, only a zone that is listed faster is listed again: listing a bucket costs time and money."""
_RETRY_S = 300.0
_MAX_NAMED = 5
"""Skipped entries that are named; the others are counted."""


@dg.sensor(
    job=load_stops,
    minimum_interval_seconds=2,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Records every complete new or changed file of the landing zone in the ledger, where it waits for"
    " `queued_files`, and requests a run when files of stops have changed. Ticks list files that are skipped, with"
    " the reason.",
)
def landing_zone(
    context: dg.SensorEvaluationContext, trips_database: TripsDatabase, landing: Landing
) -> dg.SkipReason | dg.RunRequest:
    """Requests no run for files of trips: the sensor `queued_files` does, for files from here and from the API."""
    end = time.monotonic() + WATCH_S
    registration = _registration(trips_database.url, landing.url)
    with trips_database.connect(autocommit=True) as connection:
        while True:
            begun = time.monotonic()
            skipped: dict[str, str] = {}
            found = list(landing.zone.list_files(skipped.__setitem__))
            files = [file for file in found if not is_stop_file(file.name)]
            if new := registration.newly_skipped(skipped):
                context.log.warning("skipped in the landing zone: %s", _listed(new))
            queued = registration.register(connection, files)
            if request := _request_for_stops(context.instance, connection, landing.zone, found):
                return request
            now = time.monotonic()
            if queued or now - begun > CHEAP_LISTING_S or now + LISTING_INTERVAL_S > end:
                status = f"{len(files):,} files in the landing zone, {queued:,} new"
                return dg.SkipReason(f"{status}; skipped: {_listed(skipped)}" if skipped else status)
            time.sleep(LISTING_INTERVAL_S)


def _request_for_stops(
    instance: dg.DagsterInstance,
    connection: psycopg.Connection,
    zone: LandingZone,
    found: Sequence[LandedFile],
) -> dg.RunRequest | None:
    """A run that reads files of stops, if any have changed and no such run is unfinished."""
    changes = find_changes(connection, zone, found)
    unfinished = dg.RunsFilter(job_name=load_stops.name, statuses=UNFINISHED)
    if not changes or instance.get_runs_count(unfinished):
        return None
    # A run that fails as a whole is repeated after a while.
    key = f"{changes.digest} {int(time.time() / _RETRY_S)}"
    return dg.RunRequest(run_key=key, tags=files_tag(changes.names))


@cache
def _registration(database_url: str, landing_url: str) -> Registration:
    """One per process that evaluates the sensor."""
    del database_url, landing_url
    return Registration()


def _listed(skipped: dict[str, str]) -> str:
    named = [f"{name} ({reason})" for name, reason in sorted(skipped.items())[:_MAX_NAMED]]
    more = len(skipped) - len(named)
    return ", ".join(named) + (f" and {more:,} more" if more else "")
