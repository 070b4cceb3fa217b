"""Cluster ids: derived from the trips of a cluster, so that the same trips get the same id in every run."""

import hashlib
from datetime import date

import numpy as np
from numpy.typing import NDArray

from shifts_core.ids import NUMBER_BITS, first_id


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
    clustered = np.flatnonzero(labels >= 0)
    order = clustered[np.lexsort((moments[clustered], *od_coords[clustered].T, labels[clustered]))]
    content = np.column_stack([od_coords[order].view(np.int64), moments[order]])
    sizes = np.bincount(labels[clustered])
    base = first_id(week)
    prefix = f"{region}\0".encode()
    ids = np.empty(len(sizes), np.int64)
    used: set[int] = set()
    start = 0
    for cluster, size in enumerate(sizes.tolist()):
        number = _hash(prefix + content[start : start + size].tobytes())
        while number in used:
            number = (number + 1) % (1 << NUMBER_BITS)
        used.add(number)
        ids[cluster] = base | number
        start += size
    return ids


def _hash(content: bytes) -> int:
    digest = hashlib.blake2b(content, digest_size=8).digest()
    return int.from_bytes(digest, "big") >> (64 - NUMBER_BITS)
