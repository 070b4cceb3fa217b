"""What assets and sensors are given: the two databases, the landing zone, the parameters."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

import dagster as dg
import psycopg
from psycopg.types.json import Jsonb
from sqlalchemy import Engine

from shifts_core.landing.open_zone import open_zone
from shifts_core.landing.retry_options import RetryOptions
from shifts_core.landing.zone import LandingZone
from shifts_pipeline.storage import database

if TYPE_CHECKING:
    from google.cloud.storage import Client

RETRY_OPTIONS = RetryOptions(deadline_s=40.0)
"""For requests to a bucket: Dagster ends the evaluation of a sensor after 60 s."""


class TripsDatabase(dg.ConfigurableResource["TripsDatabase"]):
    """The PostGIS database that holds the trips."""

    url: str

    def connect(self, *, autocommit: bool = False) -> psycopg.Connection:
        """A connection of one's own, to be closed by the caller."""
        return database.connect(self.url, autocommit=autocommit)

    @cached_property
    def engine(self) -> Engine:
        """For frames and metadata."""
        return database.engine(self.url)


class WorkerLock(dg.ConfigurableResource["WorkerLock"]):
    """Held by a run from start to end: a worker whose run holds the lock lives."""

    url: str

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["WorkerLock"]:
        """Takes the lock of the run on a connection that lives as long as its worker."""
        with database.connect(self.url, autocommit=True) as connection:
            if context.run is not None:
                connection.execute(
                    "SELECT pg_advisory_lock(hashtextextended(%s, 0))", [lock_name(context.run.run_id)]
                )
            yield self


def lock_name(run_id: str) -> str:
    """The name under which a run's worker holds its lock."""
    return f"run:{run_id}"


class Feed(dg.ConfigurableResource["Feed"]):
    """The outbox in Dagster's database from which listeners are told."""

    url: str

    @contextmanager
    def publisher(self) -> Iterator["Publisher"]:
        """A publisher on one connection."""
        with database.connect(self.url, autocommit=True) as connection:
            yield Publisher(connection)


class Publisher:
    """Puts events into the outbox, each at once."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection

    def publish(
        self,
        type_: str,
        *,
        run_id: str | None,
        task_ids: Sequence[str],
        asset: str | None,
        partition: str | None,
        message: str,
        details: dict[str, Any],
        dedupe_key: str | None = None,
    ) -> None:
        """Tells every listener; a second event of the same `dedupe_key` is dropped."""
        self._connection.execute(
            "SELECT shifts_feed.publish(%s, %s, %s, %s, %s, %s, %s, %s)",
            [type_, run_id, list(task_ids), asset, partition, message, Jsonb(details), dedupe_key],
        )


class Landing(dg.ConfigurableResource["Landing"]):
    """Where files are dropped."""

    url: str

    @cached_property
    def zone(self) -> LandingZone:
        """The folder or bucket behind the URL."""
        return open_zone(self.url, _connect_to_gcs, RETRY_OPTIONS)


def _connect_to_gcs() -> "Client":
    # The import takes two seconds; runs and sensors over a folder need none of it.
    from dagster_gcp import GCSResource  # noqa: PLC0415

    return GCSResource().get_client()


class LoadLimits(dg.ConfigurableResource["LoadLimits"]):
    """What a file may hold."""

    first_week: str
    """Monday of the calendar's first week, ISO date."""
    max_rejected_share: float


class ClusteringParameters(dg.ConfigurableResource["ClusteringParameters"]):
    """Parameters of the clustering estimator, in metres and minutes."""

    time_bin_minutes: int
    eps_m: float
    min_trips: int
    max_radius_m: float
