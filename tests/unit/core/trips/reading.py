"""Helpers of the tests of readers: the bytes of a file as plain trips and rejects."""

import io
from collections.abc import Iterable
from datetime import date
from typing import NamedTuple

from shifts_core.calendar import DateRange
from shifts_core.trips.batch import Batch, Reject
from shifts_core.trips.read_csv import read_csv
from tests.unit.core.trips.oracle import END, FIRST, Trip

DATES = DateRange(FIRST.date(), END.date())
HEADER = b"region,origin_coord,destination_coord,datetime,datasource\n"
LINE = b"Turin,POINT (7.67 45.01),POINT (7.72 45.06),2018-05-28 09:03:40,baba_car\n"
TURIN = Trip((7.67, 45.01, 7.72, 45.06), 1_527_498_220_000_000, "Turin", "baba_car")


class Read(NamedTuple):
    """The rows of a file."""

    trips: list[Trip]
    rejects: list[Reject]


def read(data: bytes, dates: DateRange = DATES) -> Read:
    """The CSV file's trips and rejects, each in the file's order."""
    return together(read_csv(io.BytesIO(data), dates))


def together(batches: Iterable[Batch]) -> Read:
    """All batches in one; each accounts for its rows."""
    trips, rejects = [], []
    for batch in batches:
        assert batch.rows == len(batch.points) + len(batch.rejects)
        assert len(batch.points) == len(batch.started_at) == len(batch.regions) == len(batch.sources)
        for numbers, micros, region, source in zip(
            batch.points.tolist(),
            batch.started_at.tolist(),
            batch.regions.tolist(),
            batch.sources.tolist(),
            strict=True,
        ):
            names = batch.region_names[region], batch.source_names[source]
            assert names[0] is not None
            assert names[1] is not None
            trips.append(Trip(tuple(numbers), micros, *names))
        rejects += batch.rejects
    return Read(trips, rejects)


def line_with(**fields: bytes) -> bytes:
    """A good line in the header's order with some of its fields replaced."""
    names = HEADER.decode().strip().split(",")
    values = dict(zip(names, LINE.strip().split(b","), strict=True)) | fields
    assert len(values) == len(names)
    return b",".join(values[name] for name in names) + b"\n"


def day(text: str) -> date:
    return date.fromisoformat(text)
