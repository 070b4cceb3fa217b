"""The boxes of the cells that a question counts: the area that its answer is really about."""

from typing import Literal, NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from shifts_core.cells.generalise import GeneralisedTrips
from shifts_core.cells.grid import PLACES
from shifts_core.tiles.box import Box, matched_ends
from shifts_core.weekly_statistics import WeeklyQuery

_UNIT = 360.0 / (2 * PLACES)
"""Centres of boxes are odd multiples of it, or of it times a power of two."""
_DECIMALS = 6
_END_NAMES: tuple[Literal["origin", "destination"], ...] = ("origin", "destination")


class CountedBox(BaseModel):
    """Where one end of the trips of some counted cells lies."""

    end: Literal["origin", "destination"] = Field(examples=["origin"])
    box: Box = Field(
        description="In degrees.",
        examples=[{"west": 7.66037, "south": 45.043945, "east": 7.66449, "north": 45.048065}],
    )
    trips: int = Field(description="Of the counted cells with this box.", examples=[15])


class EndBoxes(NamedTuple):
    """Boxes of one end each, and their trips."""

    rows: NDArray[np.int64]
    """Shape (n, 5): the end, then west, south, east and north as multiples of the unit; distinct."""
    trips: NDArray[np.int64]
    """Shape (n,)."""


def counted_boxes(trips: GeneralisedTrips, query: WeeklyQuery) -> EndBoxes:
    """The boxes of the trips that match, of the ends that lie in the area of the query."""
    inside = _ends_inside(trips.ends, query)
    matches = inside.all(axis=1) if query.match == "both" else inside.any(axis=1)
    matches &= _starts_match(trips.minutes, query)
    rows = []
    for end in range(2):
        chosen = matches & inside[:, end]
        centres = np.rint((trips.ends[chosen, 2 * end : 2 * end + 2] + 180) / _UNIT).astype(np.int64)
        # The lowest bit that is set is half the side.
        half = centres & -centres
        numbers = np.full((len(centres), 1), end, np.int64)
        rows.append(np.hstack([numbers, centres - half, centres + half]))
    return join([EndBoxes(np.concatenate(rows), np.ones(sum(map(len, rows)), np.int64))])


def join(parts: list[EndBoxes]) -> EndBoxes:
    """The distinct boxes of several parts, with all their trips."""
    rows = np.concatenate([np.empty((0, 5), np.int64), *(part.rows for part in parts)])
    distinct, position = np.unique(rows, axis=0, return_inverse=True)
    trips = np.zeros(len(distinct), np.int64)
    np.add.at(
        trips, position.ravel(), np.concatenate([np.empty(0, np.int64), *(part.trips for part in parts)])
    )
    return EndBoxes(distinct, trips)


def as_answer(boxes: EndBoxes) -> list[CountedBox]:
    """The boxes with the most trips first."""
    order = np.argsort(-boxes.trips, kind="stable")
    sides = (boxes.rows[:, 1:] * _UNIT - 180) * 10**_DECIMALS
    # Outwards, so that a box contains its trips.
    sides[:, :2], sides[:, 2:] = np.floor(sides[:, :2]), np.ceil(sides[:, 2:])
    sides /= 10**_DECIMALS
    sides[:, 1::2] = np.clip(sides[:, 1::2], -90, 90)
    return [
        CountedBox(end=_END_NAMES[end], box=Box(*sides[number].tolist()), trips=count)
        for number, end, count in zip(
            order.tolist(), boxes.rows[order, 0].tolist(), boxes.trips[order].tolist(), strict=True
        )
    ]


def _ends_inside(ends: NDArray[np.float64], query: WeeklyQuery) -> NDArray[np.bool_]:
    """Whether each end lies in the area, borders included; shape (n, 2); False for an end that does not matter."""
    inside = np.zeros((len(ends), 2), bool)
    if query.polygon is not None:
        shapely.prepare(query.polygon)
    for end, matters in enumerate(matched_ends(query.match)):
        if not matters:
            continue
        if query.box is None:
            inside[:, end] = shapely.intersects_xy(query.polygon, *ends[:, 2 * end : 2 * end + 2].T)
        else:
            lon, lat = ends[:, 2 * end], ends[:, 2 * end + 1]
            box = query.box
            is_after, is_before = lon >= box.west, lon <= box.east
            across = is_after & is_before if box.west <= box.east else is_after | is_before
            inside[:, end] = across & (lat >= box.south) & (lat <= box.north)
    return inside


def _starts_match(minutes: NDArray[np.uint16], query: WeeklyQuery) -> NDArray[np.bool_]:
    found = np.zeros(len(minutes), bool)
    for first, stop in query.times.minute_ranges():
        found |= (minutes >= first) & (minutes < stop)
    return found
