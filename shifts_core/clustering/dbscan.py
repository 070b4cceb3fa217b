"""Classification of trips as DBSCAN core, border or noise samples.

M. Ester, H.-P. Kriegel, J. Sander, X. Xu, "A density-based algorithm for discovering clusters in large spatial
databases with noise", KDD 1996. A trip is one point in four dimensions, origin and destination; the time of day
is a second condition for two trips to be neighbours.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count

import numba
import numpy as np
from numpy.typing import NDArray

from shifts_core.clustering.kd_tree import STACK_SIZE, KDTree, SearchRadius, count_within, with_alive

_BATCH_SIZE = 1 << 12


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


def count_neighbours(
    tree: KDTree, radius: SearchRadius, queried: NDArray[np.bool_], enough: int | None = None
) -> NDArray[np.int64]:
    """Count the trips alive within the radius around each queried trip, on all CPU cores; shape (n,).

    Args:
        tree: the trips; also those that are not alive can be queried.
        radius: search radius.
        queried: shape (n,); all other trips get 0.
        enough: counting a trip's neighbours may stop here.
    """
    counts = np.zeros(len(tree.points), np.int64)
    limit = len(tree.points) + 1 if enough is None else enough
    _in_batches(
        lambda start, stop: _count_batch(tree, radius, queried, limit, counts, start, stop), len(counts)
    )
    return counts


def _in_batches(work: Callable[[int, int], None], size: int) -> None:
    """Run `work` on ranges that cover `size`, on all CPU cores: the compiled code releases the GIL."""
    if size <= _BATCH_SIZE:
        # Starting threads takes ten times as long as a search around a hundred trips.
        work(0, size)
        return
    with ThreadPoolExecutor(cpu_count()) as pool:
        list(pool.map(lambda start: work(start, min(start + _BATCH_SIZE, size)), range(0, size, _BATCH_SIZE)))


@numba.njit(cache=True, nogil=True)
def _count_batch(tree, radius, queried, enough, counts, start, stop):  # type: ignore[no-untyped-def]
    stack = np.empty(STACK_SIZE, np.int64)
    point = np.empty(5)
    for trip in range(start, stop):
        if queried[trip]:
            point[:] = tree.points[trip]
            counts[trip] = count_within(tree, point, radius, enough, stack)
