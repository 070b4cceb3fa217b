"""Deletes the rows of files, and writes segments that subtract the deleted trips from the tiles that contain them."""

from collections.abc import Sequence
from datetime import date, datetime, time
from itertools import pairwise

import numpy as np
import psycopg
from psycopg import sql

from shifts_core.calendar import ONE_WEEK
from shifts_core.tiles import segment_builder
from shifts_core.tiles.segment import Segment
from shifts_core.tiles.segment_builder import SegmentBuilder, runs
from shifts_core.time_filter import minutes_of_week
from shifts_pipeline.storage.binary_copy import copied_rows, row_dtype
from shifts_pipeline.storage.region_week import moments_of
from shifts_pipeline.storage.segments import SegmentWriter

_ENDS = ("x0", "y0", "x1", "y1")
_ROW = row_dtype(region_id=">i4", started_at=">i8", x0=">f8", y0=">f8", x1=">f8", y1=">f8")


def delete_files(connection: psycopg.Connection, file_ids: Sequence[int]) -> list[Segment]:
    """Deletes trips and rejects of loaded files in the open transaction, in bounded memory.

    Returns:
        The segments that subtract the trips, to be recorded when the counts of the files are removed.

    Raises:
        psycopg.Error: the database failed; the transaction is aborted.
    """
    return [segment for file_id in file_ids for segment in _delete(connection, file_id)]


def _delete(connection: psycopg.Connection, file_id: int) -> list[Segment]:
    writer, builder = SegmentWriter(connection, file_id, sign=-1), SegmentBuilder()
    weeks = connection.execute(
        "SELECT week, sum(trips)::bigint FROM shifts_store.file_week_counts WHERE file_id = %s"
        " GROUP BY week ORDER BY week",
        [file_id],
    ).fetchall()
    for week, trips in weeks:
        for begin, end in _parts(week, trips):
            _subtract(connection, file_id, week, (begin, end), builder)
            # Between two COPYs: the connection cannot write while it reads.
            if builder.is_full:
                writer.write(builder.build())
    writer.write(builder.build())
    connection.execute("SELECT shifts_store.delete_rows(%s)", [file_id])
    return writer.written


def _parts(week: date, trips: int) -> list[tuple[datetime, datetime]]:
    """Divides a week into so many parts that each has about as many trips as are collected at once."""
    parts = max(-(-trips // segment_builder.MAX_COLLECTED), 1)
    borders = [datetime.combine(week, time()) + ONE_WEEK * part / parts for part in range(parts + 1)]
    return list(pairwise(borders))


def _subtract(
    connection: psycopg.Connection,
    file_id: int,
    week: date,
    part: tuple[datetime, datetime],
    builder: SegmentBuilder,
) -> None:
    """Collects the trips of a part of a week."""
    statement = sql.SQL(
        "COPY (SELECT region_id, started_at, public.ST_X(origin), public.ST_Y(origin),"
        " public.ST_X(destination), public.ST_Y(destination) FROM shifts_store.trips"
        " WHERE file_id = {file} AND started_at >= {begin} AND started_at < {end}) TO STDOUT (FORMAT binary)"
    ).format(file=sql.Literal(file_id), begin=sql.Literal(part[0]), end=sql.Literal(part[1]))
    for rows in copied_rows(connection, statement, _ROW):
        if len(rows) == 0:
            continue
        order = np.argsort(rows["region_id"], kind="stable")
        regions = rows["region_id"][order].astype(np.int64)
        ends = np.empty((len(rows), len(_ENDS)))
        for column, name in enumerate(_ENDS):
            ends[:, column] = rows[name][order]
        minutes = minutes_of_week(moments_of(rows, week)[order])
        for begin, end in runs(regions):
            builder.add(int(regions[begin]), week, ends[begin:end], minutes[begin:end])
