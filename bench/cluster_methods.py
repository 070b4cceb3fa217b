"""The compared ways to cluster a bin; each runs in a process of its own that measures itself."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.load_methods import own_peak

_WARM_UP_TRIPS = 1_000


@dataclass(frozen=True)
class Bin:
    """Trips of one hour of one week."""

    name: str
    trips: int
    file: Path
    """Arrays `od_coords` (n, 4), degrees, and `times_s` (n,)."""
    neighbours: int
    """Sum of the lengths of all trips' neighbour lists in DBSCAN without time."""


@dataclass(frozen=True)
class Measurement:
    """Time and memory of one run."""

    seconds: float
    peak_bytes: int
    """Peak memory of the process, with interpreter, libraries and the bin."""
    before_bytes: int
    """The peak before clustering."""
    share: float
    """Share of the trips that are in clusters."""


def trip_clusterer(work: Bin) -> Measurement:
    """Measure `TripClusterer.fit`, with validation, time window and compact clusters."""
    # Imported here, so that the process of the other method does not load it.
    from shifts_core.clustering.estimator import TripClusterer  # noqa: PLC0415

    with np.load(work.file) as arrays:
        trips = np.column_stack([arrays["od_coords"], arrays["times_s"]])
    # The first fit loads the compiled code.
    TripClusterer().fit(trips[:_WARM_UP_TRIPS])
    before = own_peak()
    start = time.perf_counter()
    clusterer = TripClusterer().fit(trips)
    seconds = time.perf_counter() - start
    return Measurement(seconds, own_peak(), before, float((clusterer.labels_ >= 0).mean()))


def dbscan(work: Bin) -> Measurement:
    """Measure scikit-learn's DBSCAN with the same eps and min_trips, in the same plane, without time or splitting."""
    from sklearn.cluster import DBSCAN  # noqa: PLC0415

    from shifts_core.clustering.parameters import DEFAULT_EPS_M, DEFAULT_MIN_TRIPS  # noqa: PLC0415
    from shifts_core.clustering.projection import to_plane  # noqa: PLC0415

    with np.load(work.file) as arrays:
        metres = to_plane(arrays["od_coords"])
    clusterer = DBSCAN(eps=DEFAULT_EPS_M, min_samples=DEFAULT_MIN_TRIPS)
    clusterer.fit(metres[:_WARM_UP_TRIPS])
    before = own_peak()
    start = time.perf_counter()
    clusterer.fit(metres)
    seconds = time.perf_counter() - start
    return Measurement(seconds, own_peak(), before, float((clusterer.labels_ >= 0).mean()))
