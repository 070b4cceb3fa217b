"""The asset `trip_clusters`: clusters of trips and their members, one (region, week) pair at a time."""

import time
from collections.abc import Iterator, Sequence
from datetime import date
from functools import partial
from typing import Any

import dagster as dg

from shifts_pipeline.asset_keys import RAW_TRIPS, TRIP_CLUSTERS
from shifts_pipeline.assets import trip_clusters_metadata
from shifts_pipeline.assets.metadata import optional_metadata
from shifts_pipeline.assets.refresh import PairEvent, refresh_pairs
from shifts_pipeline.checks.cluster_guarantees import cluster_guarantees, cluster_guarantees_specs
from shifts_pipeline.partitions import region_weeks
from shifts_pipeline.resources.clustering import ClusteringParameters
from shifts_pipeline.resources.trips_database import TripsDatabase
from shifts_pipeline.resources.worker_lock import WorkerLock
from shifts_pipeline.storage.cluster_tables import cluster_pair, write_clusters
from shifts_pipeline.storage.cluster_violations import find_violations
from shifts_pipeline.storage.region_week import read_pair, replace_derived

_MAX_PAIRS_WITH_PLOTS = 30


def trip_clusters(first_week: date) -> dg.AssetsDefinition:
    """Build the asset; `first_week` is the Monday of its first partition."""

    partitions = region_weeks(first_week)

    @dg.asset(
        key=TRIP_CLUSTERS,
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        deps=[dg.AssetDep(RAW_TRIPS, partition_mapping=dg.AllPartitionMapping())],
        output_required=False,
        check_specs=cluster_guarantees_specs(partitions),
        group_name="trips",
        kinds={"postgres", "numba", "scikitlearn"},
        owners=["team:platform"],
        code_version="1",
        pool="trip_clusters",
        description="Clusters of trips that are close in origin, destination and time of day.",
        metadata={"dagster/table_name": "shifts_store.trip_clusters"},
    )
    def asset(
        context: dg.AssetExecutionContext,
        trips_database: TripsDatabase,
        worker_lock: WorkerLock,
        clustering: ClusteringParameters,
    ) -> Iterator[PairEvent | dg.Output[Any]]:
        # scikit-learn takes a second to import, which runs of the other assets need not pay.
        from shifts_core.clustering.estimator import TripClusterer  # noqa: PLC0415

        del worker_lock  # held for the whole run
        clusterer = TripClusterer(
            eps_m=clustering.eps_m,
            min_trips=clustering.min_trips,
            max_radius_m=clustering.max_radius_m,
            window_s=60.0 * clustering.time_bin_minutes,
        )
        plots_left = _MAX_PAIRS_WITH_PLOTS
        with trips_database.connect() as connection:

            def refresh(key: str, region: str, week: date) -> Sequence[PairEvent]:
                nonlocal plots_left
                start = time.perf_counter()
                trips = read_pair(connection, region, week)
                if trips is None:
                    return ()
                pair = cluster_pair(trips, clusterer)
                if not replace_derived(connection, trips, "clusters", partial(write_clusters, pair)):
                    context.log.info("%s: a load has deleted trips meanwhile; the pair stays stale", key)
                    return ()
                violations = find_violations(
                    connection,
                    trips.region_id,
                    week,
                    max_radius_m=clustering.max_radius_m,
                    min_trips=clustering.min_trips,
                )
                seconds = time.perf_counter() - start
                metadata = optional_metadata(
                    context.log, lambda: trip_clusters_metadata.figures(pair, seconds)
                )
                if len(pair.clusters) and plots_left > 0:
                    plots_left -= 1
                    metadata |= optional_metadata(
                        context.log, lambda: trip_clusters_metadata.strongest_flows(pair)
                    )
                return (
                    dg.AssetMaterialization(
                        asset_key=TRIP_CLUSTERS,
                        partition=key,
                        description=f"{trip_clusters_metadata.title(pair)} with {pair.clusters['trips'].sum():,}"
                        f" of {len(trips.trip_ids):,} trips",
                        metadata=metadata,
                    ),
                    *cluster_guarantees(key, violations),
                )

            yield from refresh_pairs(context, connection, "clusters", refresh)

    return asset
