"""Boxes, and how they relate to bounds of trips: wholly inside, wholly outside or straddling a side."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Match = Literal["both", "origin", "destination", "any"]
"""Which ends of a trip must lie in the box."""

_MATCHED_ENDS: dict[Match, tuple[bool, bool]] = {
    "both": (True, True),
    "any": (True, True),
    "origin": (True, False),
    "destination": (False, True),
}


@dataclass(frozen=True)
class Box:
    """A closed box in degrees; west > east crosses the antimeridian, south > north contains no point."""

    west: float
    south: float
    east: float
    north: float


EMPTY_BOX = Box(0.0, 1.0, 0.0, -1.0)
"""A box that contains no point."""


class Relation(NamedTuple):
    """How a box relates to bounds; bounds with neither flag set are outside."""

    inside: NDArray[np.bool_]
    """Shape (n,): all trips within the bounds match."""
    straddling: NDArray[np.bool_]
    """Shape (n, 4): coordinates (origin lon, lat, destination lon, lat) whose values decide which trips match."""


def matched_ends(match: Match) -> tuple[bool, bool]:
    """Whether the origin and the destination are compared with a box."""
    return _MATCHED_ENDS[match]


def relate(low: NDArray[np.float64], high: NDArray[np.float64], box: Box, match: Match) -> Relation:
    """Compares a box with bounds of trips.

    Args:
        low: shape (n, 4), smallest origin lon, lat, destination lon, lat; degrees.
        high: shape (n, 4), largest ones.
        box: the box.
        match: which ends must lie in it.
    """
    within, without = np.empty(low.shape, bool), np.empty(low.shape, bool)
    lon, lat = slice(0, 4, 2), slice(1, 4, 2)
    within[:, lat] = (low[:, lat] >= box.south) & (high[:, lat] <= box.north)
    without[:, lat] = (high[:, lat] < box.south) | (low[:, lat] > box.north)
    if box.west <= box.east:
        within[:, lon] = (low[:, lon] >= box.west) & (high[:, lon] <= box.east)
        without[:, lon] = (high[:, lon] < box.west) | (low[:, lon] > box.east)
    else:
        within[:, lon] = (low[:, lon] >= box.west) | (high[:, lon] <= box.east)
        without[:, lon] = (low[:, lon] > box.east) & (high[:, lon] < box.west)
    matched = np.array(_MATCHED_ENDS[match])
    end_inside = within.reshape(-1, 2, 2).all(axis=2) & matched
    end_outside = without.reshape(-1, 2, 2).any(axis=2) | ~matched
    if match == "both":
        inside, outside = end_inside[:, 0] & end_inside[:, 1], end_outside[:, 0] | end_outside[:, 1]
    else:
        inside, outside = end_inside[:, 0] | end_inside[:, 1], end_outside[:, 0] & end_outside[:, 1]
    open_ends = ~end_outside & ~(inside | outside)[:, None]
    return Relation(inside, ~within & np.repeat(open_ends, 2, axis=1))
