"""Trips as PostgreSQL's binary COPY format: fixed-size records, built whole with a structured dtype.

Format: PostgreSQL manual, "COPY", section "Binary Format"; points as EWKB of PostGIS.
"""

import numpy as np
from numpy.typing import NDArray

COLUMNS = ("trip_id", "started_at", "region_id", "source_id", "file_id", "origin", "destination")
HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
_EPOCH_2000_US = 946_684_800_000_000
_EWKB_POINT = 0x20000001
_SRID = 4326
_POINT_BYTES = 25

_FIELDS: list[tuple[str, str]] = [("fields", ">i2")]
for _name, _type in zip(COLUMNS[:5], (">i8", ">i8", ">i4", ">i4", ">i8"), strict=True):
    _FIELDS += [(f"{_name}_length", ">i4"), (_name, _type)]
for _name in COLUMNS[5:]:
    _FIELDS += [
        (f"{_name}_length", ">i4"),
        (f"{_name}_order", "i1"),
        (f"{_name}_type", "<u4"),
        (f"{_name}_srid", "<u4"),
        (f"{_name}_xy", "(2,)<f8"),
    ]
RECORD = np.dtype(_FIELDS)


def records_of(
    trip_ids: NDArray[np.int64],
    started_at: NDArray[np.int64],
    region_ids: NDArray[np.int64],
    source_ids: NDArray[np.int64],
    file_id: int,
    points: NDArray[np.float64],
) -> NDArray[np.void]:
    """The records of trips, to stand between `HEADER` and `TRAILER`; shape (n,), dtype `RECORD`.

    Args:
        trip_ids: shape (n,).
        started_at: shape (n,), microseconds since 1970-01-01.
        region_ids: shape (n,).
        source_ids: shape (n,).
        file_id: of all.
        points: shape (n, 4): origin lon, lat, destination lon, lat; degrees.
    """
    records = np.empty(len(trip_ids), RECORD)
    records["fields"] = len(COLUMNS)
    for name, values, length in (
        ("trip_id", trip_ids, 8),
        ("started_at", started_at - _EPOCH_2000_US, 8),
        ("region_id", region_ids, 4),
        ("source_id", source_ids, 4),
        ("file_id", file_id, 8),
    ):
        records[f"{name}_length"] = length
        records[name] = values
    for name, first in (("origin", 0), ("destination", 2)):
        records[f"{name}_length"] = _POINT_BYTES
        records[f"{name}_order"] = 1
        records[f"{name}_type"] = _EWKB_POINT
        records[f"{name}_srid"] = _SRID
        records[f"{name}_xy"] = points[:, first : first + 2]
    return records
