"""Which trips match, from what is decided coordinate by coordinate."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from shifts_api.counting.box import Match
from shifts_api.counting.leaves import LEAF_TRIPS

ROW = -(-LEAF_TRIPS // 8) * 8
"""Trips of a row of a mask: a leaf's and padding, a multiple of eight."""
Masks = Callable[[int, NDArray[np.int64]], NDArray[np.bool_]]
"""For a coordinate and some of the leaves: shape (verdicts, leaves, ROW), which of their trips lie between the sides;
padding does not."""

_BYTES_OF_WORD = np.arange(8, dtype=np.uint64) * np.uint64(8)


def matching(cut: NDArray[np.bool_], match: Match, verdicts: int, masks: Masks) -> NDArray[np.bool_]:
    """The trips of each leaf that match by each verdict; shape (verdicts, leaves, ROW).

    Args:
        cut: shape (leaves, 4): the coordinates that decide, at least one of each leaf.
        match: which ends must lie in the box.
        verdicts: how many `masks` gives at one time.
        masks: what lies between the sides.
    """
    found: NDArray[np.bool_] | None = None
    for end in (0, 2):
        decides = cut[:, end : end + 2].any(axis=1)
        if not decides.any():
            continue
        inside: NDArray[np.bool_] | None = None
        # First the coordinates that all leaves need: what is found of the first of them needs no AND.
        for axis in sorted((end, end + 1), key=lambda axis: -np.count_nonzero(cut[:, axis])):
            leaves = np.flatnonzero(cut[:, axis])
            if len(leaves) == len(cut):
                between = masks(axis, leaves)
                inside = between if inside is None else np.logical_and(inside, between, out=inside)
            elif len(leaves):
                inside = np.ones((verdicts, len(cut), ROW), bool) if inside is None else inside
                inside[:, leaves] &= masks(axis, leaves)
        assert inside is not None
        if match == "any":
            # An end that decides nothing is outside, or the leaf would be inside as a whole.
            inside[:, ~decides] = False
        if found is None:
            found = inside
        elif match == "any":
            found |= inside
        else:
            found &= inside
    return np.zeros((verdicts, len(cut), ROW), bool) if found is None else found


def trips_of_rows(masks: NDArray[np.bool_]) -> NDArray[np.int64]:
    """How many are true in each row of `ROW`. Eight at once: a byte holds what comes together in ROW / 8 words."""
    words = masks.view(np.uint64).sum(axis=-1)
    sums: NDArray[np.uint64] = ((words[..., None] >> _BYTES_OF_WORD) & np.uint64(0xFF)).sum(axis=-1)
    return sums.astype(np.int64)


def decided(between: NDArray[np.bool_], cut: NDArray[np.bool_], match: Match) -> NDArray[np.bool_]:
    """Whether single trips match; shape (trips,).

    Args:
        between: shape (trips, 4): whether each coordinate lies between the sides.
        cut: shape (trips, 4): the coordinates that decide.
        match: which ends must lie in the box.
    """
    sides = (between | ~cut).reshape(-1, 2, 2)
    ends: NDArray[np.bool_] = sides[:, :, 0] & sides[:, :, 1]
    if match == "any":
        ends = ends & cut.reshape(-1, 2, 2).any(axis=2)
        return ends[:, 0] | ends[:, 1]
    return ends[:, 0] & ends[:, 1]
