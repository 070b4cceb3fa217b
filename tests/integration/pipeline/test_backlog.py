"""A large backlog: each tick does a bounded amount of work, and aggregates are ready before clusters."""

from collections.abc import Sequence
from typing import Any

import dagster as dg
import numpy as np
import psycopg
import pytest

from shifts_core.trips.batch import Batch
from shifts_pipeline.partitions import TRIP_FILES, WEEKS
from shifts_pipeline.sensors import load_plan
from shifts_pipeline.sensors import queued_files as queued_files_module
from shifts_pipeline.sensors import stale_weeks as stale_weeks_module
from shifts_pipeline.sensors.file_partitions import MAX_PARTITIONS
from shifts_pipeline.sensors.queued_files import MAX_NAMES_REQUESTED_PER_TICK, queued_files
from shifts_pipeline.sensors.refresh_plan import MAX_PAIRS_PER_RUN
from shifts_pipeline.sensors.refresh_plan import MAX_UNFINISHED_RUNS as REFRESHES_AT_ONCE
from shifts_pipeline.sensors.stale_weeks import stale_weeks
from shifts_pipeline.storage import stale_pairs
from shifts_pipeline.storage.encode_trips import TripEncoder
from tests.integration.pipeline.harness import HEADER, Pipeline, row

AGGREGATES, CLUSTERS = dg.AssetKey("weekly_aggregates"), dg.AssetKey("trip_clusters")


def make_stale(pipeline: Pipeline, regions: int, weeks: int) -> None:
    """Records pairs without trips, as one large load would; the first week is the oldest."""
    pipeline.execute(
        f"INSERT INTO shifts_store.regions (name) SELECT 'R' || n FROM generate_series(1, {regions}) n"
    )
    pipeline.execute(
        "INSERT INTO shifts_store.region_weeks (region_id, week, revision, changed_at, stale_since)"
        " SELECT region_id, date '2018-01-01' + 7 * w, 1, now(), now() - interval '5 min'"
        " + w * interval '1 s'"
        f" FROM shifts_store.regions, generate_series(0, {weeks - 1}) w"
    )
    pipeline.execute("ANALYZE shifts_store.region_weeks")


def queue_files(pipeline: Pipeline, count: int) -> None:
    pipeline.execute(
        "INSERT INTO shifts_store.trip_files (uri, name, version, size_bytes)"
        f" SELECT 'file:' || n, n || '.csv', '1', 1 FROM generate_series(1, {count}) n"
    )


def ends(requests: list[dg.RunRequest]) -> list[tuple[str, str]]:
    """First and last week of each request."""
    return [
        (
            request.tags["dagster/asset_partition_range_start"],
            request.tags["dagster/asset_partition_range_end"],
        )
        for request in requests
    ]


def create_run(pipeline: Pipeline, job: str, request: dg.RunRequest) -> dg.DagsterRun:
    """An unfinished run, as the daemon makes one of a request."""
    return pipeline.instance.create_run_for_job(
        pipeline.defs.resolve_job_def(job),
        tags=dict(request.tags),
        status=dg.DagsterRunStatus.NOT_STARTED,
    )


@pytest.mark.timeout(240)
def test_a_tick_over_half_a_million_stale_pairs_reads_a_bounded_number_of_them(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_stale(pipeline, 10_000, 50)
    read: list[int] = []

    def due_pairs(*arguments: Any) -> list[stale_pairs.Pair]:
        found = real_due_pairs(*arguments)
        read.append(len(found))
        return found

    real_due_pairs = stale_pairs.due_pairs
    monkeypatch.setattr(stale_pairs, "due_pairs", due_pairs)
    requests = pipeline.tick(stale_weeks).run_requests
    # A week has more pairs than a run is meant for, so it is a run of its own.
    assert ends(requests) == [
        (week, week) for week in ("2018-01-01", "2018-01-08", "2018-01-15", "2018-01-22")
    ]
    assert read == [10_000] * 4
    assert sum(read) <= REFRESHES_AT_ONCE * MAX_PAIRS_PER_RUN + 10_000
    assert len(pipeline.instance.get_dynamic_partitions(str(WEEKS.name))) == 50
    with psycopg.connect(pipeline.url) as connection:
        assert len(stale_pairs.weeks_with_stale_pairs(connection)) == 50
        rows = connection.execute(
            "SELECT seq_tup_read, idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'region_weeks'"
        ).fetchall()
    ((by_scan, by_index),) = rows
    assert by_scan == 0
    assert by_index <= 51


def test_a_tick_requests_no_more_runs_than_may_be_unfinished(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shifts_pipeline.sensors.refresh_plan.MAX_PAIRS_PER_RUN", 100)
    make_stale(pipeline, 100, 20)
    requests = pipeline.tick(stale_weeks).run_requests
    assert len(set(ends(requests))) == len(requests) == REFRESHES_AT_ONCE
    assert ends(requests)[0] == ("2018-01-01", "2018-01-01")


def test_weeks_that_are_queued_are_not_requested_again_and_the_next_ones_follow(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shifts_pipeline.sensors.refresh_plan.MAX_UNFINISHED_RUNS", 2)
    monkeypatch.setattr("shifts_pipeline.sensors.refresh_plan.MAX_PAIRS_PER_RUN", 200)
    make_stale(pipeline, 100, 8)
    requests = pipeline.tick(stale_weeks).run_requests
    assert ends(requests) == [("2018-01-01", "2018-01-08"), ("2018-01-15", "2018-01-22")]
    runs = [create_run(pipeline, "refresh_weeks", request) for request in requests]
    assert not pipeline.tick(stale_weeks).run_requests
    pipeline.instance.delete_run(runs[0].run_id)
    pipeline.execute(
        "UPDATE shifts_store.region_weeks SET aggregates_revision = revision, clusters_revision = revision"
        " WHERE week <= '2018-01-08'"
    )
    (following,) = pipeline.tick(stale_weeks).run_requests
    assert ends([following]) == [("2018-01-29", "2018-02-05")]


def test_idle_workers_are_requested_for_a_large_week(pipeline: Pipeline) -> None:
    make_stale(pipeline, 1_000, 1)
    requests = pipeline.tick(stale_weeks).run_requests
    assert ends(requests) == [("2018-01-01", "2018-01-01")] * 2
    first, second = (create_run(pipeline, "refresh_weeks", request) for request in requests)
    assert not pipeline.tick(stale_weeks).run_requests
    pipeline.instance.report_run_canceled(second)
    assert len(pipeline.tick(stale_weeks).run_requests) == 1
    pipeline.execute(
        "UPDATE shifts_store.region_weeks SET aggregates_revision = revision, clusters_revision = revision"
        " WHERE region_id > 10"
    )
    assert not pipeline.tick(stale_weeks).run_requests
    assert first.run_id in {run.run_id for run in pipeline.instance.get_runs()}


def test_weeks_that_pause_take_no_room_of_others(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stale_weeks_module, "_MAX_PAIRS_COUNTED", 0)
    make_stale(pipeline, 10, 2)
    (request,) = pipeline.tick(stale_weeks).run_requests
    assert ends([request]) == [("2018-01-01", "2018-01-01")]
    # The run fails before it begins a pair.
    pipeline.instance.report_run_failed(create_run(pipeline, "refresh_weeks", request))
    (following,) = pipeline.tick(stale_weeks).run_requests
    assert ends([following]) == [("2018-01-08", "2018-01-08")]


def test_of_each_week_aggregates_are_materialized_first(pipeline: Pipeline) -> None:
    pipeline.put("a.csv", HEADER + row("Prague") + row("Turin") + row("Turin", "2018-06-05 08:00:00"))
    pipeline.load()
    (run,) = pipeline.refresh()
    order = [e.asset_key for e in run.all_events if e.event_type == dg.DagsterEventType.ASSET_MATERIALIZATION]
    assert order == [AGGREGATES, CLUSTERS] * 2


@pytest.mark.timeout(120)
def test_a_tick_begins_five_hundred_of_four_thousand_new_files_among_two_hundred_thousand_known(
    pipeline: Pipeline, dagster_database_url: str
) -> None:
    with psycopg.connect(dagster_database_url) as dagster:
        dagster.execute(
            "INSERT INTO dynamic_partitions (partitions_def_name, partition)"
            " SELECT 'trip_files', 'known ' || n FROM generate_series(1, 200000) n"
        )
    queue_files(pipeline, 4_000)
    assert len(pipeline.tick(queued_files).run_requests) == 1
    requested = pipeline.query(
        "SELECT min(file_id), max(file_id), count(*) FROM shifts_store.trip_files WHERE requested_at IS NOT NULL"
    )
    assert requested == [(1, MAX_NAMES_REQUESTED_PER_TICK, MAX_NAMES_REQUESTED_PER_TICK)]
    assert len(pipeline.instance.get_dynamic_partitions(str(TRIP_FILES.name))) <= MAX_PARTITIONS


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
        list(encoder.encode([batch]))
        counts = encoder.week_counts()
    assert sorted(count.region for count in counts) == sorted(name for name in names if name)
