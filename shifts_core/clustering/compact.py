"""Compact clusters in dense places: the densest trip first, moved to the mean of its neighbours.

The move is mean shift with a flat kernel (K. Fukunaga and L. Hostetler, 1975). After each cluster the next densest
trip is found by lazy evaluation (M. Minoux, 1978), which is exact because counts of neighbours only fall.
"""

import heapq

import numba
import numpy as np

from shifts_core.clustering.kd_tree import DAY_S, STACK_SIZE, count_within, find_within, remove

NOISE = -1
"""Label of trips in no cluster, as in scikit-learn."""
_MAX_SHIFTS = 15
_SEED_MASK = (1 << 32) - 1


@numba.njit(cache=True, nogil=True)
def write_centroid(points, trips, count, centroid):  # type: ignore[no-untyped-def]
    """Write the mean position and the middle of the time span of `trips[:count]` to `centroid` (5,).

    Returns the largest squared distance of a trip from it at either end, square metres, and the time span in
    seconds. Times count from the first trip's, so that midnight does not matter.
    """
    centroid[:] = 0.0
    earliest, latest = 0.0, 0.0
    start = points[trips[0], 4]
    for at in range(count):
        point = points[trips[at]]
        for side in range(4):
            centroid[side] += point[side]
        offset = time_offset(point[4], start)
        earliest, latest = min(earliest, offset), max(latest, offset)
    for side in range(4):
        centroid[side] /= count
    centroid[4] = (start + (earliest + latest) / 2) % DAY_S
    farthest = 0.0
    for at in range(count):
        farthest = max(farthest, squared_distance(points[trips[at]], centroid))
    return farthest, latest - earliest


@numba.njit(cache=True, nogil=True)
def time_offset(time_s, start_s):  # type: ignore[no-untyped-def]
    """Return how many seconds a time of day is after another one, at least minus half a day and less than half a day.

    The same number as with the operator %, which takes as long as ten distances.
    """
    offset = time_s - start_s + DAY_S / 2
    if offset < 0:
        offset += DAY_S
    elif offset >= DAY_S:
        offset -= DAY_S
    return offset - DAY_S / 2


@numba.njit(cache=True, nogil=True)
def squared_distance(point, centroid):  # type: ignore[no-untyped-def]
    """Return the larger of the squared distances at the origin and at the destination."""
    origin = (point[0] - centroid[0]) ** 2 + (point[1] - centroid[1]) ** 2
    destination = (point[2] - centroid[2]) ** 2 + (point[3] - centroid[3]) ** 2
    return max(origin, destination)


@numba.njit(cache=True, nogil=True)
def mean_shift(tree, radius, point, stack, trips, mean):  # type: ignore[no-untyped-def]
    """Move `point` to the mean of its neighbours while this raises their number.

    Writes the neighbours of the final point to `trips` (n,) and returns how many there are.
    """
    most = 0
    for _ in range(_MAX_SHIFTS):
        count = find_within(tree, point, radius, stack, trips)
        if count <= most:
            return count
        most = count
        _write_mean(tree.points, trips, count, mean)
        point[:] = mean
    return find_within(tree, point, radius, stack, trips)


@numba.njit(cache=True, nogil=True)
def _write_mean(points, trips, count, mean):  # type: ignore[no-untyped-def]
    """Write the mean position and the mean time of day to `mean` (5,)."""
    mean[:] = 0.0
    start = points[trips[0], 4]
    for at in range(count):
        for side in range(4):
            mean[side] += points[trips[at], side]
        mean[4] += time_offset(points[trips[at], 4], start)
    for side in range(5):
        mean[side] /= count
    mean[4] = (mean[4] + start) % DAY_S


@numba.njit(cache=True, nogil=True)
def _drop_farthest(points, trips, count, radius_m, centroid):  # type: ignore[no-untyped-def]
    """Drop the farthest trip until all are within the radius of their centroid; return how many remain."""
    while count:
        farthest, _ = write_centroid(points, trips, count, centroid)
        if farthest <= radius_m * radius_m:
            break
        for at in range(count):
            if squared_distance(points[trips[at]], centroid) == farthest:
                trips[at] = trips[count - 1]
                count -= 1
                break
    return count


@numba.njit(cache=True, nogil=True)
def _entry(count, trip):  # type: ignore[no-untyped-def]
    """Return a number that sorts by falling count, then by rising trip."""
    return (-np.int64(count) << 32) | np.int64(trip)


@numba.njit(cache=True, nogil=True)
def compact_clusters(tree, counts, radius, min_trips):  # type: ignore[no-untyped-def]
    """Form clusters of at least `min_trips` within `radius` of their centroid; remove their trips from the tree.

    `counts` (n,) is the number of neighbours of each trip. Returns the label of each trip, (n,), and the number of
    clusters.
    """
    trips = tree.points.shape[0]
    labels = np.full(trips, NOISE, np.int32)
    # The densest trip first; among equal counts the first trip of the tree.
    queue = [_entry(counts[trip], trip) for trip in range(trips) if counts[trip] >= min_trips]
    heapq.heapify(queue)
    stack, found = np.empty(STACK_SIZE, np.int64), np.empty(trips, np.int64)
    point, centroid = np.empty(5), np.empty(5)
    n_clusters = 0
    while queue:
        entry = heapq.heappop(queue)
        upper_bound, seed = -(entry >> 32), entry & _SEED_MASK
        if not tree.alive[seed]:
            continue
        point[:] = tree.points[seed]
        count = count_within(tree, point, radius, trips + 1, stack)
        if min_trips <= count < upper_bound:
            heapq.heappush(queue, _entry(count, seed))
        if count < upper_bound:
            continue
        count = mean_shift(tree, radius, point, stack, found, centroid)
        count = _drop_farthest(tree.points, found, count, radius.distance_m, centroid)
        if count < min_trips:
            continue
        for at in range(count):
            labels[found[at]] = n_clusters
            remove(tree, found[at])
        n_clusters += 1
        if tree.alive[seed]:
            # Mean shift moved away from the seed, which may still be the centre of other trips.
            point[:] = tree.points[seed]
            count = count_within(tree, point, radius, trips + 1, stack)
            if count >= min_trips:
                heapq.heappush(queue, _entry(count, seed))
    return labels, n_clusters
