"""Reads the outbox of events in Dagster's database."""

from collections.abc import Collection, Sequence
from dataclasses import fields, replace

from sqlalchemy import ARRAY, Text, cast, func, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from shifts_api.feed.dagster_links import dagster_link
from shifts_api.feed.event import Event, EventFilter
from shifts_core.schema.feed import events

PAGE = 500
"""Events that are read at a time."""


async def read_page(
    connection: AsyncConnection, after: int, through: int | None, event_filter: EventFilter, dagster_url: str
) -> Sequence[Event]:
    """The first `PAGE` events with `after` < id <= `through` that the filter accepts, by id.

    Ids become visible in ascending order, because publishers take turns: no event appears in a range later.

    Args:
        connection: to Dagster's database.
        after: the id before the range.
        through: the last id of the range; None for no end.
        event_filter: of the client; `limit_to_regions` applies its rights.
        dagster_url: base URL of the Dagster UI, to which the events link.
    """
    column = events.c
    statement = (
        select(*(column[field.name] for field in fields(Event)))
        .where(column.event_id > after)
        .order_by(column.event_id)
        .limit(PAGE)
    )
    if through is not None:
        statement = statement.where(column.event_id <= through)
    if event_filter.task_id is not None:
        statement = statement.where(column.task_ids.any(event_filter.task_id))
    if event_filter.run_id is not None:
        statement = statement.where(column.run_id == event_filter.run_id)
    if event_filter.types is not None:
        statement = statement.where(column.type.in_(event_filter.types))
    return [_with_link(Event(*row), dagster_url) for row in await connection.execute(statement)]


def _with_link(event: Event, dagster_url: str) -> Event:
    url = dagster_link(dagster_url, event.run_id, event.details)
    return event if url is None else replace(event, details={**event.details, "url": url})


async def limit_to_regions(connection: AsyncConnection, names: Collection[str]) -> None:
    """Gives the rest of the transaction a role that sees events which name these regions and no other."""
    allowed = cast(literal(sorted(names), ARRAY(Text)), Text)
    role = func.set_config("role", "shifts_api_limited", True)
    await connection.execute(select(func.set_config("shifts.region_names", allowed, True), role))


async def read_last_id(connection: AsyncConnection) -> int:
    """The newest event's id, 0 if there is none."""
    return int(await connection.scalar(select(func.coalesce(func.max(events.c.event_id), 0))) or 0)


async def read_id_before(connection: AsyncConnection, last: int, count: int) -> int:
    """The id after which the newest `count` events up to `last` begin."""
    newest = (
        select(events.c.event_id)
        .where(events.c.event_id <= last)
        .order_by(events.c.event_id.desc())
        .limit(count)
        .subquery()
    )
    first = await connection.scalar(select(func.min(newest.c.event_id)))
    return last if first is None else int(first) - 1


async def read_incarnation(connection: AsyncConnection) -> str:
    """A text that changes when the outbox is restored from a backup or copied: ids repeat then."""
    return str(await connection.scalar(select(func.shifts_feed.incarnation())))
