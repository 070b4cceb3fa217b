"""Refreshes the (region, week) pairs of a week, small ones in batches; several workers may share a week."""

import logging
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import psycopg

from shifts_pipeline.display_text import printable
from shifts_pipeline.storage import stale_pairs
from shifts_pipeline.storage.refresh_batch import MAX_PAIR_TRIPS, batches, refresh_batch
from shifts_pipeline.storage.refresh_pair import refresh_pair
from shifts_pipeline.storage.region_week import DERIVED_TABLES, DerivedTable
from shifts_pipeline.storage.stale_pairs import Pair
from shifts_pipeline.storage.trip_index import index_week

if TYPE_CHECKING:
    from shifts_core.clustering.estimator import TripClusterer

_PROGRESS_INTERVAL_S = 10.0


@dataclass(frozen=True)
class RefreshRequest:
    """What a worker refreshes, and how."""

    tables: Collection[DerivedTable]
    regions: Collection[str]
    """Names of the only regions to refresh; all if empty."""
    only_due: bool
    """Skip pairs that are fresh, paused after a failure, or being refreshed by another worker."""
    run_id: str
    new_clusterer: Callable[[], "TripClusterer"]
    log: logging.Logger
    min_count: int | None = None
    """Least number of trips of a cell; None for no cells."""


@dataclass(frozen=True)
class RefreshedWeek:
    """What a worker did in a week."""

    pairs: int
    """Pairs that were refreshed."""
    trips: int
    """Trips that were read."""
    seconds: float
    failures: list[str]
    """One line for each pair that failed."""


def refresh_week(connection: psycopg.Connection, week: date, request: RefreshRequest) -> RefreshedWeek:
    """Refreshes pairs of a week, largest first, and in the end the clusters of small pairs in batches.

    If the refresh of a pair raises, the failure is recorded, the pair stays stale and pauses, and the others
    continue.

    Args:
        connection: in autocommit mode.
        week: its Monday.
        request: which pairs and tables.

    Raises:
        psycopg.Error: the connection is lost.
    """
    found = (
        stale_pairs.due_pairs(connection, week)
        if request.only_due
        else stale_pairs.all_pairs(connection, week)
    )
    wanted = {
        pair: [table for table in DERIVED_TABLES if table in pair.tables and table in request.tables]
        for pair in found
        if not request.regions or pair.region in request.regions
    }
    small = [pair for pair, tables in wanted.items() if "clusters" in tables and pair.trips <= MAX_PAIR_TRIPS]
    if len(small) > 1:
        for pair in small:
            wanted[pair].remove("clusters")
    else:
        small = []
    if wanted:
        index_week(connection, week)
    work = _WeekRefresh(connection, week, request, len(wanted))
    for pair, tables in wanted.items():
        if tables:
            work.refresh_pair(pair, tables, only_due=request.only_due)
    for batch in batches(small):
        work.refresh_batch(batch)
    return work.result()


class _WeekRefresh:
    """The refreshes of a week's pairs by a worker."""

    def __init__(
        self, connection: psycopg.Connection, week: date, request: RefreshRequest, pairs: int
    ) -> None:
        self._connection, self._week, self._request, self._pairs = connection, week, request, pairs
        self._begun = self._logged = time.monotonic()
        self._trips: dict[str, int] = {}
        """Trips that were read of each region."""
        self._failures: dict[str, str] = {}

    def result(self) -> RefreshedWeek:
        seconds = time.monotonic() - self._begun
        failures = [f"{printable(region)} {self._week}: {why}" for region, why in self._failures.items()]
        pairs = len(self._trips.keys() - self._failures.keys())
        return RefreshedWeek(pairs, sum(self._trips.values()), seconds, failures)

    def refresh_pair(self, pair: Pair, wanted: Sequence[DerivedTable], *, only_due: bool) -> None:
        """Refreshes tables of a pair; with `only_due`, unless another worker holds it or it is not due any more."""
        self._log_progress()
        connection, request = self._connection, self._request
        tables = stale_pairs.begin(connection, pair, wanted, request.run_id, only_due=only_due)
        if not tables:
            return
        done: list[DerivedTable] = []
        try:
            trips = refresh_pair(
                connection, pair, tables, request.new_clusterer, done.append, request.min_count
            )
        except Exception as error:
            if connection.closed:
                raise
            reason = printable(f"{type(error).__name__}: {error}", 1000)
            request.log.error("%s %s failed", printable(pair.region), self._week, exc_info=True)
            self._failures.setdefault(pair.region, reason)
            failed = [table for table in tables if table not in done]
            stale_pairs.end(connection, pair, succeeded=done, failed=failed, error=reason)
            return
        except BaseException:
            # The run is being stopped: the pair does not pause.
            with suppress(psycopg.Error):
                stale_pairs.end(connection, pair, succeeded=tables)
            raise
        stale_pairs.end(connection, pair, succeeded=tables)
        self._trips[pair.region] = trips

    def refresh_batch(self, pairs: Sequence[Pair]) -> None:
        """Refreshes the clusters of small pairs; one by one if that fails, so that a bad pair fails alone."""
        self._log_progress()
        connection, request = self._connection, self._request
        begun, alone = stale_pairs.begin_batch(
            connection, pairs, "clusters", request.run_id, only_due=request.only_due
        )
        repeated: list[Pair] = []
        if begun:
            try:
                trips = refresh_batch(connection, begun, request.new_clusterer())
            except Exception:
                if connection.closed:
                    raise
                request.log.warning("%s: refreshing %s pairs alone", self._week, len(begun), exc_info=True)
                repeated = begun
            except BaseException:
                # The run is being stopped: the pairs do not pause.
                with suppress(psycopg.Error):
                    stale_pairs.end_batch(connection, begun, "clusters")
                raise
            else:
                self._trips |= trips
            stale_pairs.end_batch(connection, begun, "clusters")
        for pair in alone:
            self.refresh_pair(pair, ["clusters"], only_due=request.only_due)
        for pair in repeated:
            # Not due any more if only the checks failed, which are to be repeated.
            self.refresh_pair(pair, ["clusters"], only_due=False)

    def _log_progress(self) -> None:
        if time.monotonic() > self._logged + _PROGRESS_INTERVAL_S:
            self._logged = time.monotonic()
            done = f"{len(self._trips):,} of {self._pairs:,}"
            self._request.log.info("%s: %s regions", self._week, done)
