"""Classification of trips as DBSCAN core, border or noise samples.

M. Ester, H.-P. Kriegel, J. Sander, X. Xu, "A density-based algorithm for discovering clusters in large spatial
databases with noise", KDD 1996. A trip is one point in four dimensions, origin and destination; the time of day
is a second condition for two trips to be neighbours.
"""

import numpy as np
from numpy.typing import NDArray

from shifts_core.clustering.grid import build_grid, count_in_cells


def classify(
    points: NDArray[np.float64], eps_m: float, eps_s: float, min_trips: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return masks of the core samples and of the trips that are not noise, each (n,).

    A core sample has at least `min_trips` neighbours, itself included. Noise are the trips that
    are neither core samples nor their neighbours.

    Args:
        points: shape (n, 5): origin x, y, destination x, y in metres, time of day in seconds.
        eps_m: largest distance between neighbours over origin and destination together, metres in four dimensions.
        eps_s: largest difference between their times of day, seconds, across midnight.
        min_trips: at least 1.
    """
    grid = build_grid(points, eps_m)
    everything = np.ones(len(points), np.bool_)
    neighbours = count_in_cells(grid, eps_m, eps_s, everything, everything, min_trips)
    core = neighbours >= min_trips
    # Trips that have no neighbour but themselves need no second look.
    core_neighbours = count_in_cells(grid, eps_m, eps_s, ~core & (neighbours > 1), core, 1)
    is_core, is_not_noise = np.empty(len(points), np.bool_), np.empty(len(points), np.bool_)
    is_core[grid.rows] = core
    is_not_noise[grid.rows] = core | (core_neighbours > 0)
    return is_core, is_not_noise
