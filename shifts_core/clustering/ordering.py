"""Sorts trips by origin, destination and time of day: a sample sort whose buckets are sorted on all CPU cores.

W. D. Frazer, A. C. McKellar, "Samplesort: a sampling approach to minimal storage tree sorting", Journal of the ACM,
1970.
"""

import numba
import numpy as np
from numpy.typing import NDArray

from shifts_core.clustering.cores import for_each, in_batches

_BUCKET_SIZE = 1 << 13
_SAMPLES_PER_BUCKET = 8
_BATCH_SIZE = 1 << 18
_SHORT_RUN = 12


def sort_trips(
    od_coords: NDArray[np.float64], times_s: NDArray[np.float64], trip_ids: NDArray[np.int64] | None
) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Sort trips by their coordinates, then by time, then by id or, without ids, by row.

    Args:
        od_coords: shape (n, 4).
        times_s: shape (n,).
        trip_ids: shape (n,), or None.

    Returns:
        The sorted trips, shape (n, 5), and the row of each of them, shape (n,).
    """
    trips = len(od_coords)
    points, order = np.empty((trips, 5)), np.empty(trips, np.int32)
    first = np.ascontiguousarray(od_coords[:, 0])
    bounds = bucket_rows(first, order)
    del first

    def sort_bucket(bucket: int) -> None:
        rows = order[bounds[bucket] : bounds[bucket + 1]].copy()
        ties = rows.astype(np.int64) if trip_ids is None else trip_ids[rows]
        unsorted = np.empty((len(rows), 5))
        unsorted[:, :4], unsorted[:, 4] = od_coords[rows], times_s[rows]
        _sort_bucket(unsorted, ties, rows, points, order, bounds[bucket])

    for_each(sort_bucket, range(len(bounds) - 1))
    return points, order


def bucket_rows(keys: NDArray[np.float64], order: NDArray[np.int32]) -> NDArray[np.int64]:
    """Write the rows to `order` (n,), grouped into buckets of rising keys; return the buckets' bounds."""
    trips = len(keys)
    wanted = max(1, trips // _BUCKET_SIZE)
    sample = np.sort(keys[:: max(1, trips // (wanted * _SAMPLES_PER_BUCKET))])
    splitters = np.unique(sample[_SAMPLES_PER_BUCKET::_SAMPLES_PER_BUCKET])
    batches = -(-trips // _BATCH_SIZE)
    # Rows of their own, not columns: numba compiles for one memory layout.
    counts = np.zeros((batches, len(splitters) + 1), np.int64)
    buckets = np.empty(trips, np.int32)
    in_batches(
        lambda start, stop: _find_buckets(
            keys, splitters, buckets, counts[start // _BATCH_SIZE], start, stop
        ),
        trips,
        _BATCH_SIZE,
    )
    ends = counts.T.cumsum().reshape(counts.T.shape).T
    starts = np.ascontiguousarray(ends - counts)
    in_batches(
        lambda start, stop: _scatter(buckets, starts[start // _BATCH_SIZE], order, start, stop),
        trips,
        _BATCH_SIZE,
    )
    return np.concatenate([[0], ends[-1]]) if batches else np.zeros(1, np.int64)


@numba.njit(cache=True, nogil=True)
def _find_buckets(keys, splitters, buckets, counts, start, stop):  # type: ignore[no-untyped-def]
    for row in range(start, stop):
        low, high = 0, splitters.size
        while low < high:
            middle = (low + high) // 2
            if splitters[middle] <= keys[row]:
                low = middle + 1
            else:
                high = middle
        buckets[row] = low
        counts[low] += 1


@numba.njit(cache=True, nogil=True)
def _scatter(buckets, offsets, order, start, stop):  # type: ignore[no-untyped-def]
    for row in range(start, stop):
        order[offsets[buckets[row]]] = row
        offsets[buckets[row]] += 1


@numba.njit(cache=True, nogil=True)
def _sort_bucket(unsorted, ties, rows, points, order, offset):  # type: ignore[no-untyped-def]
    """Write the sorted trips of a bucket and their rows, from `offset` on."""
    for place, trip in enumerate(order_by_columns(unsorted, ties)):
        order[offset + place] = rows[trip]
        for column in range(5):
            points[offset + place, column] = unsorted[trip, column]


@numba.njit(cache=True, nogil=True)
def order_by_columns(values, ties):  # type: ignore[no-untyped-def]
    """Return the order of rows (n, 5) by their first column, then by the next ones, then by `ties` (n,).

    Each column sorts the runs that are equal in the columns before it.
    """
    size = ties.size
    order, keys = np.arange(size), np.empty(size)
    is_start = np.zeros(size + 1, np.bool_)
    is_start[0] = is_start[size] = True
    for column in range(values.shape[1] + 1):
        start = 0
        while start < size:
            stop = start + 1
            while not is_start[stop]:
                stop += 1
            if stop - start > 1 and column < values.shape[1]:
                for place in range(start, stop):
                    keys[place] = values[order[place], column]
                _sort_run(keys, order, start, stop)
                for place in range(start + 1, stop):
                    is_start[place] = keys[place] != keys[place - 1]
            elif stop - start > 1:
                run = order[start:stop]
                _sort_run(ties[run], run, 0, run.size)
            start = stop
    return order


@numba.njit(cache=True, nogil=True)
def _sort_run(keys, values, start, stop):  # type: ignore[no-untyped-def]
    """Sort keys[start:stop] in place, and move `values` with them (C. A. R. Hoare, "Quicksort", 1962)."""
    starts, stops = np.empty(64, np.int64), np.empty(64, np.int64)
    starts[0], stops[0], waiting = start, stop, 1
    while waiting:
        waiting -= 1
        low, high = starts[waiting], stops[waiting]
        while high - low > _SHORT_RUN:
            a, b, c = keys[low], keys[(low + high) // 2], keys[high - 1]
            pivot = max(min(a, b), min(max(a, b), c))
            i, j = low, high - 1
            while i <= j:
                while keys[i] < pivot:
                    i += 1
                while keys[j] > pivot:
                    j -= 1
                if i <= j:
                    keys[i], keys[j] = keys[j], keys[i]
                    values[i], values[j] = values[j], values[i]
                    i += 1
                    j -= 1
            # The larger part waits, so that few parts wait.
            if j + 1 - low > high - i:
                starts[waiting], stops[waiting] = low, j + 1
                low = i
            else:
                starts[waiting], stops[waiting] = i, high
                high = j + 1
            waiting += 1
        for place in range(low + 1, high):
            key, value = keys[place], values[place]
            before = place - 1
            while before >= low and keys[before] > key:
                keys[before + 1], values[before + 1] = keys[before], values[before]
                before -= 1
            keys[before + 1], values[before + 1] = key, value
