"""The check `nothing_waits_longer_than_15_minutes`: stale pairs that wait too long fail it."""

import dagster as dg
import pytest

from shifts_pipeline.asset_keys import TRIP_CLUSTERS, WEEKLY_AGGREGATES
from shifts_pipeline.checks.freshness import NAME
from shifts_pipeline.jobs.check_jobs import check_freshness_every_15_minutes
from shifts_pipeline.jobs.run_tags import PARTITION
from shifts_pipeline.sensors.stale_weeks import stale_weeks
from tests.integration.pipeline.harness import HEADER, Pipeline, row

ALL = {"weekly_aggregates", "trip_clusters", "shifts"}


def evaluate(pipeline: Pipeline) -> dict[str, dg.AssetCheckEvaluation]:
    run = pipeline.run("check_freshness", {})
    assert run.success
    evaluations = run.get_asset_check_evaluations()
    assert {evaluation.check_name for evaluation in evaluations} == {NAME}
    return {evaluation.asset_key.to_user_string(): evaluation for evaluation in evaluations}


def wait(pipeline: Pipeline, minutes: int, week: str) -> None:
    pipeline.execute(
        f"UPDATE shifts_store.region_weeks SET stale_since = now() - interval '{minutes} minutes',"
        f" shifts_stale_since = now() - interval '{minutes} minutes'"
        f" WHERE week = '{week}'"
    )


def test_an_empty_and_a_fresh_platform_pass(pipeline: Pipeline) -> None:
    assert {name for name, check in evaluate(pipeline).items() if check.passed} == ALL
    pipeline.put("a.csv", HEADER + row())
    pipeline.load()
    pipeline.refresh()
    pipeline.make_shifts()
    wait(pipeline, 60, "2018-05-28")
    for check in evaluate(pipeline).values():
        assert check.passed
        assert check.metadata["pairs_waiting"].value == 0
        assert "oldest_week" not in check.metadata


def test_pairs_may_wait_for_15_minutes_and_no_longer(pipeline: Pipeline) -> None:
    pipeline.put("a.csv", HEADER + row("Turin") + row("Lyon") + row("Lyon", "2018-06-05 09:00:00"))
    pipeline.load()
    wait(pipeline, 14, "2018-05-28")
    assert all(check.passed for check in evaluate(pipeline).values())
    wait(pipeline, 16, "2018-06-04")
    checks = evaluate(pipeline)
    assert checks.keys() == ALL
    for check in checks.values():
        assert not check.passed
        assert check.severity is dg.AssetCheckSeverity.ERROR
        assert check.metadata["pairs_waiting"].value == 3
        assert check.metadata["pairs_late"].value == 1
        assert check.metadata["oldest_region"].value == "Lyon"
        assert check.metadata["oldest_week"].value == "2018-W23"
        assert isinstance(check.metadata["waiting_since"], dg.TimestampMetadataValue)


def test_each_table_is_judged_by_itself(pipeline: Pipeline) -> None:
    pipeline.put("a.csv", HEADER + row())
    pipeline.load()
    pipeline.tick(stale_weeks)  # adds the partition
    wait(pipeline, 60, "2018-05-28")
    run = pipeline.run("refresh_weeks", {PARTITION: "2018-05-28"}, [WEEKLY_AGGREGATES])
    assert run.success
    assert {name: check.passed for name, check in evaluate(pipeline).items()} == {
        "weekly_aggregates": True,
        "trip_clusters": False,
        "shifts": False,
    }


def test_a_pair_that_a_file_blocks_waits_and_is_counted_as_blocked(pipeline: Pipeline) -> None:
    pipeline.put("a.csv", HEADER + row())
    pipeline.load()
    pipeline.execute("SELECT shifts_store.block_pairs(file_id) FROM shifts_store.trip_files")
    pipeline.refresh()
    wait(pipeline, 60, "2018-05-28")
    check = evaluate(pipeline)["trip_clusters"]
    assert not check.passed
    assert check.metadata["pairs_blocked"].value == 1
    assert "blocked" in str(check.description)


@pytest.mark.parametrize("job", ["load_trip_files", "refresh_weeks", "refresh_shifts"])
def test_runs_over_partitions_do_not_contain_it(pipeline: Pipeline, job: str) -> None:
    steps = {node.name for node in pipeline.defs.resolve_job_def(job).nodes}
    assert steps.isdisjoint({"freshness", "audit"})


def test_a_run_by_hand_over_a_partition_does_not_evaluate_it(pipeline: Pipeline) -> None:
    pipeline.put("a.csv", HEADER + row())
    pipeline.load()
    pipeline.refresh()
    run = pipeline.run("__ASSET_JOB", {PARTITION: "2018-05-28"}, [WEEKLY_AGGREGATES, TRIP_CLUSTERS])
    assert run.success
    assert NAME not in {evaluation.check_name for evaluation in run.get_asset_check_evaluations()}


def test_it_is_evaluated_every_15_minutes(pipeline: Pipeline) -> None:
    assert check_freshness_every_15_minutes.cron_schedule == "*/15 * * * *"
    assert check_freshness_every_15_minutes.default_status is dg.DefaultScheduleStatus.RUNNING
    assert check_freshness_every_15_minutes.name in {s.name for s in pipeline.defs.schedules or ()}
