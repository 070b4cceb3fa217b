"""The asset `trip_clusters`: groups of similar trips and which trips are in each, one (region, week) at a time."""

import time
from collections.abc import Iterator
from datetime import date
from functools import partial

import dagster as dg
import numpy as np

from shifts_pipeline import pictures
from shifts_pipeline.assets.raw_trips import RAW_TRIPS
from shifts_pipeline.cluster_tables import PairGroups, broken_promises, group_pair, write_groups
from shifts_pipeline.partitions import pair_of, region_weeks
from shifts_pipeline.region_week import is_stale, read_pair, replace_layer
from shifts_pipeline.resources import SimilarityParameters, TripsDatabase, WorkerLock
from shifts_pipeline.similarity.groups import Similarity
from shifts_pipeline.tags import ONLY_STALE

TRIP_CLUSTERS = dg.AssetKey("trip_clusters")
WITHIN_RADIUS = "every_group_is_within_its_radius"
MEMBERS_BELONG = "every_member_belongs_to_its_group"
PAIRS_WITH_PICTURES = 30
_FLOWS_DRAWN = 60


def trip_clusters(first_week: date) -> dg.AssetsDefinition:
    """The asset, for a calendar that begins with a Monday."""

    @dg.asset(
        key=TRIP_CLUSTERS,
        partitions_def=region_weeks(first_week),
        backfill_policy=dg.BackfillPolicy.single_run(),
        deps=[dg.AssetDep(RAW_TRIPS, partition_mapping=dg.AllPartitionMapping())],
        output_required=False,
        check_specs=[
            dg.AssetCheckSpec(
                WITHIN_RADIUS,
                asset=TRIP_CLUSTERS,
                description="Every trip is as near to its group's centroid as the group says, at both ends,"
                " and no group is wider than allowed; measured by PostGIS on what was written.",
            ),
            dg.AssetCheckSpec(
                MEMBERS_BELONG,
                asset=TRIP_CLUSTERS,
                description="Every group has at least the least number of trips; its trips exist, in its"
                " region, week and time window, and are in no other group.",
            ),
        ],
        group_name="trips",
        kinds={"postgres", "numba"},
        owners=["team:platform"],
        code_version="1",
        pool="weekly",
        description="Groups of trips that are similar in origin, destination and time of day.",
        metadata={"dagster/table_name": "shifts_store.trip_clusters"},
    )
    def asset(
        context: dg.AssetExecutionContext,
        trips_database: TripsDatabase,
        worker_lock: WorkerLock,
        similarity: SimilarityParameters,
    ) -> Iterator[dg.AssetCheckResult]:
        del worker_lock  # held for the run, not used
        parameters = Similarity(
            eps_m=similarity.eps_m,
            min_trips=similarity.min_trips,
            max_radius_m=similarity.max_radius_m,
            window_s=60.0 * similarity.time_bin_minutes,
        )
        broken: dict[str, list[str]] = {WITHIN_RADIUS: [], MEMBERS_BELONG: []}
        drawn = 0
        with trips_database.connect() as connection:
            for key in context.partition_keys:
                region, week = pair_of(key)
                if ONLY_STALE in context.run.tags and not is_stale(connection, "clusters", region, week):
                    continue
                begun = time.perf_counter()
                trips = read_pair(connection, region, week)
                if trips is None:
                    continue
                pair = group_pair(trips, parameters)
                if not replace_layer(connection, trips, "clusters", partial(write_groups, pair)):
                    context.log.info("%s: trips were replaced meanwhile; the pair stays stale", key)
                    continue
                wide, astray = broken_promises(connection, pair, parameters)
                broken[WITHIN_RADIUS] += [f"{key}: group {group}" for group in wide]
                broken[MEMBERS_BELONG] += [f"{key}: group {group}" for group in astray]
                drawn += bool(len(pair.ids))
                context.log_event(
                    _materialization(
                        key, pair, time.perf_counter() - begun, with_picture=drawn <= PAIRS_WITH_PICTURES
                    )
                )
        for check, groups in broken.items():
            yield dg.AssetCheckResult(
                check_name=check, passed=not groups, metadata={"broken": len(groups), "examples": groups[:20]}
            )

    return asset


def _materialization(
    key: str, pair: PairGroups, seconds: float, *, with_picture: bool
) -> dg.AssetMaterialization:
    groups, trips = pair.groups, len(pair.trips.trip_ids)
    grouped = int(groups.sizes.sum())
    metadata: dict[str, dg.MetadataValue | int | float | str] = {
        "dagster/partition_row_count": len(pair.ids),
        "trips": trips,
        "trips_grouped": grouped,
        "share_grouped": round(grouped / max(trips, 1), 4),
        "seconds": round(seconds, 2),
    }
    if len(pair.ids):
        p50, p95 = np.percentile(groups.radii_m, [50, 95])
        metadata |= {
            "largest_group": int(groups.sizes[0]),
            "radius_m_median": round(float(p50), 1),
            "radius_m_p95": round(float(p95), 1),
            "radius_m_largest": round(float(groups.radii_m.max()), 1),
        }
        if with_picture:
            metadata["strongest_flows"] = pictures.flows_map(
                groups.centroids[:_FLOWS_DRAWN],
                groups.sizes[:_FLOWS_DRAWN],
                f"{pair.trips.region} {pair.trips.week:%G-W%V}: {len(pair.ids):,} groups, strongest flows",
            )
    return dg.AssetMaterialization(
        asset_key=TRIP_CLUSTERS,
        partition=key,
        description=f"{pair.trips.region} {pair.trips.week:%G-W%V}: {len(pair.ids):,} groups"
        f" hold {grouped:,} of {trips:,} trips",
        metadata=metadata,
    )
