"""Classification of trips as DBSCAN core, border or noise samples.

M. Ester, H.-P. Kriegel, J. Sander, X. Xu, "A density-based algorithm for discovering clusters in large spatial
databases with noise", KDD 1996. A trip is one point in four dimensions, origin and destination; the time of day
is a second condition for two trips to be neighbours.
"""

import numpy as np
from numpy.typing import NDArray

from shifts_core.clustering.counting import count_neighbours
from shifts_core.clustering.kd_tree import KDTree, SearchRadius, with_alive


def is_core(tree: KDTree, eps_m: float, eps_s: float, min_trips: int) -> NDArray[np.bool_]:
    """Return a mask of the core samples, shape (n,): at least `min_trips` neighbours, the trip itself included.

    Args:
        tree: all trips, alive.
        eps_m: largest distance between neighbours over origin and destination together, metres in four dimensions.
        eps_s: largest difference between their times of day, seconds, across midnight.
        min_trips: at least 1.
    """
    everything = np.ones(len(tree.points), np.bool_)
    return count_neighbours(tree, SearchRadius(eps_m, eps_s, True), everything, min_trips) >= min_trips


def is_core_or_border(tree: KDTree, eps_m: float, eps_s: float, min_trips: int) -> NDArray[np.bool_]:
    """Return a mask of the trips that are not noise: core samples and their neighbours; shape (n,)."""
    core = is_core(tree, eps_m, eps_s, min_trips)
    core_neighbours = count_neighbours(with_alive(tree, core), SearchRadius(eps_m, eps_s, True), ~core, 1)
    return core | (core_neighbours > 0)
