"""The asset `trip_clusters`: groups of similar trips and which trips are in each, one (region, week) at a time."""

import time
from collections.abc import Iterator, Sequence
from datetime import date
from functools import partial
from typing import Any

import dagster as dg
import numpy as np

from shifts_core.clustering.clusters import Similarity
from shifts_pipeline.asset_keys import RAW_TRIPS, TRIP_CLUSTERS
from shifts_pipeline.assets import plots as pictures
from shifts_pipeline.assets.metadata import optional_metadata
from shifts_pipeline.assets.refresh import PairEvent, refresh_pairs
from shifts_pipeline.display_text import printable
from shifts_pipeline.partitions import region_weeks
from shifts_pipeline.resources.clustering import ClusteringParameters
from shifts_pipeline.resources.trips_database import TripsDatabase
from shifts_pipeline.resources.worker_lock import WorkerLock
from shifts_pipeline.storage.cluster_tables import PairGroups, broken_promises, group_pair, write_groups
from shifts_pipeline.storage.region_week import read_pair, replace_derived

WITHIN_RADIUS = "every_group_is_within_its_radius"
MEMBERS_BELONG = "every_member_belongs_to_its_group"
PAIRS_WITH_PICTURES = 30
_FLOWS_DRAWN = 60


def trip_clusters(first_week: date) -> dg.AssetsDefinition:
    """The asset, for a calendar that begins with a Monday."""

    partitions = region_weeks(first_week)

    @dg.asset(
        key=TRIP_CLUSTERS,
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        deps=[dg.AssetDep(RAW_TRIPS, partition_mapping=dg.AllPartitionMapping())],
        output_required=False,
        check_specs=[
            dg.AssetCheckSpec(
                WITHIN_RADIUS,
                asset=TRIP_CLUSTERS,
                partitions_def=partitions,
                description="Every trip is as near to its group's centroid as the group says, at both ends,"
                " and no group is wider than allowed; measured by PostGIS on what was written.",
            ),
            dg.AssetCheckSpec(
                MEMBERS_BELONG,
                asset=TRIP_CLUSTERS,
                partitions_def=partitions,
                description="Every group has at least the least number of trips; its trips exist, in its"
                " region, week and time window, and are in no other group.",
            ),
        ],
        group_name="trips",
        kinds={"postgres", "numba"},
        owners=["team:platform"],
        code_version="1",
        pool="trip_clusters",
        description="Groups of trips that are similar in origin, destination and time of day.",
        metadata={"dagster/table_name": "shifts_store.trip_clusters"},
    )
    def asset(
        context: dg.AssetExecutionContext,
        trips_database: TripsDatabase,
        worker_lock: WorkerLock,
        clustering: ClusteringParameters,
    ) -> Iterator[PairEvent | dg.Output[Any]]:
        del worker_lock  # held for the run, not used
        parameters = Similarity(
            eps_m=clustering.eps_m,
            min_trips=clustering.min_trips,
            max_radius_m=clustering.max_radius_m,
            window_s=60.0 * clustering.time_bin_minutes,
        )
        pictures_left = PAIRS_WITH_PICTURES
        with trips_database.connect() as connection:

            def refresh(key: str, region: str, week: date) -> Sequence[PairEvent]:
                nonlocal pictures_left
                begun = time.perf_counter()
                trips = read_pair(connection, region, week)
                if trips is None:
                    return ()
                pair = group_pair(trips, parameters)
                if not replace_derived(connection, trips, "clusters", partial(write_groups, pair)):
                    context.log.info("%s: trips were replaced meanwhile; the pair stays stale", key)
                    return ()
                wide, astray = broken_promises(connection, pair, parameters)
                seconds = time.perf_counter() - begun
                metadata = optional_metadata(context.log, lambda: _metadata(pair, seconds))
                if len(pair.ids) and pictures_left > 0:
                    pictures_left -= 1
                    metadata |= optional_metadata(context.log, lambda: _picture(pair))
                return (
                    dg.AssetMaterialization(
                        asset_key=TRIP_CLUSTERS,
                        partition=key,
                        description=f"{_title(pair)} hold {pair.groups.sizes.sum():,}"
                        f" of {len(trips.trip_ids):,} trips",
                        metadata=metadata,
                    ),
                    _check(WITHIN_RADIUS, key, wide),
                    _check(MEMBERS_BELONG, key, astray),
                )

            yield from refresh_pairs(context, connection, "clusters", refresh)

    return asset


def _check(name: str, key: str, broken: list[int]) -> dg.AssetCheckEvaluation:
    return dg.AssetCheckEvaluation(
        asset_key=TRIP_CLUSTERS,
        check_name=name,
        passed=not broken,
        metadata={"broken": len(broken), "examples": broken[:20]},
        partition=key,
    )


def _title(pair: PairGroups) -> str:
    return f"{printable(pair.trips.region)} {pair.trips.week:%G-W%V}: {len(pair.ids):,} groups"


def _metadata(pair: PairGroups, seconds: float) -> dict[str, dg.MetadataValue]:
    groups, trips = pair.groups, len(pair.trips.trip_ids)
    grouped = int(groups.sizes.sum())
    numbers: dict[str, int | float] = {
        "dagster/partition_row_count": len(pair.ids),
        "trips": trips,
        "trips_grouped": grouped,
        "share_grouped": round(grouped / max(trips, 1), 4),
        "seconds": round(seconds, 2),
    }
    if len(pair.ids):
        p50, p95 = np.percentile(groups.radii_m, [50, 95])
        numbers |= {
            "largest_group": int(groups.sizes[0]),
            "radius_m_median": round(float(p50), 1),
            "radius_m_p95": round(float(p95), 1),
            "radius_m_largest": round(float(groups.radii_m.max()), 1),
        }
    return {
        name: dg.MetadataValue.int(value) if isinstance(value, int) else dg.MetadataValue.float(value)
        for name, value in numbers.items()
    }


def _picture(pair: PairGroups) -> dict[str, dg.MetadataValue]:
    groups = pair.groups
    picture = pictures.flows_map(
        groups.centroids[:_FLOWS_DRAWN], groups.sizes[:_FLOWS_DRAWN], f"{_title(pair)}, strongest flows"
    )
    return {"strongest_flows": picture}
