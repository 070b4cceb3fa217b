"""Compact groups out of dense places: the densest trip first, shifted to the middle of those around it.

The shift is the mean shift of K. Fukunaga and L. Hostetler (1975) with a flat kernel; the densest trip is found
again after each group by lazy evaluation (M. Minoux, 1978), which is exact because counts only fall.
"""

import numba
import numpy as np

from shifts_core.clustering.tree import DAY_S, STACK, count_near, find_near, take

NO_GROUP = -1
_SHIFTS = 15


@numba.njit(cache=True, nogil=True)
def middle_of(places, trips, count, middle):  # type: ignore[no-untyped-def]
    """Puts the mean place and the middle of the time span of `trips[:count]` into `middle` (5,).

    Returns the farthest distance of a trip from it at either end, squared, and the time span in seconds. Times
    are measured around the first trip's, so that midnight does not matter.
    """
    middle[:] = 0.0
    first, last = 0.0, 0.0
    start = places[trips[0], 4]
    for at in range(count):
        place = places[trips[at]]
        for side in range(4):
            middle[side] += place[side]
        offset = (place[4] - start + DAY_S / 2) % DAY_S - DAY_S / 2
        first, last = min(first, offset), max(last, offset)
    for side in range(4):
        middle[side] /= count
    middle[4] = (start + (first + last) / 2) % DAY_S
    farthest = 0.0
    for at in range(count):
        farthest = max(farthest, _square_at_worse_end(places[trips[at]], middle))
    return farthest, last - first


@numba.njit(cache=True, nogil=True)
def _square_at_worse_end(place, middle):  # type: ignore[no-untyped-def]
    origin = (place[0] - middle[0]) ** 2 + (place[1] - middle[1]) ** 2
    destination = (place[2] - middle[2]) ** 2 + (place[3] - middle[3]) ** 2
    return max(origin, destination)


@numba.njit(cache=True, nogil=True)
def is_compact(places, trips, count, radius_m, window_s, middle):  # type: ignore[no-untyped-def]
    """Whether all are within the radius of their own centroid, at both ends, and within the window."""
    farthest, span = middle_of(places, trips, count, middle)
    return farthest <= radius_m * radius_m and span <= window_s


@numba.njit(cache=True, nogil=True)
def shift(tree, near, place, stack, trips, middle):  # type: ignore[no-untyped-def]
    """Moves `place` to where the most trips are near; returns how many, in `trips`."""
    best = 0
    for _ in range(_SHIFTS):
        count = find_near(tree, place, near, stack, trips)
        if count <= best:
            break
        best = count
        _mean_of(tree.places, trips, count, middle)
        place[:] = middle
    return find_near(tree, place, near, stack, trips)


@numba.njit(cache=True, nogil=True)
def _mean_of(places, trips, count, mean):  # type: ignore[no-untyped-def]
    """The mean place and mean time of day."""
    mean[:] = 0.0
    start = places[trips[0], 4]
    for at in range(count):
        for side in range(4):
            mean[side] += places[trips[at], side]
        mean[4] += (places[trips[at], 4] - start + DAY_S / 2) % DAY_S - DAY_S / 2
    for side in range(5):
        mean[side] /= count
    mean[4] = (mean[4] + start) % DAY_S


@numba.njit(cache=True, nogil=True)
def _drop_the_farthest(places, trips, count, radius_m, middle):  # type: ignore[no-untyped-def]
    """Takes the farthest trip away until all are within the radius of their centroid; returns how many remain."""
    while count:
        farthest, _ = middle_of(places, trips, count, middle)
        if farthest <= radius_m * radius_m:
            break
        for at in range(count):
            if _square_at_worse_end(places[trips[at]], middle) == farthest:
                trips[at] = trips[count - 1]
                count -= 1
                break
    return count


@numba.njit(cache=True, nogil=True)
def push(keys, values, size, key, value):  # type: ignore[no-untyped-def]
    """Adds to a heap whose top has the largest key and, of these, the smallest value; returns its size."""
    at = size
    while at > 0:
        above = (at - 1) // 2
        if keys[above] > key or (keys[above] == key and values[above] < value):
            break
        keys[at], values[at] = keys[above], values[above]
        at = above
    keys[at], values[at] = key, value
    return size + 1


@numba.njit(cache=True, nogil=True)
def pop(keys, values, size):  # type: ignore[no-untyped-def]
    """Takes the top away; returns the heap's size."""
    size -= 1
    key, value = keys[size], values[size]
    at = 0
    while True:
        below = 2 * at + 1
        if below >= size:
            break
        right = below + 1
        if right < size and (
            keys[right] > keys[below] or (keys[right] == keys[below] and values[right] < values[below])
        ):
            below = right
        if key > keys[below] or (key == keys[below] and value < values[below]):
            break
        keys[at], values[at] = keys[below], values[below]
        at = below
    keys[at], values[at] = key, value
    return size


@numba.njit(cache=True, nogil=True)
def compact_groups(tree, counts, near, min_trips):  # type: ignore[no-untyped-def]
    """Groups of at least `min_trips` within `near` of their centroid; takes their trips from the tree.

    `counts` (n,) says how many trips are near each. Returns the group of each trip, or NO_GROUP, and how many
    groups there are.
    """
    trips = tree.places.shape[0]
    groups = np.full(trips, NO_GROUP, np.int64)
    keys, values, size = np.empty(trips, np.int64), np.empty(trips, np.int64), 0
    for trip in range(trips):
        if counts[trip] >= min_trips:
            size = push(keys, values, size, counts[trip], trip)
    stack, found = np.empty(STACK, np.int64), np.empty(trips, np.int64)
    place, middle = np.empty(5), np.empty(5)
    made = 0
    while size:
        promised, seed = keys[0], values[0]
        size = pop(keys, values, size)
        if not tree.there[seed]:
            continue
        place[:] = tree.places[seed]
        count = count_near(tree, place, near, trips + 1, stack)
        if min_trips <= count < promised:
            size = push(keys, values, size, count, seed)
        if count < promised:
            continue
        count = shift(tree, near, place, stack, found, middle)
        count = _drop_the_farthest(tree.places, found, count, near.reach_m, middle)
        if count < min_trips:
            continue
        for at in range(count):
            groups[found[at]] = made
            take(tree, found[at])
        made += 1
        if tree.there[seed]:
            # The shift led away from its own seed, which may still be the middle of others.
            place[:] = tree.places[seed]
            count = count_near(tree, place, near, trips + 1, stack)
            if count >= min_trips:
                size = push(keys, values, size, count, seed)
    return groups, made
