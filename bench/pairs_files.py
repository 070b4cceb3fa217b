"""Files of many small (region, week) pairs: commuters of many regions, on a few routes in each."""

from pathlib import Path

import numpy as np

_FIRST_WEEK = np.datetime64("2018-01-01T00:00:00")
_ROUTES = 6
_HEADER = "region,origin_coord,destination_coord,datetime,datasource\n"


def write_files(folder: Path, *, regions: int, weeks: int, trips: int, files: int) -> None:
    """Writes CSV files of consecutive weeks.

    Args:
        folder: receives the files.
        regions: number of regions, each of them in every week.
        weeks: number of weeks.
        trips: trips of each (region, week) pair.
        files: number of files; a file has the same weeks of all regions.
    """
    rng = np.random.default_rng(1)
    centers = np.column_stack([rng.uniform(-5, 20, regions), rng.uniform(40, 58, regions)])
    for number, of_file in enumerate(np.array_split(np.arange(weeks), files)):
        with (folder / f"weeks_{number:05}.csv").open("w") as file:
            file.write(_HEADER)
            for week in of_file:
                file.writelines(_lines(rng, centers, int(week), trips))


def _lines(rng: np.random.Generator, centers: np.ndarray, week: int, trips: int) -> list[str]:
    region = np.repeat(np.arange(len(centers)), trips)
    route = rng.integers(0, _ROUTES, len(region))
    angle = route * (2 * np.pi / _ROUTES)
    home = centers[region] + 0.05 * np.column_stack([np.cos(angle), np.sin(angle)])
    origins = home + rng.normal(0, 0.001, (len(region), 2))
    destinations = centers[region] + rng.normal(0, 0.001, (len(region), 2))
    day = rng.integers(0, 7, len(region)) + 7 * week
    seconds = day * 86_400 + (6 + route) * 3_600 + rng.integers(0, 1_800, len(region))
    times = np.datetime_as_string(_FIRST_WEEK + seconds.astype("timedelta64[s]"))
    return [
        f"Region {number:05},POINT ({x0:.6f} {y0:.6f}),POINT ({x1:.6f} {y1:.6f}),{time.replace('T', ' ')},bench\n"
        for number, (x0, y0), (x1, y1), time in zip(
            region.tolist(), origins.tolist(), destinations.tolist(), times.tolist(), strict=True
        )
    ]
