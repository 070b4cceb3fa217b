"""What a reader hands on: some hundred thousand rows of a file as columns, and those that are no trips."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Reject(NamedTuple):
    """A row that is no trip."""

    line: int
    """Of the file, on which it begins; the header is 1. Of a Parquet file: its row number plus 1."""
    reason: str
    raw: str


class Batch(NamedTuple):
    """Consecutive rows of a file; the columns hold the trips among them."""

    points: NDArray[np.float64]
    """(n, 4): origin lon, lat, destination lon, lat; degrees."""
    started_at: NDArray[np.int64]
    """(n,): microseconds since 1970-01-01, local wall clock."""
    regions: NDArray[np.int32]
    """(n,): numbers that stand for names, see `region_names`."""
    sources: NDArray[np.int32]
    """(n,): numbers that stand for names, see `source_names`."""
    region_names: list[str | None]
    """By number, as far as known by now; None stands for bytes that no trip here refers to."""
    source_names: list[str | None]
    rejects: list[Reject]

    @property
    def rows(self) -> int:
        """Trips and rejects."""
        return len(self.started_at) + len(self.rejects)
