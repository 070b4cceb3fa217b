"""Ways to group a bin, each run in a process of its own that measures itself."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.load_ways import own_peak

_WARM_UP_TRIPS = 1_000


@dataclass(frozen=True)
class Bin:
    """Trips of one hour of one week."""

    name: str
    trips: int
    file: Path
    """Arrays `ends` (n, 4), degrees, and `times_s` (n,)."""
    neighbours: int
    """Entries of the lists of all trips' neighbours, each trip its own included, whatever the time."""


@dataclass(frozen=True)
class Grouping:
    """What a way took."""

    seconds: float
    peak_bytes: int
    """Of the process, the interpreter, its libraries and the bin included."""
    before_bytes: int
    """What of it was there before."""
    share: float
    """Of the trips, those in groups."""


def ours(work: Bin) -> Grouping:
    """From degrees to groups that keep their promises."""
    # Not in the process of the other way.
    from shifts_core.clustering.clusters import Similarity, find_groups  # noqa: PLC0415

    with np.load(work.file) as arrays:
        ends, times_s = arrays["ends"], arrays["times_s"]
    # Loads the compiled code.
    find_groups(ends[:_WARM_UP_TRIPS], times_s[:_WARM_UP_TRIPS], Similarity())
    before = own_peak()
    begun = time.perf_counter()
    found = find_groups(ends, times_s, Similarity())
    seconds = time.perf_counter() - begun
    return Grouping(seconds, own_peak(), before, float((found.members >= 0).mean()))


def scikit_learn(work: Bin) -> Grouping:
    """DBSCAN alone with the same eps and least number, in the same plane, without time and without splitting."""
    from sklearn.cluster import DBSCAN  # noqa: PLC0415

    from shifts_core.clustering.projection import to_plane  # noqa: PLC0415

    with np.load(work.file) as arrays:
        places = to_plane(arrays["ends"])
    DBSCAN(eps=500.0, min_samples=5).fit(places[:_WARM_UP_TRIPS])
    before = own_peak()
    begun = time.perf_counter()
    found = DBSCAN(eps=500.0, min_samples=5).fit(places)
    seconds = time.perf_counter() - begun
    return Grouping(seconds, own_peak(), before, float((found.labels_ >= 0).mean()))
