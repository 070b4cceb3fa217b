"""The resource `cells`: how many trips a cell has at least."""

import dagster as dg
from pydantic import Field


class CellParameters(dg.ConfigurableResource["CellParameters"]):
    """Whether pairs have cells, from which requests without the right to exact counts are counted."""

    min_count: int | None = Field(
        description="Least number of trips of a cell; no cells are made if it is not set. Setting: SHIFTS_MIN_COUNT."
    )
