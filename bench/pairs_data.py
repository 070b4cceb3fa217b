"""Many (region, week) pairs with few trips each, as loads and refreshes leave them."""

from datetime import date, timedelta

import numpy as np
import psycopg

from shifts_core.tiles.build import build_tiles
from shifts_core.tiles.codec import Tile
from shifts_core.time_filter import MINUTES_OF_WEEK
from shifts_pipeline.storage.segments import copy_tiles

_FIRST_WEEK = date(2014, 1, 6)
_DISTINCT = 200
"""Number of distinct pairs; the others are copies."""


def fill_pairs(url: str, regions: int, weeks: int, trips: int) -> None:
    """Writes pairs as a load and a refresh leave them, without the trips, which the benchmark does not read."""
    rng = np.random.default_rng(0)
    tiles = [_tile(rng, trips) for _ in range(_DISTINCT)]
    with psycopg.connect(url) as connection:
        connection.execute(
            "SELECT shifts_store.region_ids(array_agg(format('Region %%s', n))) FROM generate_series(1, %s) n",
            [regions],
        )
        connection.execute(
            "INSERT INTO shifts_store.trip_files (uri, name, version, status, published_at)"
            " VALUES ('bench:pairs', 'pairs.csv', '1', 'loaded', now())"
        )
        pairs = [(r, w) for r in range(1, regions + 1) for w in range(weeks)]
        counts = [tiles[(r * weeks + w) % _DISTINCT].trips for r, w in pairs]
        mondays = [_FIRST_WEEK + timedelta(weeks=w) for _, w in pairs]
        starts = [f"{monday}T08:00:00" for monday in mondays]
        connection.execute(
            "SELECT shifts_store.record_file((SELECT max(file_id) FROM shifts_store.trip_files),"
            " %s::integer[], %s::date[], %s::bigint[], %s::timestamp[], %s::timestamp[])",
            [[r for r, _ in pairs], mondays, counts, starts, starts],
        )
        copy_tiles(
            connection,
            (
                (region, monday, 0, [tiles[(region * weeks + week) % _DISTINCT]])
                for (region, week), monday in zip(pairs, mondays, strict=True)
            ),
        )
        connection.execute(
            "INSERT INTO shifts_store.tile_segments (region_id, week, revision, segment, trips)"
            " SELECT w.region_id, w.week, w.revision, 0, t.trips FROM shifts_store.region_weeks w"
            " JOIN shifts_store.weekly_trip_tiles t USING (region_id, week)"
        )
        connection.execute(
            "UPDATE shifts_store.region_weeks SET tiles_revision = revision, merged_revision = revision,"
            " aggregates_revision = revision, clusters_revision = revision"
        )
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")


def _tile(rng: np.random.Generator, trips: int) -> Tile:
    ends = np.round(rng.normal([7.65, 45.05] * 2, 0.05, (rng.poisson(trips) + 1, 4)), 6)
    (tile,) = build_tiles(ends, rng.integers(0, MINUTES_OF_WEEK, len(ends), np.uint16))
    return tile
