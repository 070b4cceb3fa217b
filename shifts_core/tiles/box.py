"""Boxes, and which ends of trips must lie in them."""

from dataclasses import dataclass
from typing import Literal

import shapely

from shifts_core.polygons import Area

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


def polygon_of(box: Box) -> Area:
    """A polygon that contains the same points of the earth."""
    if box.west <= box.east:
        return shapely.box(box.west, box.south, box.east, box.north)
    return shapely.MultiPolygon(
        [
            shapely.box(box.west, box.south, 180.0, box.north),
            shapely.box(-180.0, box.south, box.east, box.north),
        ]
    )


EMPTY_BOX = Box(0.0, 1.0, 0.0, -1.0)
"""A box that contains no point."""


def matched_ends(match: Match) -> tuple[bool, bool]:
    """Whether the origin and the destination are compared with a box."""
    return _MATCHED_ENDS[match]
