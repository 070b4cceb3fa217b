"""Merges the segments of a (region, week) pair, and totals its tiles for the asset check."""

from collections.abc import Sequence

import psycopg

from shifts_core.tiles.codec import Tile
from shifts_pipeline.storage.region_week import PairTrips
from shifts_pipeline.storage.segments import copy_tiles, reserve


class SegmentsReplaced(RuntimeError):  # noqa: N818  a state of the database, not a fault
    """Another worker has merged the same segments meanwhile."""


def merge_segments(pair: PairTrips, tiles: Sequence[Tile], connection: psycopg.Connection) -> None:
    """Replaces the segments that the pair had when it was read by one of these tiles, in the open transaction.

    A pair with only one unmerged segment keeps it. Segments of later loads and deletions stay: they are added to and
    subtracted from the new one.

    Raises:
        SegmentsReplaced: roll back.
    """
    segment = pair.unmerged
    if segment is None and tiles:
        (segment,) = reserve(connection, 1)
        copy_tiles(connection, [(pair.region_id, pair.week, segment, tiles)])
    row = connection.execute(
        "SELECT shifts_store.replace_segments(%s, %s, %s::bigint[], %s::bigint, %s, %s::bigint[])",
        [
            pair.region_id,
            pair.week,
            list(pair.segments),
            segment,
            len(pair.trip_ids),
            list(pair.file_ids),
        ],
    ).fetchone()
    if row != (True,):
        raise SegmentsReplaced(f"segments of {pair.region} {pair.week} were merged meanwhile")


def totals(connection: psycopg.Connection, pair: PairTrips) -> tuple[int, int]:
    """Trips in the pair's tiles, and trips that the loads of the same files recorded; in the open transaction."""
    row = connection.execute(
        "SELECT trips_in_tiles, trips_recorded FROM shifts_store.tile_totals(%s, %s)",
        [pair.region_id, pair.week],
    ).fetchone()
    assert row is not None
    return row[0], row[1]
