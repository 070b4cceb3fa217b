"""Trips that the compact groups left over: taken in where they fit, or grouped with neighbours that can be spared."""

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from shifts_core.clustering.compact import NO_GROUP, _square_at_worse_end, is_compact, shift
from shifts_core.clustering.tree import STACK, find_near, take

_NEIGHBOURS_ASKED = 64
"""The nearest; farther ones rarely complete a group, and asking costs a look at their whole group."""


class Members(NamedTuple):
    """The trips of each group as linked lists, so that a trip moves at the cost of its group."""

    groups: NDArray[np.int64]
    """(n,): of each trip, or NO_GROUP."""
    first: NDArray[np.int64]
    """(groups there can be,): first trip, or -1."""
    following: NDArray[np.int64]
    """(n,): the next trip of the same group, or -1."""
    sizes: NDArray[np.int64]
    """(groups there can be,)."""


@numba.njit(cache=True, nogil=True)
def list_members(groups, made, min_trips):  # type: ignore[no-untyped-def]
    """The lists of groups, with room for all that can still be made."""
    trips = groups.size
    most = made + trips // min_trips + 1
    members = Members(
        groups.copy(), np.full(most, -1, np.int64), np.full(trips, -1, np.int64), np.zeros(most, np.int64)
    )
    for trip in range(trips):
        if groups[trip] != NO_GROUP:
            _join(members, trip, groups[trip])
    return members


@numba.njit(cache=True, nogil=True)
def _join(members, trip, group):  # type: ignore[no-untyped-def]
    members.groups[trip] = group
    members.following[trip] = members.first[group]
    members.first[group] = trip
    members.sizes[group] += 1


@numba.njit(cache=True, nogil=True)
def _leave(members, trip):  # type: ignore[no-untyped-def]
    group = members.groups[trip]
    members.sizes[group] -= 1
    if members.first[group] == trip:
        members.first[group] = members.following[trip]
        return
    before = members.first[group]
    while members.following[before] != trip:
        before = members.following[before]
    members.following[before] = members.following[trip]


@numba.njit(cache=True, nogil=True)
def _list(members, group, without, trips):  # type: ignore[no-untyped-def]
    """Puts a group's trips except one into `trips`; returns how many."""
    count = 0
    trip = members.first[group]
    while trip >= 0:
        if trip != without:
            trips[count] = trip
            count += 1
        trip = members.following[trip]
    return count


@numba.njit(cache=True, nogil=True)
def take_in(tree, members, made, radius_m, window_s, near):  # type: ignore[no-untyped-def]
    """Adds trips of the tree to the groups they fit into, nearest first, as long as the group stays compact.

    `near` reaches as far as a trip can be from the centroid and the middle of the time span.
    """
    size = tree.places.shape[0]
    stack, found, trips = np.empty(STACK, np.int64), np.empty(size, np.int64), np.empty(size + 1, np.int64)
    middle = np.empty(5)
    for group in range(made):
        count = _list(members, group, -1, trips)
        if count == 0:
            continue
        is_compact(tree.places, trips, count, radius_m, window_s, middle)
        candidates = find_near(tree, middle, near, stack, found)
        if candidates == 0:
            continue
        squares = np.empty(candidates)
        for at in range(candidates):
            squares[at] = _square_at_worse_end(tree.places[found[at]], middle)
        for at in np.argsort(squares, kind="mergesort"):
            trips[count] = found[at]
            if is_compact(tree.places, trips, count + 1, radius_m, window_s, middle):
                count += 1
                _join(members, found[at], group)
                take(tree, found[at])


@numba.njit(cache=True, nogil=True)
def group_left_over(tree, everyone, members, made, counts, near, min_trips):  # type: ignore[no-untyped-def]
    """Makes groups of trips of the tree, completed by neighbours whose own group stays compact and large enough.

    `everyone` is the tree with all trips there, `counts` (n,) how many of the tree's are near each. Returns how
    many groups there are then.
    """
    size = tree.places.shape[0]
    stack, found = np.empty(STACK, np.int64), np.empty(size, np.int64)
    trips, rest, moved = np.empty(size + 1, np.int64), np.empty(size, np.int64), np.empty(size, np.int64)
    place, middle = np.empty(5), np.empty(5)
    window_s = 2 * near.reach_s
    for seed in np.argsort(-counts, kind="mergesort"):
        if counts[seed] == 0:
            break
        if not tree.there[seed]:
            continue
        place[:] = tree.places[seed]
        shift(tree, near, place, stack, found, middle)
        neighbours = find_near(everyone, place, near, stack, found)
        if neighbours < min_trips:
            continue
        order = _nearest(tree, members, found, neighbours, place, min_trips)
        count, own, movers = 0, 0, 0
        for at in order:
            trip = found[at]
            if count >= min_trips and not tree.there[trip]:
                break
            trips[count] = trip
            if not is_compact(tree.places, trips, count + 1, near.reach_m, window_s, middle):
                continue
            if tree.there[trip]:
                own += 1
            else:
                group = members.groups[trip]
                if members.sizes[group] <= min_trips:
                    continue
                remaining = _list(members, group, trip, rest)
                if not is_compact(tree.places, rest, remaining, near.reach_m, window_s, middle):
                    continue
                _leave(members, trip)
                moved[movers] = trip
                movers += 1
            count += 1
        if count < min_trips or own == 0:
            for at in range(movers):
                _join(members, moved[at], members.groups[moved[at]])
            continue
        for at in range(count):
            if tree.there[trips[at]]:
                take(tree, trips[at])
            _join(members, trips[at], made)
        made += 1
    return made


@numba.njit(cache=True, nogil=True)
def _nearest(tree, members, found, neighbours, place, min_trips):  # type: ignore[no-untyped-def]
    """Positions in `found`: the tree's own trips by distance, then those that others may spare, the nearest."""
    squares = np.empty(neighbours)
    beyond = 1.0
    for at in range(neighbours):
        squares[at] = _square_at_worse_end(tree.places[found[at]], place)
        beyond = max(beyond, 2 * squares[at])
    own = 0
    for at in range(neighbours):
        if tree.there[found[at]]:
            own += 1
        elif members.groups[found[at]] != NO_GROUP and members.sizes[members.groups[found[at]]] > min_trips:
            squares[at] += beyond
        else:
            squares[at] = np.inf
    order = np.argsort(squares, kind="mergesort")
    last = min(own + _NEIGHBOURS_ASKED, neighbours)
    while last > own and squares[order[last - 1]] == np.inf:
        last -= 1
    return order[:last]
