"""Runs refresh the pairs that loads have changed: all of them, in few runs, and no others."""

from datetime import UTC, date, datetime, timedelta

import dagster as dg
import pytest
from dagster._core.event_api import PartitionKeyFilter
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

from shifts_core.calendar import DateRange
from shifts_pipeline.jobs.run_tags import RANGE_END, RANGE_START
from shifts_pipeline.sensors.landing_zone import landing_zone
from shifts_pipeline.sensors.stale_weeks import stale_weeks
from tests.integration.pipeline.harness import HEADER, Pipeline, row

REGIONS = ("Hamburg", "Prague", "Turin")
DAYS = ("2018-05-03", "2018-05-09", "2018-05-17", "2018-05-23", "2018-05-31")


def fifteen_pairs() -> str:
    return HEADER + "".join(row(region, f"{day} 08:00:00") for region in REGIONS for day in DAYS)


def stale(pipeline: Pipeline) -> int:
    return int(pipeline.query("SELECT count(*) FROM shifts_store.stale_weeks")[0][0])


def materialized(run: dg.ExecuteInProcessResult) -> set[tuple[str, str]]:
    return {
        (event.asset_key.to_user_string(), str(event.partition))
        for event in run.all_events
        if event.event_type == dg.DagsterEventType.ASSET_MATERIALIZATION and event.asset_key is not None
    }


def test_a_file_that_touches_fifteen_pairs_is_refreshed_by_one_run(pipeline: Pipeline) -> None:
    pipeline.put("a.csv", fifteen_pairs())
    pipeline.load()
    assert stale(pipeline) == 15
    (run,) = pipeline.refresh()
    assert run.success
    assert stale(pipeline) == 0
    assert len(materialized(run)) == 30
    assert all(check.passed for check in run.get_asset_check_evaluations())


def test_only_what_changed_is_computed_again(pipeline: Pipeline) -> None:
    pipeline.put("a.csv", fifteen_pairs())
    pipeline.load()
    pipeline.refresh()
    pipeline.put("b.csv", HEADER + row("Prague", "2018-05-17 09:00:00") + row("Turin", "2018-05-23 09:00:00"))
    pipeline.load()
    (run,) = pipeline.refresh()
    assert materialized(run) == {
        (asset, pair)
        for asset in ("trip_clusters", "weekly_aggregates")
        for pair in ("Prague|2018-05-14", "Turin|2018-05-21")
    }


def test_fresh_pairs_ask_for_nothing(pipeline: Pipeline) -> None:
    pipeline.put("a.csv", HEADER + row())
    pipeline.load()
    pipeline.refresh()
    assert not pipeline.tick(stale_weeks).run_requests


def test_a_replaced_file_makes_the_weeks_it_left_stale_too(pipeline: Pipeline) -> None:
    pipeline.put("a.csv", fifteen_pairs())
    pipeline.load()
    pipeline.refresh()
    pipeline.put("a.csv", HEADER + row("Lyon"))
    pipeline.load()
    assert stale(pipeline) == 16
    for run in pipeline.refresh():
        assert run.success
    assert stale(pipeline) == 0
    assert pipeline.query("SELECT region, trips FROM shifts.weekly") == [("Lyon", 1)]


def test_a_region_with_an_odd_name_is_refreshed_too(pipeline: Pipeline) -> None:
    pipeline.put("a.csv", HEADER + row('"Sankt|Gallen, 100 %..."'))
    pipeline.load()
    (run,) = pipeline.refresh()
    assert run.success
    assert stale(pipeline) == 0


def test_a_pair_can_be_materialized_by_hand_and_stays_the_same(pipeline: Pipeline) -> None:
    pipeline.put("a.csv", fifteen_pairs())
    pipeline.load()
    pipeline.refresh()
    before = pipeline.query("SELECT * FROM shifts.weekly ORDER BY 1, 2")
    job = pipeline.defs.resolve_implicit_global_asset_job_def()
    run = job.execute_in_process(
        instance=pipeline.instance,
        partition_key="Turin|2018-05-21",
        asset_selection=[dg.AssetKey("trip_clusters"), dg.AssetKey("weekly_aggregates")],
    )
    assert run.success
    assert len(materialized(run)) == 2
    assert pipeline.query("SELECT * FROM shifts.weekly ORDER BY 1, 2") == before


def before_the_calendar(pipeline: Pipeline) -> None:
    """A stale pair of a week that has no partition, as when `SHIFTS_FIRST_WEEK` was earlier once."""
    pipeline.execute(
        "INSERT INTO shifts_store.region_weeks (region_id, week, revision, changed_at, stale_since)"
        " SELECT region_id, week, 1, now(), now() - interval '1 day' FROM shifts_store.regions,"
        " (VALUES (date '1999-12-27'), (date_trunc('week', now())::date + 7 * 53)) AS outside (week)"
    )


def test_a_stale_week_outside_of_the_calendar_fails_no_other_and_is_mentioned(pipeline: Pipeline) -> None:
    pipeline.put("a.csv", HEADER + row(moment="2000-01-03 08:00:00"))
    pipeline.load()
    before_the_calendar(pipeline)
    (run,) = pipeline.refresh()
    assert run.success
    assert stale(pipeline) == 2
    skipped = pipeline.tick(stale_weeks)
    assert "2 stale pairs are skipped" in str(skipped.skip_message)
    assert "SHIFTS_FIRST_WEEK (2000-01-03)" in str(skipped.skip_message)


def test_the_last_week_of_the_calendar_is_refreshed(pipeline: Pipeline) -> None:
    last = DateRange.starting(date(2000, 1, 3), datetime.now(UTC).date()).end - timedelta(days=7)
    pipeline.put("a.csv", HEADER + row(moment=f"{last} 08:00:00"))
    pipeline.load()
    assert [run.success for run in pipeline.refresh()] == [True]
    assert stale(pipeline) == 0


def test_a_pair_waits_while_files_are_loaded_but_not_for_ever(pipeline: Pipeline) -> None:
    pipeline.put("a.csv", HEADER + row("Turin") + row("Lyon"))
    pipeline.load()
    pipeline.put("b.csv", HEADER + row("Prague"))
    pipeline.tick(landing_zone)
    assert not pipeline.tick(stale_weeks).run_requests
    pipeline.execute(
        "UPDATE shifts_store.region_weeks SET stale_since = now() - interval '121 s'"
        " WHERE region_id = (SELECT region_id FROM shifts_store.regions WHERE name = 'Turin')"
    )
    (request,) = pipeline.tick(stale_weeks).run_requests
    assert request.tags[RANGE_START] == request.tags[RANGE_END] == "Turin|2018-05-28"


def test_the_result_of_a_check_belongs_to_its_partition(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline.put("a.csv", HEADER + row("Prague") + row("Turin"))
    pipeline.load()
    with monkeypatch.context() as patch:
        patch.setattr("shifts_pipeline.assets.weekly_aggregates.totals", lambda *_: (1, 2))
        (run,) = pipeline.refresh()
    assert run.success
    pipeline.put("b.csv", HEADER + row("Turin", "2018-05-28 10:00:00"))
    pipeline.load()
    pipeline.refresh()
    key = dg.AssetCheckKey(dg.AssetKey("weekly_aggregates"), "weekly_totals_equal_trips")
    latest = {
        region: pipeline.instance.event_log_storage.get_asset_check_execution_history(
            key, limit=1, partition_filter=PartitionKeyFilter(key=f"{region}|2018-05-28")
        )[0].status
        for region in ("Prague", "Turin")
    }
    assert latest == {
        "Prague": AssetCheckExecutionRecordStatus.FAILED,
        "Turin": AssetCheckExecutionRecordStatus.SUCCEEDED,
    }
