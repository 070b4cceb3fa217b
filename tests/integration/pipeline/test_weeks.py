"""What loads change is refreshed: all pairs, in few runs, and nothing else."""

import dagster as dg

from shifts_pipeline.sensors.stale_weeks import stale_weeks
from tests.integration.pipeline.driving import HEADER, Pipeline, row

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
