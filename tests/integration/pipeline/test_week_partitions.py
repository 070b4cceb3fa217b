"""The partitions of weeks are the weeks with trips; fresh weeks are materialized whatever becomes of their runs."""

from datetime import UTC, date, datetime

import dagster as dg
import psycopg
import pytest

from shifts_pipeline.asset_keys import TRIP_CLUSTERS, WEEKLY_AGGREGATES
from shifts_pipeline.jobs.run_tags import ONLY_STALE, PARTITION, RANGE_END, RANGE_START
from shifts_pipeline.partitions import WEEKS
from shifts_pipeline.sensors import week_runs
from shifts_pipeline.sensors.stale_weeks import stale_weeks
from tests.integration.pipeline.harness import HEADER, Pipeline, row
from tests.posted_trip import post_trip

ASSETS = (WEEKLY_AGGREGATES, TRIP_CLUSTERS)
WEEK, NEXT_WEEK = "2018-05-28", "2018-06-04"
BOTH_WEEKS = HEADER + row("Turin", f"{WEEK} 08:00:00") + row("Turin", f"{NEXT_WEEK} 08:00:00")


@pytest.fixture(autouse=True)
def _no_events(instance: dg.DagsterInstance) -> None:
    instance.wipe_assets(list(ASSETS))


def weeks(pipeline: Pipeline) -> list[str]:
    return list(pipeline.instance.get_dynamic_partitions(str(WEEKS.name)))


def events(pipeline: Pipeline) -> dict[str, list[int]]:
    """Week → materializations of both assets."""
    found: dict[str, list[int]] = {}
    for place, asset_key in enumerate(ASSETS):
        records = pipeline.instance.fetch_materializations(asset_key, limit=100).records
        for record in records:
            found.setdefault(str(record.partition_key), [0, 0])[place] += 1
    return found


def materialized(pipeline: Pipeline) -> set[str]:
    """Weeks that Dagster shows as materialized in both assets."""
    known = weeks(pipeline)
    return set.intersection(
        *(
            {
                week
                for week, status in (
                    pipeline.instance.get_status_by_partition(asset_key, known, WEEKS) or {}
                ).items()
                if status == dg.AssetPartitionStatus.MATERIALIZED
            }
            for asset_key in ASSETS
        )
    )


def make_fresh(pipeline: Pipeline) -> None:
    """Commits a refresh of every pair."""
    pipeline.execute(
        "UPDATE shifts_store.region_weeks SET aggregates_revision = revision, clusters_revision = revision"
    )


def lose_dagsters_database(pipeline: Pipeline, url: str) -> None:
    with psycopg.connect(url) as dagster:
        dagster.execute("TRUNCATE dynamic_partitions, runs, event_logs, asset_keys CASCADE")
    assert pipeline.instance.get_runs() == []


def create_run(pipeline: Pipeline, tags: dict[str, str]) -> dg.DagsterRun:
    """A run that has started; no process executes it."""
    job = pipeline.defs.resolve_job_def("refresh_weeks")
    run = pipeline.instance.create_run_for_job(job, tags=tags, status=dg.DagsterRunStatus.STARTING)
    started = dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, job.name)
    pipeline.instance.report_dagster_event(started, run.run_id)
    return run


def end_run(pipeline: Pipeline, run: dg.DagsterRun, status: dg.DagsterRunStatus) -> None:
    if status == dg.DagsterRunStatus.FAILURE:
        pipeline.instance.report_run_failed(run)
    else:
        pipeline.instance.report_run_canceled(run)


def requested(pipeline: Pipeline) -> list[dict[str, str]]:
    return [dict(request.tags) for request in pipeline.tick(stale_weeks).run_requests]


def test_a_week_is_a_partition_as_soon_as_it_has_trips(pipeline: Pipeline) -> None:
    pipeline.tick(stale_weeks)
    assert weeks(pipeline) == []
    pipeline.put("a.csv", BOTH_WEEKS)
    pipeline.load()
    (tags,) = requested(pipeline)
    assert weeks(pipeline) == [WEEK, NEXT_WEEK]
    assert (tags[RANGE_START], tags[RANGE_END]) == (WEEK, NEXT_WEEK)
    assert materialized(pipeline) == set()
    pipeline.refresh()
    assert materialized(pipeline) == {WEEK, NEXT_WEEK}


def test_a_week_is_a_partition_with_the_first_trip_that_is_posted(pipeline: Pipeline) -> None:
    pipeline.execute(post_trip("NULL", "'x'"))
    pipeline.refresh()
    assert weeks(pipeline) == [WEEK]
    assert events(pipeline) == {WEEK: [1, 1]}


def test_a_week_before_all_others_follows_them_and_its_runs_too(pipeline: Pipeline) -> None:
    pipeline.put("a.csv", BOTH_WEEKS)
    pipeline.load()
    pipeline.refresh()
    pipeline.put("b.csv", HEADER + row("Turin", "2001-01-04 08:00:00") + row("Turin", f"{WEEK} 09:00:00"))
    pipeline.load()
    (run,) = pipeline.refresh()
    assert run.success
    assert weeks(pipeline) == [WEEK, NEXT_WEEK, "2001-01-01"]
    assert events(pipeline) == {WEEK: [2, 2], NEXT_WEEK: [1, 1], "2001-01-01": [1, 1]}


def test_a_week_without_trips_is_no_partition_after_its_tables_are_refreshed(pipeline: Pipeline) -> None:
    pipeline.put("a.csv", BOTH_WEEKS)
    pipeline.load()
    pipeline.refresh()
    pipeline.put("a.csv", HEADER + row("Turin", f"{WEEK} 08:00:00"))
    pipeline.load()
    requests = requested(pipeline)
    assert weeks(pipeline) == [WEEK, NEXT_WEEK]
    assert {RANGE_END: NEXT_WEEK}.items() <= requests[-1].items()
    for tags in requests:
        assert pipeline.run("refresh_weeks", tags).success
    pipeline.tick(stale_weeks)
    assert weeks(pipeline) == [WEEK]
    assert pipeline.query("SELECT FROM shifts_store.weekly_trip_tiles WHERE week = %s", NEXT_WEEK) == []


@pytest.mark.parametrize("only_stale", [True, False])
def test_a_week_without_trips_keeps_its_partition_while_a_run_covers_it(
    pipeline: Pipeline, *, only_stale: bool
) -> None:
    pipeline.put("a.csv", BOTH_WEEKS)
    pipeline.load()
    pipeline.refresh()
    tags = {RANGE_START: WEEK, RANGE_END: NEXT_WEEK, **({ONLY_STALE: "true"} if only_stale else {})}
    run = create_run(pipeline, tags)
    pipeline.put("a.csv", HEADER + row("Turin", f"{WEEK} 08:00:00"))
    pipeline.load()
    make_fresh(pipeline)
    pipeline.tick(stale_weeks)
    assert weeks(pipeline) == [WEEK, NEXT_WEEK]
    pipeline.instance.report_run_failed(run)
    pipeline.tick(stale_weeks)
    assert weeks(pipeline) == [WEEK]


def test_fresh_weeks_are_materialized_if_dagster_lost_its_database(
    pipeline: Pipeline, dagster_database_url: str
) -> None:
    pipeline.put("a.csv", BOTH_WEEKS)
    pipeline.load()
    pipeline.refresh()
    pipeline.put("b.csv", HEADER + row("Turin", f"{NEXT_WEEK} 09:00:00"))
    pipeline.load()
    lose_dagsters_database(pipeline, dagster_database_url)
    requests = requested(pipeline)
    assert weeks(pipeline) == [WEEK, NEXT_WEEK]
    assert materialized(pipeline) == {WEEK}
    assert [tags[RANGE_START] for tags in requests] == [NEXT_WEEK]
    pipeline.refresh()
    pipeline.tick(stale_weeks)
    assert events(pipeline) == {WEEK: [1, 1], NEXT_WEEK: [1, 1]}


def test_a_tick_that_stops_while_it_adds_fresh_weeks_is_continued_by_the_next(
    pipeline: Pipeline, dagster_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline.put("a.csv", BOTH_WEEKS + row("Turin", "2018-06-11 08:00:00"))
    pipeline.load()
    make_fresh(pipeline)
    lose_dagsters_database(pipeline, dagster_database_url)
    monkeypatch.setattr("shifts_pipeline.sensors.week_partitions._ADDED_AT_ONCE", 1)
    add = dg.DagsterInstance.report_runless_asset_event
    reported: list[dg.AssetMaterialization] = []

    def stopped(instance: dg.DagsterInstance, event: dg.AssetMaterialization) -> None:
        reported.append(event)
        if len(reported) == 4:
            raise KeyboardInterrupt
        add(instance, event)

    monkeypatch.setattr(dg.DagsterInstance, "report_runless_asset_event", stopped)
    with pytest.raises(KeyboardInterrupt):
        pipeline.tick(stale_weeks)
    assert materialized(pipeline) == set(weeks(pipeline)) == {WEEK}
    pipeline.tick(stale_weeks)
    assert materialized(pipeline) == set(weeks(pipeline)) == {WEEK, NEXT_WEEK, "2018-06-11"}


@pytest.mark.parametrize("key", ["somewhere", "Turin|2018-05-28", "20180528", "2018-05-29", "2017-01-02"])
def test_a_partition_that_somebody_added_by_hand_is_deleted(pipeline: Pipeline, key: str) -> None:
    pipeline.instance.add_dynamic_partitions(str(WEEKS.name), [key])
    pipeline.put("a.csv", BOTH_WEEKS)
    pipeline.load()
    runs = pipeline.refresh()
    assert all(run.success for run in runs)
    assert weeks(pipeline) == [WEEK, NEXT_WEEK]
    assert materialized(pipeline) == {WEEK, NEXT_WEEK}


@pytest.mark.parametrize(
    "tags",
    [
        {RANGE_START: "Turin|2018-05-28", RANGE_END: "Turin|2018-06-04"},
        {PARTITION: "Turin|2018-05-28"},
        {RANGE_START: "1999-01-04", RANGE_END: NEXT_WEEK},
        {},
    ],
)
def test_runs_over_other_partitions_disturb_nothing(pipeline: Pipeline, tags: dict[str, str]) -> None:
    cursor = datetime.now(UTC).isoformat()
    ended = (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED, dg.DagsterRunStatus.SUCCESS)
    for status in (dg.DagsterRunStatus.STARTED, *ended):
        pipeline.instance.add_run(
            dg.DagsterRun(job_name="refresh_weeks", tags={ONLY_STALE: "true", **tags}, status=status)
        )
    pipeline.put("a.csv", BOTH_WEEKS)
    pipeline.load()
    requests = pipeline.tick(stale_weeks, cursor).run_requests
    assert [request.tags[RANGE_END] for request in requests] == [NEXT_WEEK]
    assert pipeline.run("refresh_weeks", dict(requests[0].tags)).success
    assert pipeline.tick(stale_weeks, cursor).run_requests == []
    assert materialized(pipeline) == {WEEK, NEXT_WEEK}


@pytest.mark.parametrize("ending", [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED])
def test_weeks_of_a_worker_that_died_after_its_commit_are_materialized_once(
    pipeline: Pipeline, ending: dg.DagsterRunStatus
) -> None:
    pipeline.put("a.csv", BOTH_WEEKS)
    pipeline.load()
    first = pipeline.tick(stale_weeks)
    run = create_run(pipeline, dict(first.run_requests[0].tags))
    make_fresh(pipeline)
    # The worker had materialized the second week before it died.
    for asset_key in ASSETS:
        event = dg.AssetMaterialization(asset_key, partition=NEXT_WEEK)
        pipeline.instance.report_runless_asset_event(event)
    during = pipeline.tick(stale_weeks, first.cursor)
    assert events(pipeline) == {NEXT_WEEK: [1, 1]}
    end_run(pipeline, run, ending)
    after = pipeline.tick(stale_weeks, during.cursor)
    assert after.run_requests == []
    assert materialized(pipeline) == {WEEK, NEXT_WEEK}
    assert events(pipeline) == {WEEK: [1, 1], NEXT_WEEK: [1, 1]}
    # A tick that failed later in its work is repeated with its cursor. The next one reads the last minute again.
    for cursor in (after.cursor, during.cursor):
        pipeline.tick(stale_weeks, cursor)
    assert events(pipeline) == {WEEK: [1, 1], NEXT_WEEK: [1, 1]}


def test_a_stale_week_of_a_worker_that_died_is_not_materialized_but_requested(pipeline: Pipeline) -> None:
    pipeline.put("a.csv", BOTH_WEEKS)
    pipeline.load()
    first = pipeline.tick(stale_weeks)
    run = create_run(pipeline, dict(first.run_requests[0].tags))
    pipeline.execute(
        "UPDATE shifts_store.region_weeks SET aggregates_revision = revision,"
        f" clusters_revision = CASE week WHEN '{WEEK}' THEN revision ELSE clusters_revision END"
    )
    pipeline.instance.report_run_failed(run)
    pipeline.tick(stale_weeks, first.cursor)
    assert events(pipeline) == {WEEK: [1, 1], NEXT_WEEK: [1, 0]}
    pipeline.execute("TRUNCATE shifts_store.refresh_attempts")
    with psycopg.connect(pipeline.url, autocommit=True) as connection:
        order = [date.fromisoformat(week) for week in weeks(pipeline)]
        (finished,) = week_runs.finished_requests(connection, pipeline.instance, order)
    assert finished.failed
    assert finished.refresh.weeks == tuple(order)
