"""Conditions that statements on clusters and on shifts share."""

import shapely
from sqlalchemy import ColumnElement, LargeBinary, Text, Time, and_, cast, func, literal, or_

from shifts_core.polygons import Area
from shifts_core.tiles.box import Box
from shifts_core.time_filter import TimeWindow


def lies_in(point: ColumnElement[object], area: Box | Area) -> ColumnElement[bool]:
    """Whether a point is in an area or on its border."""
    if isinstance(area, Box):
        return func.shifts_store.in_box(point, area.west, area.south, area.east, area.north)
    polygon = func.ST_GeomFromWKB(literal(shapely.to_wkb(area), LargeBinary), 4326)
    return func.ST_Intersects(point, polygon)


def is_within(clock: ColumnElement[object], window: TimeWindow) -> ColumnElement[bool]:
    """Whether a time of day is in a window, which may cross midnight."""
    # As text, because Python has no 24:00.
    start, end = (cast(literal(text, Text), Time) for text in str(window).split("-"))
    is_after, is_before = clock >= start, clock < end
    return and_(is_after, is_before) if window.start < window.end else or_(is_after, is_before)
