"""Quality of clusters on a file of real trips: the share of trips in clusters that fit radius and window."""

import gzip
import time
from collections.abc import Callable
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import DBSCAN

from shifts_core.calendar import DateRange
from shifts_core.clustering.estimator import TripClusterer
from shifts_core.clustering.parameters import (
    DEFAULT_MAX_RADIUS_M,
    DEFAULT_MIN_TRIPS,
    DEFAULT_WINDOW_MINUTES,
)
from shifts_core.clustering.projection import haversine_m, to_plane, unwrap_longitudes
from shifts_core.trips.read_csv import read_csv

_CELL_M = 707.0
"""Side of the square whose corners are 500 m from its centre."""
_DAY_US, _WEEK_US = 86_400_000_000, 7 * 86_400_000_000
_FIRST_MONDAY_US = 4 * _DAY_US
"""From 1970-01-01 to the first Monday."""

Trips = NDArray[np.float64]
"""(n, 5): as in `TripClusterer.fit`."""
Method = Callable[[Trips], NDArray[np.int64]]
"""From trips to labels, -1 for noise."""


def print_quality(file: Path, show: Callable[[str], None]) -> None:
    """Print the table for a file of trips."""
    show(f"reading {file.name}")
    pairs = _read_pairs(file)
    trips = sum(map(len, pairs))
    print(
        f"\n### Quality of the clusters\n\n{file.name}: {trips:,} trips, {len(pairs)} (region, week) pairs.\n"
    )
    print("| method | trips in good clusters | in others | good clusters | s |")
    print("|---|--:|--:|--:|--:|")
    for name, method in _METHODS.items():
        show(name)
        start = time.perf_counter()
        results = [(pair, method(pair)) for pair in pairs]
        seconds = time.perf_counter() - start
        good, others, clusters = np.sum([_assess(*result) for result in results], axis=0)
        show("")
        print(f"| {name} | {good / trips:.1%} | {others / trips:.1%} | {clusters:,} | {seconds:.1f} |")
    print(
        f"\nA good cluster has {DEFAULT_MIN_TRIPS} trips or more, all of them within {DEFAULT_MAX_RADIUS_M:g} m of"
        f" its centroid at both ends and within {DEFAULT_WINDOW_MINUTES} minutes of the day."
    )


def _read_pairs(file: Path) -> list[Trips]:
    """Return the trips of each (region, week)."""
    with closing(gzip.open(file) if file.suffix == ".gz" else file.open("rb")) as source:
        batches = list(read_csv(cast("BinaryIO", source), DateRange(date(1970, 1, 5), date(2100, 1, 4))))
    names = sorted({name for batch in batches for name in batch.region_names if name is not None})
    region = np.concatenate(
        [np.array([names.index(name) for name in b.region_names if name])[b.regions] for b in batches]
    )
    moments = np.concatenate([batch.started_at for batch in batches])
    trips = np.column_stack([np.concatenate([batch.points for batch in batches]), moments % _DAY_US / 1e6])
    weeks = (moments - _FIRST_MONDAY_US) // _WEEK_US
    keys, pair = np.unique(np.column_stack([region, weeks]), axis=0, return_inverse=True)
    return [trips[pair == number] for number in range(len(keys))]


def _each_hour(cluster: Callable[[NDArray[np.float64]], NDArray[np.int64]]) -> Method:
    """Return a method that clusters metres in the plane, in each hour of the day separately."""

    def method(trips: Trips) -> NDArray[np.int64]:
        labels = np.full(len(trips), -1)
        for hour in range(24):
            inside = np.flatnonzero(trips[:, 4] // 3_600 == hour)
            if len(inside):
                found = cluster(to_plane(trips[inside, :4]))
                labels[inside] = np.where(found >= 0, found + labels.max() + 1, -1)
        return labels

    return method


def _dbscan(eps_m: float) -> Callable[[NDArray[np.float64]], NDArray[np.int64]]:
    clusterer = DBSCAN(eps=eps_m, min_samples=DEFAULT_MIN_TRIPS)
    return lambda metres: np.asarray(clusterer.fit_predict(metres), np.int64)


def _grid_cells(metres: NDArray[np.float64]) -> NDArray[np.int64]:
    _, cell = np.unique(np.floor(metres / _CELL_M), axis=0, return_inverse=True)
    return np.where(np.bincount(cell)[cell] >= DEFAULT_MIN_TRIPS, cell, -1)


_METHODS: dict[str, Method] = {
    "TripClusterer": lambda trips: np.asarray(TripClusterer().fit_predict(trips), np.int64),
    "DBSCAN, eps 250 m, in each hour": _each_hour(_dbscan(250)),
    "DBSCAN, eps 500 m, in each hour": _each_hour(_dbscan(500)),
    "grid cells of 707 m, in each hour": _each_hour(_grid_cells),
}


def _assess(trips: Trips, labels: NDArray[np.int64]) -> tuple[int, int, int]:
    """Return the number of trips in good clusters, of trips in others, and of good clusters."""
    clustered = labels >= 0
    _, cluster, sizes = np.unique(labels[clustered], return_inverse=True, return_counts=True)
    coords = unwrap_longitudes(trips[:, :4])[clustered]
    centroids = np.column_stack([np.bincount(cluster, coords[:, side]) / sizes for side in range(4)])[cluster]
    distance = np.maximum(
        haversine_m(*coords[:, :2].T, *centroids[:, :2].T), haversine_m(*coords[:, 2:].T, *centroids[:, 2:].T)
    )
    # Offsets from each cluster's first trip, so that midnight does not matter.
    times_s = trips[clustered, 4]
    first = np.zeros(len(sizes))
    first[cluster[::-1]] = times_s[::-1]
    offset = (times_s - first[cluster] + 43_200) % 86_400 - 43_200
    latest, earliest = np.full(len(sizes), -np.inf), np.full(len(sizes), np.inf)
    np.maximum.at(latest, cluster, offset)
    np.minimum.at(earliest, cluster, offset)
    good = (sizes >= DEFAULT_MIN_TRIPS) & (latest - earliest <= 60 * DEFAULT_WINDOW_MINUTES)
    good[cluster[distance > DEFAULT_MAX_RADIUS_M]] = False
    return int(sizes[good].sum()), int(sizes[~good].sum()), int(good.sum())
