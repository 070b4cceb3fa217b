"""The trips of each cluster, side by side."""

import numba
import numpy as np
from numpy.typing import NDArray

from shifts_core.clustering.describe import group_by_label


def members_by_cluster(
    labels: NDArray[np.int64], trip_ids: NDArray[np.int64], count: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the ids of the trips of all clusters, cluster by cluster, ascending in each; and where each begins.

    Args:
        labels: shape (n,): cluster of each trip, 0 to count - 1, or -1.
        trip_ids: shape (n,).
        count: number of clusters.

    Returns:
        Ids, shape (m,), and bounds, shape (count + 1,): ids[bounds[k]:bounds[k + 1]] are those of cluster k.
    """
    grouped, bounds = group_by_label(labels, count)
    members = trip_ids[grouped]
    _sort_each(members, bounds)
    return members, bounds


@numba.njit(cache=True, nogil=True)
def _sort_each(ids, bounds):  # type: ignore[no-untyped-def]
    """Sort ids[bounds[k]:bounds[k + 1]] in place, for each k."""
    for cluster in range(bounds.size - 1):
        ids[bounds[cluster] : bounds[cluster + 1]].sort()
