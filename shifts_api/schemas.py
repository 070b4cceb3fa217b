"""The bodies of `POST /trips`: a list of trips, or a request for a file."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from shifts_api.web.errors import ApiError, describe
from shifts_core.calendar import DateRange
from shifts_core.trips.posted import PostedTrips
from shifts_core.trips.rules import check_date


class FileRequest(BaseModel):
    """A file to be loaded: `mocked` for one below the landing folder, `gcp` for one in the bucket."""

    model_config = ConfigDict(strict=True)

    data_type: Literal["mocked", "gcp"]
    data: Annotated[
        str, Field(min_length=1, max_length=2048, examples=["trips.csv", "gs://bucket/trips.csv"])
    ]


_BODY: TypeAdapter[PostedTrips | FileRequest] = TypeAdapter(
    Annotated[PostedTrips | FileRequest, Field(discriminator="data_type")]
)


def read_body(body: bytes, dates: DateRange) -> PostedTrips | FileRequest:
    """The validated body of a request.

    Raises:
        ApiError: 400, the message names the first invalid fields.
    """
    try:
        posted = _BODY.validate_json(body)
    except ValidationError as error:
        raise ApiError(400, _describe(error.errors(include_input=False, include_url=False))) from None
    if isinstance(posted, PostedTrips):
        for number, trip in enumerate(posted.data):
            try:
                check_date(trip.timestamp, dates)
            except ValueError as error:
                raise ApiError(400, f"data.{number}.timestamp: {error}") from None
    return posted


def _describe(errors: Sequence[Any]) -> str:
    for error in errors:
        # The tag of the union is not a field of the body.
        if error["loc"] and error["loc"][0] in ("json", "mocked", "gcp"):
            error["loc"] = error["loc"][1:]
        if error["type"].startswith("union_tag"):
            error["loc"], error["msg"] = ("data_type",), "json, mocked or gcp is needed"
        elif not error["loc"]:
            error["loc"] = ("body",)
    return describe(errors)
