"""DBSCAN's judgement which trips lie where many do: core, border or noise.

M. Ester et al., "A density-based algorithm for discovering clusters" (1996), on origin and destination as one
point in four dimensions, with the time of day as a second condition of neighbourhood.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count

import numba
import numpy as np
from numpy.typing import NDArray

from shifts_core.clustering.tree import STACK, Near, Tree, count_near, only

_PIECE = 1 << 12


def core_trips(tree: Tree, eps_m: float, eps_s: float, min_trips: int) -> NDArray[np.bool_]:
    """Trips with `min_trips` trips, themselves included, within both distances; shape (n,).

    Args:
        tree: all trips.
        eps_m: of origin and destination together, metres in four dimensions.
        eps_s: of the time of day, seconds, midnight wrapped.
        min_trips: at least 1.
    """
    everyone = np.ones(len(tree.places), np.bool_)
    return counts_near(tree, Near(eps_m, eps_s, True), everyone, min_trips) >= min_trips


def dense_trips(tree: Tree, eps_m: float, eps_s: float, min_trips: int) -> NDArray[np.bool_]:
    """Trips that DBSCAN does not call noise: core trips and their neighbours; shape (n,)."""
    core = core_trips(tree, eps_m, eps_s, min_trips)
    return core | (counts_near(only(tree, core), Near(eps_m, eps_s, True), ~core, 1) > 0)


def counts_near(
    tree: Tree, near: Near, asked: NDArray[np.bool_], enough: int | None = None
) -> NDArray[np.int64]:
    """How many trips of the tree are near each of its places, counted on all cores; shape (n,).

    Args:
        tree: who is there is counted.
        near: what is near.
        asked: shape (n,); the others get 0.
        enough: counting may stop here.
    """
    counts = np.zeros(len(tree.places), np.int64)
    limit = len(tree.places) + 1 if enough is None else enough
    _in_pieces(lambda begin, end: _count_range(tree, near, asked, limit, counts, begin, end), len(counts))
    return counts


def _in_pieces(work: Callable[[int, int], None], size: int) -> None:
    """Ranges that cover `size`, on all cores; the compiled code lets go of Python's lock."""
    with ThreadPoolExecutor(cpu_count()) as pool:
        list(pool.map(lambda begin: work(begin, min(begin + _PIECE, size)), range(0, size, _PIECE)))


@numba.njit(cache=True, nogil=True)
def _count_range(tree, near, asked, enough, counts, begin, end):  # type: ignore[no-untyped-def]
    stack = np.empty(STACK, np.int64)
    place = np.empty(5)
    for trip in range(begin, end):
        if asked[trip]:
            place[:] = tree.places[trip]
            counts[trip] = count_near(tree, place, near, enough, stack)
