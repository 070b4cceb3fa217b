"""Weeks that are up to date are not called unsynced because of files that they have no trips of."""

from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest

from shifts_pipeline.asset_keys import TRIP_CLUSTERS, WEEKLY_AGGREGATES
from tests.integration.pipeline.harness import HEADER, Pipeline, row


def test_neither_a_new_nor_a_failed_file_makes_other_weeks_unsynced(pipeline: Pipeline) -> None:
    pipeline.put("a.csv", HEADER + row())
    pipeline.load()
    pipeline.refresh()
    pipeline.put("b.csv", HEADER + row(moment="2018-12-31 09:00:00"))
    pipeline.put("broken.csv", "no trips\n")
    pipeline.load()
    graph = pipeline.defs.get_repository_def().asset_graph
    context = LoadingContextForTest(pipeline.instance)
    resolver = CachingStaleStatusResolver(pipeline.instance, graph, loading_context=context)
    for asset_key in (WEEKLY_AGGREGATES, TRIP_CLUSTERS):
        assert resolver.get_status(asset_key, "2018-05-28") == StaleStatus.FRESH
