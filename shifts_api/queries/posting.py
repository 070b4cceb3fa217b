"""Stores posted trips, all of them or none."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

import numpy as np
from sqlalchemy import (
    ARRAY,
    Cast,
    Date,
    DateTime,
    Double,
    Integer,
    LargeBinary,
    Text,
    cast,
    func,
    literal,
    select,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from shifts_api.queries.database import limit_writes
from shifts_core.access.rights import Rights
from shifts_core.calendar import monday_of
from shifts_core.tiles.build import build_tiles
from shifts_core.time_filter import MINUTES_OF_DAY
from shifts_core.trips.posted import PostedTrip

WEEKS_PER_TRANSACTION = 10
"""Creating the partitions of more weeks would hold locks on the whole table for more than half a second."""


async def insert_trips(
    connection: AsyncConnection,
    trips: Sequence[PostedTrip],
    rights: Rights,
    *,
    size: int,
    idempotency_key: str | None,
    fingerprint: str,
) -> None:
    """Stores the trips in one transaction, after the partitions of their weeks were created in others.

    Args:
        connection: for writes.
        trips: at least one.
        rights: of the request's key.
        size: of the request's body, in bytes.
        idempotency_key: of the request.
        fingerprint: of the request.
    """
    weeks = sorted({monday_of(trip.timestamp.date()) for trip in trips})
    # The driver would format the arrays on the event loop.
    arrays, tiles = await asyncio.gather(
        asyncio.to_thread(_to_arrays, trips), asyncio.to_thread(_build_segments, trips)
    )
    steps = [
        weeks[start : start + WEEKS_PER_TRANSACTION] for start in range(0, len(weeks), WEEKS_PER_TRANSACTION)
    ]
    functions = func.shifts_store
    for step in steps[:-1]:
        await connection.execute(select(functions.prepare_weeks(literal(step, ARRAY(Date)))))
        await connection.commit()
    prepare = functions.prepare_trips(literal(steps[-1], ARRAY(Date)), len(trips))
    first_number = await connection.scalar(select(prepare))
    await connection.commit()
    await limit_writes(connection, rights)
    await connection.execute(
        select(functions.post_trips(*arrays, *tiles, first_number, size, idempotency_key, fingerprint))
    )
    await connection.commit()


def _to_arrays(trips: Sequence[PostedTrip]) -> list[Cast[Any]]:
    """The columns of `shifts_store.post_trips` as array literals."""
    columns: list[tuple[Any, Iterable[str]]] = [
        (Text, (_quote(trip.region) for trip in trips)),
        (Text, (_quote(trip.source) for trip in trips)),
        (DateTime, (trip.timestamp.isoformat() for trip in trips)),
        (Double, (repr(trip.origin[0]) for trip in trips)),
        (Double, (repr(trip.origin[1]) for trip in trips)),
        (Double, (repr(trip.destination[0]) for trip in trips)),
        (Double, (repr(trip.destination[1]) for trip in trips)),
    ]
    return [cast(literal(f"{{{','.join(values)}}}", Text), ARRAY(type_)) for type_, values in columns]


def _build_segments(trips: Sequence[PostedTrip]) -> list[Cast[Any]]:
    """The tiles of each region and week as the array parameters of `shifts_store.post_trips`."""
    by_pair: dict[tuple[str, date], list[tuple[float, ...]]] = defaultdict(list)
    minutes: dict[tuple[str, date], list[int]] = defaultdict(list)
    for trip in trips:
        day = trip.timestamp.date()
        pair = trip.region, monday_of(day)
        by_pair[pair].append((*trip.origin, *trip.destination))
        time = trip.timestamp.time()
        minutes[pair].append(MINUTES_OF_DAY * day.weekday() + 60 * time.hour + time.minute)
    rows = [
        (*pair, number, tile.trips, tile.leaves, tile.high_bits, tile.low_bits)
        for pair, ends in by_pair.items()
        for number, tile in enumerate(build_tiles(np.array(ends), np.array(minutes[pair], np.uint16)))
    ]
    types = (Text, Date, Integer, Integer, LargeBinary, LargeBinary, LargeBinary)
    return [
        cast(literal(list(column), ARRAY(type_)), ARRAY(type_))
        for column, type_ in zip(zip(*rows, strict=True), types, strict=True)
    ]


def _quote(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
