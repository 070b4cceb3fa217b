"""Which columns of `raw_trips` the columns of the weekly assets are computed from, for the Dagster UI."""

import dagster as dg

from shifts_pipeline.asset_keys import RAW_TRIPS

_TIMES = ("started_at",)
_POINTS = ("origin", "destination")


def _lineage(sources: dict[str, tuple[str, ...]]) -> dg.TableColumnLineage:
    return dg.TableColumnLineage(
        {column: [dg.TableColumnDep(RAW_TRIPS, name) for name in names] for column, names in sources.items()}
    )


TRIP_CLUSTERS_LINEAGE = _lineage(
    {
        "cluster_id": ("region_id", *_TIMES, *_POINTS),
        "region_id": ("region_id",),
        "week": _TIMES,
        "time_bin": _TIMES,
        "trips": ("trip_id",),
        "radius_m": _POINTS,
        "typical_time": _TIMES,
        "earliest_time": _TIMES,
        "latest_time": _TIMES,
        "share_of_bin": _TIMES,
        "origin": ("origin",),
        "destination": ("destination",),
    }
)
"""Columns of `trip_clusters`. Which trips form a cluster depends on their times and points, in every column."""

WEEKLY_TILES_LINEAGE = _lineage(
    {
        "region_id": ("region_id",),
        "week": _TIMES,
        "tile": _POINTS,
        "trips": ("trip_id",),
        "leaves": _POINTS,
        "high_bits": _POINTS,
        "low_bits": _POINTS,
    }
)
"""Columns of `weekly_trip_tiles`."""
