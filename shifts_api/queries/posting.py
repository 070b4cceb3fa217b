"""Stores posted trips, all of them or none."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ARRAY, Cast, Date, DateTime, Double, Text, cast, func, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from shifts_core.calendar import monday_of
from shifts_core.trips.posted import PostedTrip

WEEKS_PER_TRANSACTION = 10
"""Creating the partitions of more weeks would hold locks on the whole table for more than half a second."""


async def insert_trips(
    connection: AsyncConnection,
    trips: Sequence[PostedTrip],
    *,
    size: int,
    idempotency_key: str | None,
    fingerprint: str,
) -> None:
    """Stores the trips in one transaction, after the partitions of their weeks were created in others.

    Args:
        connection: for writes.
        trips: at least one.
        size: of the request's body, in bytes.
        idempotency_key: of the request.
        fingerprint: of the request.
    """
    weeks = sorted({monday_of(trip.timestamp.date()) for trip in trips})
    # The driver would format the arrays on the event loop.
    arrays = await asyncio.to_thread(_to_arrays, trips)
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
    await connection.execute(
        select(functions.post_trips(*arrays, first_number, size, idempotency_key, fingerprint))
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


def _quote(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
