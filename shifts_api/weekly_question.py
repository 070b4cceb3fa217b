"""The body of `POST /trips/weekly`."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from shifts_api.web.area import GivenArea, parse_area
from shifts_api.web.errors import ApiError
from shifts_api.web.parameters import WEEK_EXAMPLES, Week
from shifts_api.weekly_answer import CELLS_DESCRIPTION
from shifts_core.polygons import parse_geojson_area
from shifts_core.tiles.box import Match
from shifts_core.weekly_mean import Weeks


class WeeklyQuestion(BaseModel):
    """The parameters of `GET /trips/weekly`, with `geometry` instead of `polygon`."""

    model_config = ConfigDict(extra="forbid")

    region: str = Field(examples=["Turin"])
    geometry: dict[str, Any] | None = Field(
        None,
        description="GeoJSON of a Polygon or MultiPolygon; instead of `bbox` and `zone`.",
        examples=[
            {"type": "Polygon", "coordinates": [[[7.6, 45.0], [7.72, 45.0], [7.66, 45.1], [7.6, 45.0]]]}
        ],
    )
    bbox: str | None = Field(None, examples=[None])
    zone: str | None = Field(None, examples=[None])
    match: Match = Field("both", examples=["both"])
    weeks: Weeks = Field("active", examples=["active"])
    weekdays: str | None = Field(None, examples=["mon,tue"])
    time: str | None = Field(None, examples=["06:00-09:30"])
    first: Week | None = Field(None, alias="from", examples=WEEK_EXAMPLES)
    last: Week | None = Field(None, alias="to", examples=WEEK_EXAMPLES)
    cells: StrictBool = Field(False, description=CELLS_DESCRIPTION, examples=[False])

    def area(self) -> GivenArea:
        """The area of the request.

        Raises:
            ApiError: 400, more than one is given, or it is invalid.
        """
        if self.geometry is None:
            return parse_area(self.bbox, None, self.zone)
        if self.bbox is not None or self.zone is not None:
            raise ApiError(400, "geometry, bbox, zone: only one of these can be given")
        try:
            return GivenArea(polygon=parse_geojson_area(self.geometry))
        except ValueError as error:
            raise ApiError(400, f"geometry: {error}") from None
