"""Replaces trips by the centres of their cells' boxes, so that a cell counts as a whole or not at all."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shifts_core.cells.grid import centres_of, codes_of, keys_of
from shifts_core.cells.partition import WITHHELD, cell_depths

_PART = 1 << 16


class GeneralisedTrips(NamedTuple):
    """The trips of all cells; those of a cell are equal."""

    ends: NDArray[np.float64]
    """Shape (n, 4), C-contiguous: origin lon, lat, destination lon, lat; degrees."""
    minutes: NDArray[np.uint16]
    """Shape (n,): minute of the week."""


def generalise(
    ends: NDArray[np.float64], minutes: NDArray[np.uint16], groups: NDArray[np.int64], min_count: int
) -> GeneralisedTrips:
    """Generalises the trips of a (region, week) pair.

    Args:
        ends: shape (n, 4): origin lon, lat, destination lon, lat; degrees.
        minutes: shape (n,): minute of the week.
        groups: shape (n,): number of the file or pool that each trip is from.
        min_count: k, the least number of trips of a cell.
    """
    keys = keys_of(ends, minutes)
    depths = np.empty(len(groups), np.int64)
    # The trips of a group decide alone on its cells: another group only adds whole cells.
    for members in _members(groups):
        depths[members] = cell_depths(keys[:, members], min_count)
    counted = np.flatnonzero(depths != WITHHELD)
    result = GeneralisedTrips(np.empty((len(counted), 4)), np.empty(len(counted), np.uint16))
    for start in range(0, len(counted), _PART):
        part = counted[start : start + _PART]
        codes = codes_of(ends[part], minutes[part])
        result.ends[start : start + _PART], result.minutes[start : start + _PART] = centres_of(
            codes, depths[part]
        )
    return result


def _members(groups: NDArray[np.int64]) -> Sequence[NDArray[np.int64] | slice]:
    """The trips of each group."""
    if len(groups) == 0 or groups.min() == groups.max():
        return [slice(None)]
    order = np.argsort(groups, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)
