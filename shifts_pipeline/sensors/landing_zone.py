"""The sensor `landing_zone`: registers complete new files in the ledger."""

import time
from collections.abc import Sequence
from functools import cache

import dagster as dg
import psycopg

from shifts_core.landing.reference_files import ReferenceFolder, reference_folder
from shifts_core.landing.zone import LandedFile, LandingZone
from shifts_pipeline.jobs.asset_jobs import load_stops, load_zones
from shifts_pipeline.jobs.run_tags import UNFINISHED, files_tag
from shifts_pipeline.resources.landing import Landing
from shifts_pipeline.resources.trips_database import TripsDatabase
from shifts_pipeline.sensors.registration import Registration
from shifts_pipeline.sensors.waiting import WATCH_S
from shifts_pipeline.storage.reference_files import find_changes

LISTING_INTERVAL_S = 1.0
CHEAP_LISTING_S = 0.1
"""Within a tick, only a zone that is listed faster is listed again: listing a bucket costs time and money."""
_JOBS: dict[ReferenceFolder, str] = {"stops": load_stops.name, "zones": load_zones.name}
_RETRY_S = 300.0
_MAX_NAMED = 5
"""Skipped entries that are named; the others are counted."""


@dg.sensor(
    jobs=[load_stops, load_zones],
    minimum_interval_seconds=2,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Records every complete new or changed file of the landing zone in the ledger, where it waits for"
    " `queued_files`, and requests a run when files of stops or zones have changed. Ticks list files that"
    " are skipped, with the reason.",
)
def landing_zone(
    context: dg.SensorEvaluationContext, trips_database: TripsDatabase, landing: Landing
) -> dg.SkipReason | list[dg.RunRequest]:
    """Requests no run for files of trips: the sensor `queued_files` does, for files from here and from the API."""
    end = time.monotonic() + WATCH_S
    registration = _registration(trips_database.url, landing.url)
    with trips_database.connect(autocommit=True) as connection:
        while True:
            begun = time.monotonic()
            skipped: dict[str, str] = {}
            found = list(landing.zone.list_files(skipped.__setitem__))
            files = [file for file in found if reference_folder(file.name) is None]
            if new := registration.newly_skipped(skipped):
                context.log.warning("skipped in the landing zone: %s", _listed(new))
            queued = registration.register(connection, files)
            if requests := _reference_requests(context, connection, landing.zone, found):
                return requests
            now = time.monotonic()
            if queued or now - begun > CHEAP_LISTING_S or now + LISTING_INTERVAL_S > end:
                status = f"{len(files):,} files in the landing zone, {queued:,} new"
                return dg.SkipReason(f"{status}; skipped: {_listed(skipped)}" if skipped else status)
            time.sleep(LISTING_INTERVAL_S)


def _reference_requests(
    context: dg.SensorEvaluationContext,
    connection: psycopg.Connection,
    zone: LandingZone,
    found: Sequence[LandedFile],
) -> list[dg.RunRequest]:
    """Runs that read reference files of the folders in which some have changed and for which no run is unfinished."""
    requests = []
    for folder, job in _JOBS.items():
        changes = find_changes(connection, zone, found, folder)
        unfinished = dg.RunsFilter(job_name=job, statuses=UNFINISHED)
        if changes and not context.instance.get_runs_count(unfinished):
            # A run that fails as a whole is repeated after a while.
            key = f"{changes.digest} {int(time.time() / _RETRY_S)}"
            requests.append(dg.RunRequest(run_key=key, job_name=job, tags=files_tag(changes.names)))
    return requests


@cache
def _registration(database_url: str, landing_url: str) -> Registration:
    """One per process that evaluates the sensor."""
    del database_url, landing_url
    return Registration()


def _listed(skipped: dict[str, str]) -> str:
    named = [f"{name} ({reason})" for name, reason in sorted(skipped.items())[:_MAX_NAMED]]
    more = len(skipped) - len(named)
    return ", ".join(named) + (f" and {more:,} more" if more else "")
