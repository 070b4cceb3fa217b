"""How good groups are on a file of real trips: how many trips are in groups that people could share."""

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
from shifts_core.clustering.clusters import Similarity, find_groups
from shifts_core.clustering.projection import distances_m, to_plane, unwrapped
from shifts_core.trips.read_csv import read_csv

_LEAST, _RADIUS_M, _WINDOW_S = 5, 500.0, 3_600.0
_CELL_M = 707.0
"""The square whose corners are 500 m from its middle."""
_DAY_US, _WEEK_US = 86_400_000_000, 7 * 86_400_000_000
_MONDAY_US = 4 * _DAY_US
"""From 1970-01-01 to the first Monday."""

Way = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.int64]]


def print_quality(file: Path, say: Callable[[str], None]) -> None:
    """Prints the table for a file of trips."""
    say(f"reading {file.name}")
    pairs = _pairs(file)
    trips = sum(len(times) for _, times in pairs)
    print(
        f"\n### Groups that people could share\n\n{file.name}: {trips:,} trips, {len(pairs)} weeks of regions.\n"
    )
    print("| method | trips in good groups | in others | good groups | s |")
    print("|---|--:|--:|--:|--:|")
    for name, way in _WAYS.items():
        say(name)
        begun = time.perf_counter()
        found = [(ends, times, way(ends, times)) for ends, times in pairs]
        seconds = time.perf_counter() - begun
        good, others, groups = np.sum([_judged(*one) for one in found], axis=0)
        say("")
        print(f"| {name} | {good / trips:.1%} | {others / trips:.1%} | {groups:,} | {seconds:.1f} |")
    print(
        f"\nA good group has {_LEAST} trips or more, all of them within {_RADIUS_M:g} m of its centroid at both ends"
        " and within 60 minutes of the day."
    )


def _pairs(file: Path) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Ends in degrees and times of day in seconds of each (region, week)."""
    with closing(gzip.open(file) if file.suffix == ".gz" else file.open("rb")) as source:
        batches = list(read_csv(cast("BinaryIO", source), DateRange(date(1970, 1, 5), date(2100, 1, 4))))
    names = sorted({name for batch in batches for name in batch.region_names if name is not None})
    region = np.concatenate(
        [np.array([names.index(name) for name in b.region_names if name])[b.regions] for b in batches]
    )
    ends = np.concatenate([batch.points for batch in batches])
    moments = np.concatenate([batch.started_at for batch in batches])
    weeks = (moments - _MONDAY_US) // _WEEK_US
    keys, pair = np.unique(np.column_stack([region, weeks]), axis=0, return_inverse=True)
    times = moments % _DAY_US / 1e6
    return [(ends[pair == number], times[pair == number]) for number in range(len(keys))]


def _in_hours(group: Callable[[NDArray[np.float64]], NDArray[np.int64]]) -> Way:
    """A way that knows no time, in each hour of the day by itself."""

    def way(ends: NDArray[np.float64], times_s: NDArray[np.float64]) -> NDArray[np.int64]:
        members = np.full(len(ends), -1)
        for hour in range(24):
            inside = np.flatnonzero(times_s // 3_600 == hour)
            if len(inside):
                found = group(to_plane(ends[inside]))
                members[inside] = np.where(found >= 0, found + members.max() + 1, -1)
        return members

    return way


def _dbscan(eps_m: float) -> Callable[[NDArray[np.float64]], NDArray[np.int64]]:
    return lambda places: np.asarray(DBSCAN(eps=eps_m, min_samples=_LEAST).fit(places).labels_, np.int64)


def _cells(places: NDArray[np.float64]) -> NDArray[np.int64]:
    _, cell = np.unique(np.floor(places / _CELL_M), axis=0, return_inverse=True)
    return np.where(np.bincount(cell)[cell] >= _LEAST, cell, -1)


_WAYS: dict[str, Way] = {
    "ours": lambda ends, times_s: find_groups(ends, times_s, Similarity()).members,
    "DBSCAN, eps 250 m, in each hour": _in_hours(_dbscan(250)),
    "DBSCAN, eps 500 m, in each hour": _in_hours(_dbscan(500)),
    "grid cells of 707 m, in each hour": _in_hours(_cells),
}


def _judged(
    ends: NDArray[np.float64], times_s: NDArray[np.float64], members: NDArray[np.int64]
) -> tuple[int, int, int]:
    """Trips in good groups, trips in others, good groups."""
    grouped = members >= 0
    _, group, sizes = np.unique(members[grouped], return_inverse=True, return_counts=True)
    around = unwrapped(ends)[grouped]
    centroids = np.column_stack([np.bincount(group, around[:, side]) / sizes for side in range(4)])[group]
    far = np.maximum(
        distances_m(*around[:, :2].T, *centroids[:, :2].T), distances_m(*around[:, 2:].T, *centroids[:, 2:].T)
    )
    # Around each group's first trip, so that midnight does not matter.
    first = np.zeros(len(sizes))
    first[group[::-1]] = times_s[grouped][::-1]
    offset = (times_s[grouped] - first[group] + 43_200) % 86_400 - 43_200
    latest, earliest = np.full(len(sizes), -np.inf), np.full(len(sizes), np.inf)
    np.maximum.at(latest, group, offset)
    np.minimum.at(earliest, group, offset)
    good = (sizes >= _LEAST) & (latest - earliest <= _WINDOW_S)
    good[group[far > _RADIUS_M]] = False
    return int(sizes[good].sum()), int(sizes[~good].sum()), int(good.sum())
