"""Files of commuters, from which clusters and shifts are made, and the texts by which their trips are found again."""

from datetime import date, timedelta

from tests.integration.pipeline.harness import HEADER, Pipeline, row
from tests.integration.traces import forms

MONDAY = date(2018, 5, 28)
RIDERS = 4


def commuters(latitude: float, weeks: int = 2, region: str = "Turin", first: date = MONDAY) -> str:
    """A file of riders who start side by side every weekday, and a row that is no trip."""
    lines = [
        row(region, f"{first + timedelta(7 * week + day)} 08:0{rider}:00", start, end)
        for week in range(weeks)
        for day in range(5)
        for rider, (start, end) in enumerate(ends(latitude))
    ]
    return HEADER + "".join(lines) + reject(latitude)


def ends(latitude: float) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    """Origin and destination of each rider."""
    return [
        ((7.6543217 + rider / 1e4, latitude), (7.7654321 + rider / 1e4, latitude + 0.0123457))
        for rider in range(RIDERS)
    ]


def reject(latitude: float) -> str:
    """The row that is no trip."""
    return f"Turin,nowhere near {latitude!r}\n"


def texts(latitude: float) -> list[str]:
    """What tells the trips and the reject of a file."""
    return [*forms(latitude), *forms(latitude + 0.0123457), f"nowhere near {latitude!r}"]


def trip_ids(pipeline: Pipeline, name: str) -> list[str]:
    """Ids of the trips of a file."""
    return [
        str(trip_id)
        for (trip_id,) in pipeline.query(
            "SELECT trip_id FROM shifts.trips JOIN shifts.files USING (file_id) WHERE name = %s", name
        )
    ]


def settle(pipeline: Pipeline) -> None:
    """Loads, refreshes and makes shifts until nothing is due."""
    assert all(run.success for run in (*pipeline.load(), *pipeline.refresh(), *pipeline.make_shifts()))
