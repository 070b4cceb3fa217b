"""A large backlog: each tick does a bounded amount of work, and statistics are ready before clusters."""

from collections.abc import Sequence
from datetime import date, timedelta

import dagster as dg
import numpy as np
import psycopg
import pytest

from shifts_core.trips.batch import Batch
from shifts_pipeline.assets.event_log import pool_connections
from shifts_pipeline.partitions import REGIONS, TRIP_FILES
from shifts_pipeline.sensors import load_plan
from shifts_pipeline.sensors import queued_files as queued_files_module
from shifts_pipeline.sensors.load_plan import MAX_FILES_PER_RUN
from shifts_pipeline.sensors.queued_files import MAX_RUNS_PER_TICK, queued_files
from shifts_pipeline.sensors.refresh_plan import MAX_PAIRS_PER_RUN
from shifts_pipeline.sensors.refresh_plan import MAX_UNFINISHED_RUNS as REFRESHES_AT_ONCE
from shifts_pipeline.sensors.stale_weeks import stale_weeks
from shifts_pipeline.storage.encode_trips import TripEncoder
from tests.integration.pipeline.harness import HEADER, Pipeline, row

AGGREGATES, CLUSTERS = dg.AssetKey("weekly_aggregates"), dg.AssetKey("trip_clusters")


def make_stale(pipeline: Pipeline, regions: int, weeks: int) -> None:
    """Books pairs without trips, as one large load would; the first region is the oldest."""
    pipeline.execute(
        f"INSERT INTO shifts_store.regions (name) SELECT 'R' || n FROM generate_series(1, {regions}) n"
    )
    pipeline.execute(
        "INSERT INTO shifts_store.region_weeks (region_id, week, revision, changed_at, stale_since)"
        " SELECT region_id, date '2018-01-01' + 7 * w, 1, now(), now() - interval '5 min'"
        " + region_id * interval '1 ms'"
        f" FROM shifts_store.regions, generate_series(0, {weeks - 1}) w"
    )
    pipeline.execute("ANALYZE shifts_store.region_weeks")


def queue_files(pipeline: Pipeline, count: int) -> None:
    pipeline.execute(
        "INSERT INTO shifts_store.trip_files (uri, name, version, size_bytes)"
        f" SELECT 'file:' || n, n || '.csv', '1', 1 FROM generate_series(1, {count}) n"
    )


def areas(requests: list[dg.RunRequest]) -> list[tuple[str, str]]:
    """First and last partition of each request."""
    ends = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
    return [(request.tags[ends[0]], request.tags[ends[1]]) for request in requests]


def create_run(pipeline: Pipeline, job: str, request: dg.RunRequest) -> dg.DagsterRun:
    """An unfinished run, as the daemon makes one of a request."""
    pool_connections(pipeline.instance)
    found = pipeline.defs.resolve_job_def(job)
    selection = request.asset_selection
    return pipeline.instance.create_run_for_job(
        found.get_subset(asset_selection=set(selection)) if selection else found,
        tags=dict(request.tags),
        status=dg.DagsterRunStatus.NOT_STARTED,
        asset_selection=frozenset(selection) if selection else None,
    )


@pytest.fixture
def any_backlog(monkeypatch: pytest.MonkeyPatch) -> None:
    """However few trips wait, clusters wait for aggregates."""
    monkeypatch.setattr("shifts_pipeline.sensors.refresh_plan.BACKLOG_TRIPS", -1)


@pytest.mark.timeout(120)
@pytest.mark.usefixtures("any_backlog")
def test_a_tick_over_a_hundred_thousand_stale_pairs_requests_the_oldest_in_few_runs(
    pipeline: Pipeline,
) -> None:
    make_stale(pipeline, 2_000, 50)
    requests = pipeline.tick(stale_weeks).run_requests
    assert len(requests) == REFRESHES_AT_ONCE
    regions_a_run = MAX_PAIRS_PER_RUN // 50
    assert areas(requests) == [
        (f"R{first}|2018-01-01", f"R{first + regions_a_run - 1}|2018-12-10")
        for first in range(1, REFRESHES_AT_ONCE * regions_a_run, regions_a_run)
    ]
    assert {tuple(request.asset_selection) for request in requests} == {(AGGREGATES,)}
    assert len(pipeline.instance.get_dynamic_partitions(str(REGIONS.name))) == len(requests) * regions_a_run


@pytest.mark.usefixtures("any_backlog")
def test_runs_that_are_queued_are_not_requested_again_and_the_next_pairs_follow(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shifts_pipeline.sensors.refresh_plan.MAX_UNFINISHED_RUNS", 2)
    make_stale(pipeline, 200, 50)
    requests = pipeline.tick(stale_weeks).run_requests
    for request in requests:
        create_run(pipeline, "refresh_weeks", request)
    assert not pipeline.tick(stale_weeks).run_requests
    (first, *_) = pipeline.instance.get_runs()
    pipeline.instance.delete_run(first.run_id)
    pipeline.execute(
        "UPDATE shifts_store.region_weeks SET aggregates_revision = revision WHERE region_id <= 20"
    )
    (following,) = pipeline.tick(stale_weeks).run_requests
    assert areas([following]) == [("R21|2018-01-01", "R30|2018-12-10")]


@pytest.mark.usefixtures("any_backlog")
def test_with_a_backlog_all_aggregates_are_computed_before_any_clusters(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shifts_pipeline.sensors.refresh_plan.MAX_PAIRS_PER_RUN", 2)
    days = [date(2018, 5, 28) + timedelta(weeks=week) for week in range(3)]
    pipeline.put(
        "a.csv",
        HEADER + "".join(row(region, f"{day} 08:00:00") for region in ("Prague", "Turin") for day in days),
    )
    pipeline.load()
    runs = pipeline.refresh()
    assert all(run.success for run in runs)
    order = [
        event.asset_key
        for run in runs
        for event in run.all_events
        if event.event_type == dg.DagsterEventType.ASSET_MATERIALIZATION
    ]
    assert order == [AGGREGATES] * 6 + [CLUSTERS] * 6
    assert pipeline.query("SELECT FROM shifts_store.stale_weeks") == []


def test_in_a_run_over_both_derived_tables_aggregates_come_first(pipeline: Pipeline) -> None:
    pipeline.put("a.csv", HEADER + row("Prague") + row("Turin"))
    pipeline.load()
    (run,) = pipeline.refresh()
    order = [e.asset_key for e in run.all_events if e.event_type == dg.DagsterEventType.ASSET_MATERIALIZATION]
    assert order == [AGGREGATES] * 2 + [CLUSTERS] * 2


def test_runs_with_aggregates_leave_dagsters_queue_first(pipeline: Pipeline) -> None:
    make_stale(pipeline, 100, 50)
    (request, *_) = pipeline.tick(stale_weeks).run_requests
    assert request.tags["dagster/priority"] == "1"
    pipeline.execute("UPDATE shifts_store.region_weeks SET aggregates_revision = revision")
    (request, *_) = pipeline.tick(stale_weeks).run_requests
    assert request.asset_selection == [CLUSTERS]
    assert request.tags["dagster/priority"] == "0"


@pytest.mark.timeout(120)
def test_four_thousand_new_files_among_two_hundred_thousand_known_take_one_tick_to_begin(
    pipeline: Pipeline, dagster_database_url: str
) -> None:
    with psycopg.connect(dagster_database_url) as dagster:
        dagster.execute(
            "INSERT INTO dynamic_partitions (partitions_def_name, partition)"
            " SELECT 'trip_files', 'known ' || n FROM generate_series(1, 200000) n"
        )
    queue_files(pipeline, 4_000)
    requests = pipeline.tick(queued_files).run_requests
    assert len(requests) == MAX_RUNS_PER_TICK
    requested = pipeline.query(
        "SELECT min(file_id), max(file_id), count(*) FROM shifts_store.trip_files WHERE requested_at IS NOT NULL"
    )
    assert requested == [(1, MAX_RUNS_PER_TICK * MAX_FILES_PER_RUN, MAX_RUNS_PER_TICK * MAX_FILES_PER_RUN)]


def test_new_partitions_are_added_by_one_statement(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    added: list[int] = []
    add = dg.DagsterInstance.add_dynamic_partitions

    def counted(instance: dg.DagsterInstance, name: str, keys: Sequence[str]) -> None:
        added.append(len(keys))
        add(instance, name, keys)

    monkeypatch.setattr(dg.DagsterInstance, "add_dynamic_partitions", counted)
    queue_files(pipeline, 50)
    result = pipeline.tick(queued_files)
    assert not result.dynamic_partitions_requests
    assert added == [50]
    assert len(pipeline.instance.get_dynamic_partitions(str(TRIP_FILES.name))) == 50


def test_no_more_loads_are_requested_than_may_wait(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load_plan, "MAX_FILES_PER_RUN", 2)
    monkeypatch.setattr(queued_files_module, "MAX_RUNS_PER_TICK", 2)
    monkeypatch.setattr(queued_files_module, "MAX_UNFINISHED_RUNS", 3)
    queue_files(pipeline, 7)
    sizes = []
    for _ in range(4):
        requests = pipeline.tick(queued_files).run_requests
        sizes.append(len(requests))
        for request in requests:
            create_run(pipeline, "load_trip_files", request)
    assert sizes == [2, 1, 0, 0]
    pipeline.instance.delete_run(pipeline.instance.get_runs()[-1].run_id)
    assert len(pipeline.tick(queued_files).run_requests) == 1


def test_files_that_wait_for_their_runs_hide_no_new_ones(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queued_files_module, "MAX_FILES_PER_TICK", 10)
    queue_files(pipeline, 25)
    for expected in (10, 10, 5):
        (request,) = pipeline.tick(queued_files).run_requests
        create_run(pipeline, "load_trip_files", request)
        assert pipeline.query(
            "SELECT count(*) FROM shifts_store.trip_files WHERE run_request_id = %s",
            request.run_key,
        ) == [(expected,)]


@pytest.mark.timeout(60)
def test_a_file_with_a_hundred_thousand_regions_is_recorded_in_linear_time(database_url: str) -> None:
    size = 100_000
    names: list[str | None] = [f"region {number}" for number in range(size)]
    batch = Batch(
        points=np.zeros((size, 4)),
        started_at=np.full(size, 1_527_465_600_000_000, np.int64),
        regions=np.arange(size, dtype=np.int32),
        sources=np.zeros(size, np.int32),
        region_names=names,
        source_names=["x"],
        rejects=[],
    )
    with psycopg.connect(database_url, autocommit=True) as side:
        encoder = TripEncoder(side, 1)
        encoder.encode(batch)
        counts = encoder.week_counts()
    assert sorted(count.region for count in counts) == sorted(name for name in names if name)
