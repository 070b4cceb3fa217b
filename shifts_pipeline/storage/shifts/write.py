"""Writes makings of a week, or what changes in them, each time in one transaction."""

from collections.abc import Mapping, Sequence
from datetime import date

import psycopg

from shifts_core.calendar import monday_of_week
from shifts_core.shifts.matching import NamedShifts
from shifts_pipeline.storage.shifts import rows
from shifts_pipeline.storage.shifts.making import Making, names_hash
from shifts_pipeline.storage.shifts.state import MakingOptions, MakingState, RegionState


def replace_makings(
    connection: psycopg.Connection, week: date, makings: Sequence[Making], options: MakingOptions
) -> list[Making]:
    """Replace makings of a week.

    Makings with trips that a load has deleted meanwhile are left as they were: their regions stay stale.

    Returns:
        The makings that were written; the states of their regions say so.
    """
    with connection.transaction():
        intact = _lock_without_deletions(connection, makings)
        kept = [making for making in makings if making.region.region_id in intact]
        ids = [making.region.region_id for making in kept]
        _delete(connection, week, ids)
        with connection.cursor() as cursor, cursor.copy(rows.COPY) as copy:
            for piece in rows.copy_stream(kept):
                copy.write(piece)
        states = {making.region.region_id: _state(making, options) for making in kept}
        connection.cursor().executemany(
            """
            INSERT INTO shifts_store.shift_makings (region_id, week, parameters, history_weeks, history_revisions,
                earlier_names, names, stops, trips, trips_served, shifts, made_at)
            VALUES (%s, %s, %s, %s::date[], %s::bigint[], %s, %s, %s, %s, %s, %s, now())
            """,
            [
                (
                    making.region.region_id,
                    week,
                    state.parameters,
                    [each for each, _ in state.history],
                    [revision for _, revision in state.history],
                    state.earlier_names,
                    state.names,
                    state.stops,
                    len(making.trips.trip_ids),
                    len(making.counted.trips),
                    len(making.named.ids),
                )
                for making, state in zip(kept, states.values(), strict=True)
            ],
        )
    for making in kept:
        making.region.makings[week] = states[making.region.region_id]
    return kept


def rename_makings(
    connection: psycopg.Connection,
    week: date,
    renamed: Mapping[int, tuple[RegionState, NamedShifts]],
    options: MakingOptions,
) -> None:
    """Give the shifts of makings of a week other names; each one has its region id as key."""
    states = {
        region_id: (region.earlier_names(week, options.weeks), names_hash(named))
        for region_id, (region, named) in renamed.items()
    }
    with connection.transaction():
        for region_id, (_, named) in renamed.items():
            # Two shifts may exchange their ids: they have none for a moment.
            connection.execute(
                "UPDATE shifts_store.shifts SET shift_id = -rank WHERE region_id = %s AND week = %s",
                [region_id, week],
            )
            connection.execute(
                """
                UPDATE shifts_store.shifts s
                SET shift_id = u.shift_id, first_week = u.first_week, status = u.status
                FROM unnest(%s::integer[], %s::bigint[], %s::date[], %s::text[])
                    AS u (rank, shift_id, first_week, status)
                WHERE s.region_id = %s AND s.week = %s AND s.rank = u.rank
                """,
                [
                    list(range(1, len(named.ids) + 1)),
                    named.ids.tolist(),
                    [monday_of_week(number) for number in named.first_week.tolist()],
                    named.status,
                    region_id,
                    week,
                ],
            )
            connection.execute(
                "UPDATE shifts_store.shift_makings SET earlier_names = %s, names = %s, made_at = now()"
                " WHERE region_id = %s AND week = %s",
                [*states[region_id], region_id, week],
            )
    for region_id, (region, _) in renamed.items():
        old = region.makings[week]
        region.makings[week] = MakingState(old.parameters, old.history, *states[region_id], old.stops)


def delete_makings(connection: psycopg.Connection, week: date, regions: Sequence[RegionState]) -> None:
    """Delete the makings of a week."""
    with connection.transaction():
        _delete(connection, week, [region.region_id for region in regions])
    for region in regions:
        del region.makings[week]


def _delete(connection: psycopg.Connection, week: date, region_ids: list[int]) -> None:
    connection.execute(
        "DELETE FROM shifts_store.failed_pair_checks"
        " WHERE week = %s AND derived_table = 'shifts' AND region_id = ANY (%s)",
        [week, region_ids],
    )
    for statement in (
        "DELETE FROM shifts_store.shifts WHERE week = %s AND region_id = ANY (%s)",
        "DELETE FROM shifts_store.shift_makings WHERE week = %s AND region_id = ANY (%s)",
    ):
        connection.execute(statement, [week, region_ids])


def _state(making: Making, options: MakingOptions) -> MakingState:
    return MakingState(
        options.text,
        making.trips.revisions,
        making.region.earlier_names(making.week, options.weeks),
        names_hash(making.named),
        making.region.stops.hash,
    )


def _lock_without_deletions(connection: psycopg.Connection, makings: Sequence[Making]) -> set[int]:
    """Lock the pairs of histories, and return the regions from which no trip was deleted since they were read."""
    pairs = [(making.region.region_id, week) for making in makings for week in making.trips.weeks]
    found = connection.execute(
        "SELECT * FROM shifts_store.lock_histories(%s::integer[], %s::date[], %s::bigint[])",
        [
            [region_id for region_id, _ in pairs],
            [week.week for _, week in pairs],
            [week.deletion_count for _, week in pairs],
        ],
    )
    return {region_id for (region_id,) in found}
