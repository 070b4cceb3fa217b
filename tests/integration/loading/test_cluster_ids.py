"""Ids of clusters are unique within a week, also when two regions get the same one at the same moment."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import psycopg
import pytest

from shifts_core.clustering.estimator import TripClusterer
from shifts_core.ids import first_id
from shifts_pipeline.storage import cluster_tables
from shifts_pipeline.storage.cluster_tables import PairClusters, cluster_pair, write_clusters
from shifts_pipeline.storage.region_week import read_pair
from tests.citus import is_waiting_for_lock
from tests.integration.loading.loading import Loader
from tests.integration.pipeline.commuters import MONDAY, commuters
from tests.integration.platform.running import wait_until


def test_two_regions_with_the_same_id_at_the_same_moment_get_two(
    loader: Loader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        cluster_tables,
        "cluster_ids",
        lambda _, week, labels, *__: first_id(week) + np.unique(labels[labels >= 0]),
    )
    with (
        psycopg.connect(loader.url, autocommit=True) as first,
        psycopg.connect(loader.url, autocommit=True) as second,
    ):

        def clusters_of(region: str) -> PairClusters:
            loader.put(f"{region}.csv", commuters(45.0, weeks=1, region=region).encode())
            loader.load(f"{region}.csv")
            trips = read_pair(first, region, MONDAY)
            assert trips is not None
            return cluster_pair(trips, TripClusterer())

        pairs = [clusters_of("Turin"), clusters_of("Prague")]

        def write(pair: PairClusters) -> None:
            with second.transaction():
                write_clusters([pair], second)

        with ThreadPoolExecutor(1) as pool:
            with first.transaction():
                write_clusters([pairs[0]], first)
                writing = pool.submit(write, pairs[1])
                wait_until(lambda: is_waiting_for_lock(loader.url))
            writing.result()
    found = [id_ for (id_,) in loader.query("SELECT cluster_id FROM shifts.clusters")]
    assert len(found) == len(set(found)) == sum(len(pair.rows) for pair in pairs) > 1
