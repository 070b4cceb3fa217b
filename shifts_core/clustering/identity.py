"""Cluster ids: derived from the trips of a cluster, so that the same trips get the same id in every run."""

import hashlib
from datetime import date

import numba
import numpy as np
from numpy.typing import NDArray

from shifts_core.clustering.cores import in_batches
from shifts_core.clustering.describe import group_by_label
from shifts_core.clustering.ordering import order_by_columns
from shifts_core.ids import NUMBER_BITS, first_id

_BATCH_SIZE = 1 << 8


def cluster_ids(
    region: str,
    week: date,
    labels: NDArray[np.int64],
    od_coords: NDArray[np.float64],
    moments: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Return an id for each cluster, shape (k,): the week from bit 40 up, below it a hash of the cluster's trips.

    Args:
        region: name of the trips' region.
        week: its Monday.
        labels: shape (n,): cluster of each trip, 0 to k - 1, or -1.
        od_coords: shape (n, 4), degrees.
        moments: shape (n,), microseconds since the week's Monday.
    """
    grouped, bounds = group_by_label(labels, int(labels.max(initial=-1)) + 1)
    content = np.empty((len(grouped), 5), np.int64)
    in_batches(
        lambda start, stop: _write_content(grouped, bounds, od_coords, moments, content, start, stop),
        len(bounds) - 1,
        _BATCH_SIZE,
    )
    base = first_id(week)
    prefix = f"{region}\0".encode()
    ids = np.empty(len(bounds) - 1, np.int64)
    used: set[int] = set()
    for cluster in range(len(ids)):
        number = _hash(prefix + content[bounds[cluster] : bounds[cluster + 1]].tobytes())
        while number in used:
            number = (number + 1) % (1 << NUMBER_BITS)
        used.add(number)
        ids[cluster] = base | number
    return ids


def _hash(content: bytes) -> int:
    digest = hashlib.blake2b(content, digest_size=8).digest()
    return int.from_bytes(digest, "big") >> (64 - NUMBER_BITS)


@numba.njit(cache=True, nogil=True)
def _write_content(grouped, bounds, od_coords, moments, content, start, stop):  # type: ignore[no-untyped-def]
    """Write the trips of clusters to `content` (m, 5), sorted within each by coordinates, last ones first, and time.

    Columns are the bits of the four coordinates, and the moment.
    """
    for cluster in range(start, stop):
        low, high = bounds[cluster], bounds[cluster + 1]
        trips = grouped[low:high]
        columns = np.empty((trips.size, 5))
        for at in range(trips.size):
            for side in range(4):
                columns[at, side] = od_coords[trips[at], 3 - side]
            columns[at, 4] = moments[trips[at]]
        for place, at in enumerate(order_by_columns(columns, np.arange(trips.size))):
            content[low + place, :4] = od_coords[trips[at]].view(np.int64)
            content[low + place, 4] = moments[trips[at]]
