"""Refreshes the (region, week) pairs of a week one after the other; several workers may share a week."""

import logging
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import psycopg

from shifts_pipeline.display_text import printable
from shifts_pipeline.storage import stale_pairs
from shifts_pipeline.storage.refresh_pair import refresh_pair
from shifts_pipeline.storage.region_week import DERIVED_TABLES, DerivedTable

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
    """Refreshes pairs of a week, largest first.

    If the refresh of a pair raises, the failure is recorded, the pair stays stale and pauses, and the loop continues.

    Args:
        connection: in autocommit mode.
        week: its Monday.
        request: which pairs and tables.

    Raises:
        psycopg.Error: the connection is lost.
    """
    begun = logged = time.monotonic()
    found = (
        stale_pairs.due_pairs(connection, week)
        if request.only_due
        else stale_pairs.all_pairs(connection, week)
    )
    pairs = [pair for pair in found if not request.regions or pair.region in request.regions]
    refreshed = trips = 0
    failures: list[str] = []
    for number, pair in enumerate(pairs):
        if time.monotonic() > logged + _PROGRESS_INTERVAL_S:
            logged = time.monotonic()
            request.log.info("%s: %s of %s regions", week, f"{number:,}", f"{len(pairs):,}")
        wanted = [table for table in DERIVED_TABLES if table in pair.tables and table in request.tables]
        tables = stale_pairs.begin(connection, pair, wanted, request.run_id, only_due=request.only_due)
        if not tables:
            continue
        done: list[DerivedTable] = []
        try:
            trips += refresh_pair(connection, pair, tables, request.new_clusterer, done.append)
        except Exception as error:
            if connection.closed:
                raise
            reason = printable(f"{type(error).__name__}: {error}", 1000)
            name = printable(pair.region)
            request.log.error("%s %s failed", name, week, exc_info=True)
            failures.append(f"{name} {week}: {reason}")
            failed = [table for table in tables if table not in done]
            stale_pairs.end(connection, pair, succeeded=done, failed=failed, error=reason)
            continue
        except BaseException:
            # The run is being stopped: the pair does not pause.
            with suppress(psycopg.Error):
                stale_pairs.end(connection, pair, succeeded=tables)
            raise
        stale_pairs.end(connection, pair, succeeded=tables)
        refreshed += 1
    return RefreshedWeek(refreshed, trips, time.monotonic() - begun, failures)
