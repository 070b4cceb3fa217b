"""A pair or file whose refresh or plot fails delays no other, and is retried."""

from datetime import timedelta
from typing import Any

import dagster as dg
import psycopg
import pytest

from shifts_core.clustering.estimator import TripClusterer
from shifts_core.tiles.build import build_tiles
from shifts_core.tiles.codec import Tile
from shifts_pipeline.assets import plots, progress, raw_trips_metadata, week_metadata
from shifts_pipeline.assets import raw_trips as raw_trips_module
from shifts_pipeline.sensors.stale_weeks import stale_weeks
from shifts_pipeline.storage import refresh_batch, refresh_pair
from shifts_pipeline.storage.cluster_tables import PairClusters, cluster_pair
from shifts_pipeline.storage.file_audit import rows_match_ledger
from shifts_pipeline.storage.region_week import PairTrips
from tests.integration.pipeline.harness import HEADER, Pipeline, row

ODD_REGIONS = [r"$\frac$", "$", "a\tb\x01", "🚲 東京", "`x` [y](z)", "|%...," * 70, "x" * 1000]
ODD_FILES = [r"$\frac$.csv", "`x`[y](z) 🚲.csv", "tab\tand\x01.csv"]


class NoStopError(Exception):
    """Nothing that the pipeline knows."""


def cluster_errors(pipeline: Pipeline) -> list[tuple[Any, ...]]:
    return pipeline.query(
        "SELECT r.name, a.derived_table, a.attempts, a.error FROM shifts_store.refresh_attempts a"
        " JOIN shifts_store.regions r USING (region_id) ORDER BY 1, 2"
    )


def stale(pipeline: Pipeline) -> list[tuple[Any, ...]]:
    return pipeline.query(
        "SELECT region, aggregates_stale, clusters_stale FROM shifts_store.stale_weeks ORDER BY 1"
    )


def let_the_pause_pass(pipeline: Pipeline) -> None:
    pipeline.execute("UPDATE shifts_store.refresh_attempts SET retry_at = now() - interval '1 s'")


@pytest.fixture
def failing_prague(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(trips: PairTrips, clusterer: TripClusterer) -> PairClusters:
        if trips.region == "Prague":
            raise NoStopError("odd \0 rows \udc80")
        return cluster_pair(trips, clusterer)

    for module in (refresh_pair, refresh_batch):
        monkeypatch.setattr(module, "cluster_pair", fail)


def test_files_and_regions_of_any_name_are_loaded_drawn_and_refreshed(pipeline: Pipeline) -> None:
    rows = "".join(row('"' + region.replace('"', '""') + '"') * 6 for region in ODD_REGIONS)
    for number, name in enumerate(ODD_FILES):
        pipeline.put(name, HEADER + rows + row("Turin", f"2018-05-28 09:0{number}:00") + "`bad` | row\n")
    loads, refreshes = pipeline.load(), pipeline.refresh()
    assert all(run.success for run in (*loads, *refreshes))
    assert stale(pipeline) == []
    events = [
        event.step_materialization_data.materialization
        for run in (*loads, *refreshes)
        for event in run.all_events
        if event.event_type == dg.DagsterEventType.ASSET_MATERIALIZATION
    ]
    drawn = {
        (event.asset_key.to_user_string(), name)
        for event in events
        for name in event.metadata
        if "_" in name or name == "map"
    }
    for picture in (
        ("raw_trips", "trips_by_week"),
        ("raw_trips", "map"),
        ("weekly_aggregates", "trips_by_region"),
        ("trip_clusters", "strongest_flows"),
    ):
        assert picture in drawn
    assert len(events) == len(ODD_FILES) + 2


def test_no_failure_to_draw_or_describe_fails_a_run(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise NoStopError

    for name in ("trips_map", "flows_map"):
        monkeypatch.setattr(plots, name, fail)
    for name in ("_report_metadata", "weekly_bars"):
        monkeypatch.setattr(raw_trips_metadata, name, fail)
    monkeypatch.setattr(progress, "INTERVAL_S", -1.0)
    monkeypatch.setattr(progress, "publish_progress", fail)
    monkeypatch.setattr(week_metadata, "clusters_figures", fail)
    pipeline.put("a.csv", HEADER + row() * 6)
    runs = [*pipeline.load(), *pipeline.refresh()]
    assert all(run.success for run in runs)
    assert pipeline.ledger() == {"a.csv": ("loaded", 6, 0)}
    assert stale(pipeline) == []


def test_a_query_for_a_picture_that_fails_holds_up_no_other_file(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(connection: psycopg.Connection, file_id: int) -> None:
        with connection.transaction():
            connection.execute("SELECT 1 / 0")

    monkeypatch.setattr(raw_trips_metadata, "sample_trips", fail)
    pipeline.put("a.csv", HEADER + row())
    pipeline.put("b.csv", HEADER + row("Lyon"))
    (run,) = pipeline.load()
    assert run.success
    assert pipeline.ledger() == {"a.csv": ("loaded", 1, 0), "b.csv": ("loaded", 1, 0)}


def test_a_fault_after_a_commit_holds_up_no_other_file(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail_on_the_first(connection: psycopg.Connection, file_id: int) -> bool:
        if file_id == 1:
            connection.execute("SELECT 1 / 0")
        return rows_match_ledger(connection, file_id)

    monkeypatch.setattr(raw_trips_module, "rows_match_ledger", fail_on_the_first)
    pipeline.put("a.csv", HEADER + row())
    pipeline.put("b.csv", HEADER + row("Lyon"))
    (run,) = pipeline.load()
    assert not run.success
    assert pipeline.ledger() == {"a.csv": ("loaded", 1, 0), "b.csv": ("loaded", 1, 0)}


@pytest.mark.usefixtures("failing_prague")
def test_a_pair_that_fails_leaves_the_others_refreshed_and_is_named_at_the_end(pipeline: Pipeline) -> None:
    pipeline.put("a.csv", HEADER + "".join(row(region) for region in ("Hamburg", "Prague", "Turin")))
    pipeline.load()
    (run,) = pipeline.refresh()
    assert not run.success
    assert stale(pipeline) == [("Prague", False, True)]
    assert cluster_errors(pipeline) == [("Prague", "clusters", 1, "NoStopError: odd � rows �")]
    (failure,) = [event for event in run.all_events if event.event_type == dg.DagsterEventType.STEP_FAILURE]
    error = failure.step_failure_data.user_failure_data
    assert error is not None
    assert error.description == "Prague 2018-05-28: NoStopError: odd � rows �"
    # The week is complete in one table and not in the other.
    materialized = [
        (event.asset_key, event.partition)
        for event in run.all_events
        if event.event_type == dg.DagsterEventType.ASSET_MATERIALIZATION
    ]
    assert materialized == [(dg.AssetKey("weekly_aggregates"), "2018-05-28")]


@pytest.mark.usefixtures("failing_prague")
def test_a_failed_pair_pauses_alone_and_longer_each_time(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Longer than this test takes on any machine.
    monkeypatch.setattr("shifts_pipeline.storage.stale_pairs.FIRST_PAUSE", timedelta(hours=1))
    monkeypatch.setattr("shifts_pipeline.storage.stale_pairs.LONGEST_PAUSE", timedelta(hours=100))
    pipeline.put("a.csv", HEADER + "".join(row(region) for region in ("Hamburg", "Prague", "Turin")))
    pipeline.load()
    pipeline.refresh()
    assert pipeline.tick(stale_weeks).run_requests == []
    pipeline.put(
        "b.csv", HEADER + row("Turin", "2018-05-29 10:00:00") + row("Hamburg", "2018-05-29 10:00:00")
    )
    pipeline.load()
    # Its neighbours on both sides are refreshed at once, in a run over it.
    (run,) = pipeline.refresh()
    assert run.success
    assert stale(pipeline) == [("Prague", False, True)]
    pauses = []
    for _ in range(3):
        let_the_pause_pass(pipeline)
        (run,) = pipeline.refresh()
        assert not run.success
        (pause,) = pipeline.query("SELECT retry_at - now() FROM shifts_store.refresh_attempts")
        pauses.append(pause[0] / timedelta(hours=1))
    assert [round(pause) for pause in pauses] == [2, 4, 8]
    assert cluster_errors(pipeline)[0][2] == 4


def test_a_pair_that_recovers_is_forgotten_as_failed(
    pipeline: Pipeline, failing_prague: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline.put("a.csv", HEADER + row("Prague"))
    pipeline.load()
    pipeline.refresh()
    for module in (refresh_pair, refresh_batch):
        monkeypatch.setattr(module, "cluster_pair", cluster_pair)
    let_the_pause_pass(pipeline)
    (run,) = pipeline.refresh()
    assert run.success
    assert stale(pipeline) == []
    assert cluster_errors(pipeline) == []


def test_a_pair_on_which_a_worker_died_pauses_and_its_neighbours_go_on(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die() -> None:
        pipeline.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid() AND query = 'COMMIT'"
        )

    def tiles(ends: Any, minutes: Any) -> list[Tile]:
        if (ends > 50).any():
            die()
        return list(build_tiles(ends, minutes))

    monkeypatch.setattr(refresh_pair, "build_tiles", tiles)
    killer = row("Hamburg", origin=(9.0, 53.0), destination=(9.0, 53.0))
    # Two segments, so that tiles are built.
    pipeline.put("a.csv", HEADER + killer + row("Turin"))
    pipeline.put("b.csv", HEADER + killer * 2)
    pipeline.load()
    (request,) = pipeline.tick(stale_weeks).run_requests
    run = pipeline.run("refresh_weeks", dict(request.tags))
    assert not run.success
    assert [error[:3] for error in cluster_errors(pipeline)] == [("Hamburg", "aggregates", 1)]
    pipeline.refresh()
    assert stale(pipeline) == [("Hamburg", True, False)]


def test_a_region_with_a_name_of_any_length_is_refreshed(pipeline: Pipeline) -> None:
    pipeline.put("a.csv", HEADER + row('"' + "|" * 1000 + '"') + row("Turin"))
    pipeline.load()
    assert all(run.success for run in pipeline.refresh())
    assert stale(pipeline) == []
