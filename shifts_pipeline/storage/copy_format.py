"""Trips as rows of PostgreSQL's binary COPY format; points as EWKB of PostGIS."""

import numpy as np
from numpy.typing import NDArray

from shifts_pipeline.storage.binary_copy import new_rows, row_dtype

_EPOCH_2000_US = 946_684_800_000_000
POINT = np.dtype([("order", "i1"), ("type", "<u4"), ("srid", "<u4"), ("xy", "V16")])
_LITTLE_ENDIAN, _POINT_WITH_SRID, _SRID = 1, 0x20000001, 4326

TRIP = row_dtype(
    trip_id=">i8",
    started_at=">i8",
    region_id=">i4",
    source_id=">i4",
    file_id=">i8",
    origin=POINT,
    destination=POINT,
)
COLUMNS = ("trip_id", "started_at", "region_id", "source_id", "file_id", "origin", "destination")


def trip_rows(
    trip_ids: NDArray[np.int64],
    started_at: NDArray[np.int64],
    region_ids: NDArray[np.int64],
    source_ids: NDArray[np.int64],
    file_id: int,
    points: NDArray[np.float64],
) -> NDArray[np.void]:
    """Rows of `COLUMNS`; shape (n,), dtype `TRIP`.

    Args:
        trip_ids: shape (n,).
        started_at: shape (n,), microseconds since 1970-01-01.
        region_ids: shape (n,).
        source_ids: shape (n,).
        file_id: the same for all rows.
        points: shape (n, 4): origin lon, lat, destination lon, lat; degrees.
    """
    # One copy of a row with the constant fields, repeated.
    rows = np.repeat(_empty_row(file_id).view(f"V{TRIP.itemsize}"), len(trip_ids)).view(TRIP)
    rows["trip_id"] = trip_ids
    rows["started_at"] = started_at - _EPOCH_2000_US
    rows["region_id"] = region_ids
    rows["source_id"] = source_ids
    set_ends(rows, points)
    return rows


def set_point_types(rows: NDArray[np.void]) -> None:
    """Sets what the values of the columns `origin` and `destination` have in common, in place."""
    for name in ("origin", "destination"):
        rows[name]["order"] = _LITTLE_ENDIAN
        rows[name]["type"] = _POINT_WITH_SRID
        rows[name]["srid"] = _SRID


def set_ends(rows: NDArray[np.void], points: NDArray[np.float64]) -> None:
    """Sets the coordinates of the columns `origin` and `destination` in place; `points` as in `trip_rows`."""
    # The two doubles of a point are copied as one value.
    pairs = np.ascontiguousarray(points, "<f8").view("V16")
    rows["origin"]["xy"], rows["destination"]["xy"] = pairs[:, 0], pairs[:, 1]


def _empty_row(file_id: int) -> NDArray[np.void]:
    row = new_rows(TRIP, 1)
    row["file_id"] = file_id
    set_point_types(row)
    return row
