"""Writes the tiles of segments in the open transaction; functions/segments.sql records which of them count."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any, Literal

import psycopg

from shifts_core.tiles.codec import Tile
from shifts_core.tiles.segment import Segment
from shifts_core.tiles.segment_builder import BuiltSegment

SEGMENT_PARAMETERS = "%s::integer[], %s::date[], %s::bigint[], %s::bigint[], %s::bigint[]"
"""Of the SQL functions that take segments as arrays: `segment_parameters` has the values."""
_TYPES = ("int4", "date", "int8", "int4", "int4", "bytea", "bytea", "bytea")
_COPY = (
    "COPY shifts_store.{} (region_id, week, segment, tile, trips, leaves, high_bits, low_bits)"
    " FROM STDIN (FORMAT binary)"
)


class SegmentWriter:
    """Writes segments of one file's trips.

    Args:
        connection: in the transaction that inserts or deletes the trips.
        file_id: of the file.
        sign: -1 if the segments subtract the trips.
    """

    def __init__(self, connection: psycopg.Connection, file_id: int, sign: Literal[1, -1] = 1) -> None:
        self._connection, self._file_id, self._sign = connection, file_id, sign
        self.written: list[Segment] = []

    def write(self, built: Sequence[BuiltSegment]) -> None:
        """Writes the tiles of segments. They count once the segments are recorded.

        Raises:
            psycopg.Error: the database failed; the transaction is aborted.
        """
        if not built:
            return
        numbers = reserve(self._connection, len(built))
        copy_tiles(
            self._connection,
            (
                (each.region_id, each.week, number, each.tiles)
                for number, each in zip(numbers, built, strict=True)
            ),
        )
        self.written += (
            Segment(each.region_id, each.week, number, self._file_id, self._sign * each.trips)
            for number, each in zip(numbers, built, strict=True)
        )


def segment_parameters(segments: Sequence[Segment]) -> list[list[Any]]:
    """Regions, weeks, numbers, files and trips of segments, as arrays."""
    return [
        [segment.region_id for segment in segments],
        [segment.week for segment in segments],
        [segment.number for segment in segments],
        [segment.file_id for segment in segments],
        [segment.trips for segment in segments],
    ]


def reserve(connection: psycopg.Connection, count: int) -> list[int]:
    """Numbers of new segments."""
    rows = connection.execute("SELECT * FROM shifts_store.reserve_segments(%s)", [count])
    return [number for (number,) in rows]


def copy_tiles(
    connection: psycopg.Connection,
    segments: Iterable[tuple[int, date, int, Sequence[Tile]]],
    table: Literal["weekly_trip_tiles", "cell_tiles"] = "weekly_trip_tiles",
) -> None:
    """Writes the tiles of segments: of each its region, week, number and tiles."""
    with connection.cursor() as cursor, cursor.copy(_COPY.format(table)) as copy:
        copy.set_types(_TYPES)
        for region_id, week, segment, tiles in segments:
            for number, tile in enumerate(tiles):
                copy.write_row(
                    (region_id, week, segment, number, tile.trips, tile.leaves, tile.high_bits, tile.low_bits)
                )
