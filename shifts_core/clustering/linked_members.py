"""The trips of each cluster as linked lists, while trips still move between clusters."""

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from shifts_core.clustering.compact import NOISE


class Members(NamedTuple):
    """Linked lists, so that moving a trip costs no more than its cluster's size."""

    labels: NDArray[np.int32]
    """(n,): cluster of each trip, or `NOISE`."""
    first: NDArray[np.int32]
    """(possible clusters,): first trip, or -1."""
    following: NDArray[np.int32]
    """(n,): the next trip of the same cluster, or -1."""
    sizes: NDArray[np.int32]
    """(possible clusters,)."""


@numba.njit(cache=True, nogil=True)
def list_members(labels, n_clusters, min_trips):  # type: ignore[no-untyped-def]
    """Build the lists, with room for all clusters that can still be formed."""
    trips = labels.size
    capacity = n_clusters + trips // min_trips + 1
    members = Members(
        labels.copy(),
        np.full(capacity, -1, np.int32),
        np.full(trips, -1, np.int32),
        np.zeros(capacity, np.int32),
    )
    for trip in range(trips):
        if labels[trip] != NOISE:
            join(members, trip, labels[trip])
    return members


@numba.njit(cache=True, nogil=True)
def join(members, trip, cluster):  # type: ignore[no-untyped-def]
    """Add a trip that is in no cluster's list."""
    members.labels[trip] = cluster
    members.following[trip] = members.first[cluster]
    members.first[cluster] = trip
    members.sizes[cluster] += 1


@numba.njit(cache=True, nogil=True)
def leave(members, trip):  # type: ignore[no-untyped-def]
    """Take a trip off its cluster's list; its label stays."""
    cluster = members.labels[trip]
    members.sizes[cluster] -= 1
    if members.first[cluster] == trip:
        members.first[cluster] = members.following[trip]
        return
    before = members.first[cluster]
    while members.following[before] != trip:
        before = members.following[before]
    members.following[before] = members.following[trip]


@numba.njit(cache=True, nogil=True)
def list_without(members, cluster, excluded, trips):  # type: ignore[no-untyped-def]
    """Write a cluster's trips except one (-1: all) to `trips`; return how many."""
    count = 0
    trip = members.first[cluster]
    while trip >= 0:
        if trip != excluded:
            trips[count] = trip
            count += 1
        trip = members.following[trip]
    return count
