"""The answer of `/trips/weekly`: the statistics, and the cells that were counted, if they are asked for."""

from typing import Annotated

from fastapi import Query
from pydantic import Field

from shifts_core.cells.boxes import CountedBox
from shifts_core.weekly_statistics import WeeklyStatistics

CELLS_DESCRIPTION = (
    "Whether to draw what was counted, where `SHIFTS_MIN_COUNT` is set: the boxes of the cells, up to 10,000."
)
CellsParameter = Annotated[bool, Query(description=CELLS_DESCRIPTION)]


class WeeklyAnswer(WeeklyStatistics):
    """Trips per week in an area."""

    cells: list[CountedBox] | None = Field(
        None,
        description="Only with `cells=true`: where the counted cells begin and end, those with the most trips first.",
        examples=[None],
    )
