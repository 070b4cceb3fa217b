"""From trips to groups that a planner can use: dense, compact at both ends, within a window of the day."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shifts_core.clustering.compact import NO_GROUP, compact_groups
from shifts_core.clustering.density import counts_near, dense_trips
from shifts_core.clustering.projection import distances_m, to_plane, unwrapped
from shifts_core.clustering.refine import group_left_over, list_members, take_in
from shifts_core.clustering.tree import DAY_S, Near, Tree, grow, only

_GROUND_SHARE = 0.995
"""Of the radius: what is left is the most by which sphere and ellipsoid differ over such a distance."""

_TIME_FIRST = 4
"""How much wider than it reaches time counts when the tree is halved: in a place where many trips are stacked only
time tells them apart, and finer halves of it count 300,000 of them in a third of the time."""


@dataclass(frozen=True)
class Similarity:
    """What counts as similar."""

    eps_m: float = 500.0
    """Neighbourhood of DBSCAN over origin and destination together, metres in four dimensions."""
    min_trips: int = 5
    max_radius_m: float = 500.0
    """From a group's centroid to any of its trips, at either end, on the ground."""
    window_s: float = 3600.0
    """Between the first and the last time of day of a group; also DBSCAN's neighbourhood in time. At most half a
    day: beyond it nobody can say which of two times is the first."""

    def __post_init__(self) -> None:
        """Refuses what means nothing.

        Raises:
            ValueError: a distance or the window is out of range, or there is no trip in a group.
        """
        if not (0 < self.eps_m < np.inf and 0 < self.max_radius_m < np.inf):
            raise ValueError("eps and the largest radius must be more than 0 metres")
        if self.min_trips < 1:
            raise ValueError("a group has at least 1 trip")
        if not 0 < self.window_s <= DAY_S / 2:
            raise ValueError("the window must be more than 0 and at most 12 hours")


@dataclass(frozen=True)
class Groups:
    """Groups in the order of their size, largest first; `g` stands for how many there are."""

    members: NDArray[np.int64]
    """Shape (n,): number of each trip's group, -1 for none."""
    sizes: NDArray[np.int64]
    """Shape (g,)."""
    centroids: NDArray[np.float64]
    """Shape (g, 4): origin longitude and latitude, destination longitude and latitude; degrees."""
    radii_m: NDArray[np.float64]
    """Shape (g,): farthest trip from the centroid at either end, on the ground."""
    earliest_s: NDArray[np.float64]
    """Shape (g,): time of day that the window begins with, seconds since midnight."""
    typical_s: NDArray[np.float64]
    """Shape (g,): median time of day."""
    latest_s: NDArray[np.float64]
    """Shape (g,): time of day that the window ends with; before `earliest_s` if midnight lies between."""


def find_groups(ends: NDArray[np.float64], times_s: NDArray[np.float64], similarity: Similarity) -> Groups:
    """Groups of similar trips; every trip is in one at most.

    A trip can be in a group if DBSCAN does not call it noise. The window follows the trips: it may lie anywhere
    in the day and across midnight. The result depends on the trips alone, not on their order.

    Args:
        ends: shape (n, 4): origin longitude and latitude, destination longitude and latitude; degrees.
        times_s: shape (n,): time of day, seconds since midnight.
        similarity: what counts as similar.
    """
    order = np.lexsort((times_s, *ends.T[::-1]))
    ends, times_s = ends[order], times_s[order]
    groups = np.full(len(ends), NO_GROUP, np.int64)
    if len(ends) >= similarity.min_trips:
        tree, of_tree = grow(
            np.column_stack([to_plane(ends), times_s]),
            _TIME_FIRST * similarity.max_radius_m / (similarity.window_s / 2),
        )
        groups[of_tree] = _group(tree, similarity)
        groups = _on_the_ground(groups, ends, similarity)
    found = _described(groups, ends, times_s)
    members = np.empty(len(ends), np.int64)
    members[order] = found.members
    return Groups(members, *(getattr(found, name) for name in _DESCRIPTION))


_DESCRIPTION = ("sizes", "centroids", "radii_m", "earliest_s", "typical_s", "latest_s")


def _group(tree: Tree, similarity: Similarity) -> NDArray[np.int64]:
    """The group of each trip of the tree."""
    radius_m, window_s, min_trips = (
        similarity.max_radius_m * _GROUND_SHARE,
        similarity.window_s,
        similarity.min_trips,
    )
    near = Near(radius_m, window_s / 2, False)
    dense = dense_trips(tree, similarity.eps_m, window_s, min_trips)
    open_ = only(tree, dense)
    groups, made = compact_groups(open_, counts_near(open_, near, dense), near, min_trips)
    members = list_members(groups, made, min_trips)
    reach = Near(radius_m, window_s, False)
    take_in(open_, members, made, radius_m, window_s, reach)
    made = group_left_over(
        open_, only(tree, dense), members, made, counts_near(open_, near, open_.there), near, min_trips
    )
    take_in(open_, members, made, radius_m, window_s, reach)
    grouped: NDArray[np.int64] = members.groups
    return grouped


def _on_the_ground(
    groups: NDArray[np.int64], ends: NDArray[np.float64], similarity: Similarity
) -> NDArray[np.int64]:
    """The groups without trips that the plane's distortion let in; those that get too small are dissolved."""
    groups = groups.copy()
    while True:
        far = _distances(groups, ends, _centroids(groups, ends)) > similarity.max_radius_m * _GROUND_SHARE
        sizes = np.bincount(groups[groups >= 0], minlength=1)
        small = (groups >= 0) & (sizes[groups] < similarity.min_trips)
        if not (far | small).any():
            return groups
        groups[far | small] = NO_GROUP


def _centroids(groups: NDArray[np.int64], ends: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shape (largest number + 1, 4), degrees; longitudes may go beyond ±180."""
    grouped = groups >= 0
    sizes = np.bincount(groups[grouped], minlength=1)
    around = unwrapped(ends)[grouped]
    sums = [np.bincount(groups[grouped], around[:, side], len(sizes)) for side in range(4)]
    return np.column_stack(sums) / np.maximum(sizes, 1)[:, None]


def _distances(
    groups: NDArray[np.int64], ends: NDArray[np.float64], centroids: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Of each trip from its group's centroid at the worse end, metres; shape (n,), 0 without group."""
    distances = np.zeros(len(ends))
    grouped = groups >= 0
    own, at = centroids[groups[grouped]], ends[grouped]
    distances[grouped] = np.maximum(
        distances_m(own[:, 0], own[:, 1], at[:, 0], at[:, 1]),
        distances_m(own[:, 2], own[:, 3], at[:, 2], at[:, 3]),
    )
    return distances


def _described(groups: NDArray[np.int64], ends: NDArray[np.float64], times_s: NDArray[np.float64]) -> Groups:
    """Numbers groups by size, then by their first trip, and describes them."""
    trips = np.flatnonzero(groups >= 0)
    numbers, first, renumbered, sizes = np.unique(
        groups[trips], return_index=True, return_inverse=True, return_counts=True
    )
    rank = np.empty(len(numbers), np.int64)
    rank[np.lexsort((first, -sizes))] = np.arange(len(numbers))
    members = np.full(len(groups), NO_GROUP, np.int64)
    members[trips] = rank[renumbered]
    sizes = np.bincount(members[trips], minlength=0)[: len(numbers)]
    centroids = _centroids(members, ends)[: len(numbers)]
    distances = _distances(members, ends, centroids)
    radii = np.zeros(len(numbers))
    np.maximum.at(radii, members[trips], distances[trips])
    centroids[:, ::2] = (centroids[:, ::2] + 180) % 360 - 180
    by_group = trips[np.argsort(members[trips], kind="stable")]
    starts = np.concatenate([[0], np.cumsum(sizes)])[:-1]
    around = times_s[by_group] - np.repeat(times_s[by_group[starts]], sizes)
    around = (around + DAY_S / 2) % DAY_S - DAY_S / 2
    in_order = around[np.lexsort((around, members[by_group]))]
    base = times_s[by_group[starts]]
    earliest, latest = in_order[starts], in_order[starts + sizes - 1]
    typical = (in_order[starts + (sizes - 1) // 2] + in_order[starts + sizes // 2]) / 2
    return Groups(
        members,
        sizes,
        centroids,
        radii,
        (base + earliest) % DAY_S,
        (base + typical) % DAY_S,
        (base + latest) % DAY_S,
    )
