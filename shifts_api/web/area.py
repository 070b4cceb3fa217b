"""The parameters `bbox`, `polygon` and `zone`, of which a call takes one: the area that a request is about."""

from typing import Annotated, NamedTuple

from fastapi import Depends, Query

from shifts_api.web.errors import ApiError
from shifts_api.web.parameters import parse_box
from shifts_core.polygons import Area, parse_wkt_area
from shifts_core.tiles.box import Box
from shifts_core.zones import MAX_NAME_LENGTH


class GivenArea(NamedTuple):
    """An area as a request names it; at most one field is set."""

    box: Box | None = None
    polygon: Area | None = None
    zone: str | None = None
    """A name."""


def parse_area(
    bbox: Annotated[
        str | None,
        Query(
            description="west,south,east,north in degrees, borders included; west > east crosses the antimeridian.",
            examples=["7.6,45.0,7.72,45.1"],
            max_length=200,
        ),
    ] = None,
    polygon: Annotated[
        str | None,
        Query(
            description="WKT of a POLYGON or MULTIPOLYGON in degrees, longitude first, borders included; instead of"
            " `bbox`.",
            examples=["POLYGON((7.6 45.0, 7.72 45.0, 7.66 45.1, 7.6 45.0))"],
            min_length=1,
        ),
    ] = None,
    zone: Annotated[
        str | None,
        Query(
            description="Name of a zone of the region, or of one without a region; instead of `bbox`.",
            examples=["Centro"],
            min_length=1,
            max_length=MAX_NAME_LENGTH,
        ),
    ] = None,
) -> GivenArea:
    """The area of a request.

    Raises:
        ApiError: 400, more than one is given, or it is invalid.
    """
    given = [
        name for name, value in (("bbox", bbox), ("polygon", polygon), ("zone", zone)) if value is not None
    ]
    if len(given) > 1:
        raise ApiError(400, f"{', '.join(given)}: only one of these can be given")
    try:
        area = None if polygon is None else parse_wkt_area(polygon)
    except ValueError as error:
        raise ApiError(400, f"polygon: {error}") from None
    return GivenArea(None if bbox is None else parse_box(bbox), area, zone)


AreaParameters = Annotated[GivenArea, Depends(parse_area)]
