"""Parameter sweeps: what the clusterer finds in the same trips with every combination of parameters."""

import time
from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.model_selection import ParameterGrid

from shifts_core.clustering.estimator import TripClusterer
from shifts_core.clustering.parameters import check_parameters

_SORTED_BY = ["max_radius_m", "min_trips", "eps_m"]
_DECIMALS = {"share_clustered": 4, "radius_m_median": 1, "radius_m_p95": 1, "radius_m_max": 1, "seconds": 3}
_WARM_UP_TRIPS = 1_000

Outcome = dict[str, float]
"""Parameters and results of one fit, by column name: eps_m, min_trips, max_radius_m, window_minutes, trips,
trips_clustered, share_clustered, clusters, largest_cluster, radius_m_median, radius_m_p95, radius_m_max (NaN without
clusters), seconds."""


def parameter_grid(
    clusterer: TripClusterer, eps_m: Iterable[float], min_trips: Iterable[int], max_radius_m: Iterable[float]
) -> ParameterGrid:
    """Return every combination of the values once, for a clusterer whose window stays the same.

    Raises:
        ValueError: a value is out of range.
    """
    grid = ParameterGrid(
        {
            "eps_m": sorted({*eps_m}),
            "min_trips": sorted({*min_trips}),
            "max_radius_m": sorted({*max_radius_m}),
        }
    )
    for parameters in grid:
        check_parameters(**parameters, window_s=clusterer.window_s)
    return grid


def sweep(trips: NDArray[np.float64], clusterer: TripClusterer, grid: ParameterGrid) -> Iterator[Outcome]:
    """Fit a clone of the clusterer for every combination of the grid; `trips` as in `TripClusterer.fit`."""
    # The first fit loads compiled code, which must not count as time of the first combination.
    clone(clusterer).fit(trips[:_WARM_UP_TRIPS])
    for parameters in grid:
        candidate = clone(clusterer).set_params(**parameters)
        start = time.perf_counter()
        candidate.fit(trips)
        seconds = time.perf_counter() - start
        sizes, radii = candidate.cluster_sizes_, candidate.cluster_radii_m_
        median, p95, largest = np.percentile(radii, [50, 95, 100]) if len(radii) else [np.nan] * 3
        yield {
            **parameters,
            "window_minutes": candidate.window_s / 60,
            "trips": len(trips),
            "trips_clustered": int(sizes.sum()),
            "share_clustered": sizes.sum() / len(trips),
            "clusters": len(sizes),
            "largest_cluster": int(sizes.max(initial=0)),
            "radius_m_median": median,
            "radius_m_p95": p95,
            "radius_m_max": largest,
            "seconds": seconds,
        }


def to_frame(outcomes: Iterable[Outcome]) -> pd.DataFrame:
    """Return a row for each outcome, sorted by radius, least number of trips and eps."""
    return pd.DataFrame(list(outcomes)).round(_DECIMALS).sort_values(_SORTED_BY, ignore_index=True)


def is_current(frame: pd.DataFrame, current: TripClusterer) -> "pd.Series[bool]":
    """Return a mask of the rows with the parameters of `current`."""
    return (
        (frame["eps_m"] == current.eps_m)
        & (frame["min_trips"] == current.min_trips)
        & (frame["max_radius_m"] == current.max_radius_m)
    )
