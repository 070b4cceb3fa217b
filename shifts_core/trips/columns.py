"""The columns of a trip file by number, and what a reader fills for its rows."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

ORIGIN, DESTINATION, DATETIME, REGION, SOURCE, IGNORED = range(6)
"""The kinds of columns."""

COLUMN_NAMES = ("origin_coord", "destination_coord", "datetime", "region", "datasource")
"""By kind; columns with other names are ignored."""


class TripColumns(NamedTuple):
    """Values of rows, one entry a row; all of one length."""

    points: NDArray[np.float64]
    """(n, 4): origin lon, lat, destination lon, lat; degrees."""
    started_at: NDArray[np.int64]
    """Microseconds since 1970-01-01, local wall clock."""
    regions: NDArray[np.int32]
    """Number in the table of regions."""
    sources: NDArray[np.int32]
    """Number in the table of sources."""
    parsed: NDArray[np.bool_]
    """Whether the four above are right; otherwise they are undefined."""
    lines: NDArray[np.int64]
    """Line of the file on which the row begins."""

    def part(self, rows: slice) -> "TripColumns":
        """Views of some rows."""
        return TripColumns(
            self.points[rows],
            self.started_at[rows],
            self.regions[rows],
            self.sources[rows],
            self.parsed[rows],
            self.lines[rows],
        )


def empty_columns(rows: int) -> TripColumns:
    """Columns with undefined values."""
    return TripColumns(
        points=np.empty((rows, 4)),
        started_at=np.empty(rows, np.int64),
        regions=np.empty(rows, np.int32),
        sources=np.empty(rows, np.int32),
        parsed=np.empty(rows, np.bool_),
        lines=np.empty(rows, np.int64),
    )
