"""Clusters and shifts for requests that may not see exact counts: of at least k riders, and with rounded figures.

Filters and the order of pages use the rounded figures too: otherwise, requests with many boxes or windows would find
the exact ones.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Integer,
    Numeric,
    Select,
    Subquery,
    cast,
    extract,
    func,
    literal,
    null,
    select,
)

from shifts_core.schema import tables

GRID_DEGREES = 0.005
"""Places are moved to a grid of some 500 m."""
QUARTER = 15
"""Times of day are quarter hours."""
_METRES = 100
"""Distances are rounded up."""


@cache
def coarse_clusters(min_count: int) -> Subquery:
    """Clusters with the columns of their table, without the list of their trips."""
    column = tables.trip_clusters.c
    rounded: dict[str, ColumnElement[Any]] = {
        "trips": column.trips // min_count * min_count,
        "radius_m": _up(column.radius_m),
        "typical_time": _quarter(column.typical_time),
        "earliest_time": _quarter(column.earliest_time),
        "latest_time": _quarter(column.latest_time),
        # With it, the number of all trips at that time would be known exactly.
        "share_of_bin": null(),
        "origin": _snapped(column.origin),
        "destination": _snapped(column.destination),
    }
    return _select(column, rounded).where(column.trips >= min_count).subquery("clusters")


@cache
def coarse_shifts(min_count: int) -> Subquery:
    """Shifts with the columns of their table, without the list of their trips."""
    column = tables.shifts.c
    rounded: dict[str, ColumnElement[Any]] = {
        "riders": func.floor(column.riders / min_count) * min_count,
        "riders_low": column.riders_low // min_count * min_count,
        "riders_high": (column.riders_high + min_count - 1) // min_count * min_count,
        "trips": column.trips // min_count * min_count,
        "regularity": func.round(cast(column.regularity, Numeric), 1),
        **{name: _quarter(column[name]) for name in ("departs", "earliest", "latest")},
        **{each.name: _up(each) for each in column if each.name.endswith("_m")},
        "pickup": _snapped(column.pickup),
        "dropoff": _snapped(column.dropoff),
    }
    return _select(column, rounded).where(column.riders >= min_count).subquery("shifts")


def _select(columns: Iterable[Column[Any]], rounded: Mapping[str, ColumnElement[Any]]) -> Select[Any]:
    return select(
        *(
            rounded[column.name].label(column.name) if column.name in rounded else column
            for column in columns
            if column.name != "trip_ids"
        )
    )


def _quarter(clock: Column[Any]) -> ColumnElement[Any]:
    minute = cast(extract("minute", clock), Integer) // QUARTER * QUARTER
    return func.make_time(cast(extract("hour", clock), Integer), minute, literal(0.0))


def _snapped(point: Column[Any]) -> ColumnElement[Any]:
    return func.ST_SnapToGrid(point, GRID_DEGREES, type_=point.type)


def _up(metres: Column[Any]) -> ColumnElement[Any]:
    return func.ceil(metres / _METRES) * _METRES
