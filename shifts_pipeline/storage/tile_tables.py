"""Writes the tiles of a (region, week) pair to `weekly_trip_tiles` and totals them for the asset check."""

from collections.abc import Sequence

import psycopg

from shifts_core.tiles.codec import Tile
from shifts_pipeline.storage.region_week import PairTrips

_TYPES = ("int4", "date", "int4", "int4", "bytea", "bytea", "bytea")
_COLUMNS = "region_id, week, tile, trips, leaves, high_bits, low_bits"


def write_tiles(pair: PairTrips, tiles: Sequence[Tile], connection: psycopg.Connection) -> None:
    """Replaces the pair's tiles in the open transaction, and records which files' trips they contain."""
    where = [pair.region_id, pair.week]
    connection.execute("DELETE FROM shifts_store.weekly_trip_tiles WHERE region_id = %s AND week = %s", where)
    statement = f"COPY shifts_store.weekly_trip_tiles ({_COLUMNS}) FROM STDIN (FORMAT binary)"
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types(_TYPES)
        for number, tile in enumerate(tiles):
            copy.write_row((*where, number, tile.trips, tile.leaves, tile.high_bits, tile.low_bits))
    connection.execute(
        "SELECT shifts_store.record_tiles(%s, %s, %s::bigint[])", [*where, list(pair.file_ids)]
    )


def totals(connection: psycopg.Connection, pair: PairTrips) -> tuple[int, int]:
    """Trips in the pair's tiles, and trips that the loads of the same files recorded; in the open transaction."""
    row = connection.execute(
        "SELECT trips_in_tiles, trips_recorded FROM shifts_store.tile_totals(%s, %s)",
        [pair.region_id, pair.week],
    ).fetchone()
    assert row is not None
    return row[0], row[1]
