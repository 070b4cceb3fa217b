"""The output of the readers: some hundred thousand rows of a file, trips as columns and rejects one by one."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Reject(NamedTuple):
    """A row that is not a trip."""

    line: int
    """Line of the file on which the row begins, the header is 1; in a Parquet file its number plus 1."""
    reason: str
    raw: str


class Batch(NamedTuple):
    """Consecutive rows of a file; its columns hold the trips."""

    points: NDArray[np.float64]
    """(n, 4): origin lon, lat, destination lon, lat; degrees."""
    started_at: NDArray[np.int64]
    """(n,): microseconds since 1970-01-01, local wall clock."""
    regions: NDArray[np.int32]
    """(n,): indices into `region_names`."""
    sources: NDArray[np.int32]
    """(n,): indices into `source_names`."""
    region_names: list[str | None]
    """All names of the file so far; None for bytes that are not a name, to which no trip refers."""
    source_names: list[str | None]
    rejects: list[Reject]

    @property
    def rows(self) -> int:
        """Number of trips and rejects."""
        return len(self.started_at) + len(self.rejects)
