"""Where ids stand among others that are in no order."""

import numpy as np
from numpy.typing import NDArray


def find_places(
    ids: NDArray[np.int64], wanted: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The place in `ids` of each wanted id, -1 if it is not there, and whether it is wanted several times.

    Args:
        ids: shape (n,), each once.
        wanted: shape (m,), as both results.
    """
    order, wanted_order = np.argsort(ids), np.argsort(wanted)
    # Both in order, the search stays where the last one ended in memory.
    sorted_ids, sorted_wanted = ids[order], wanted[wanted_order]
    at = np.minimum(np.searchsorted(sorted_ids, sorted_wanted), max(len(ids) - 1, 0))
    places, is_repeated = np.full(len(wanted), -1), np.zeros(len(wanted), np.bool_)
    if len(ids):
        places[wanted_order] = np.where(sorted_ids[at] == sorted_wanted, order[at], -1)
    equals_next = sorted_wanted[1:] == sorted_wanted[:-1]
    is_repeated[wanted_order[1:][equals_next]] = True
    is_repeated[wanted_order[:-1][equals_next]] = True
    return places, is_repeated
