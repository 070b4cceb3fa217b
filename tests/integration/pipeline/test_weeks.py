"""Runs refresh the weeks that loads have changed: all stale pairs in them, in few runs, and no others."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import numpy as np
import psycopg
import pytest
from dagster._core.event_api import PartitionKeyFilter
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from numpy.typing import NDArray
from psycopg import sql

from shifts_core.calendar import ONE_WEEK, WEEKS_AHEAD, monday_of
from shifts_core.tiles.codec import Tile
from shifts_pipeline.asset_keys import TRIP_CLUSTERS, WEEKLY_AGGREGATES
from shifts_pipeline.jobs.run_tags import RANGE_END, RANGE_START
from shifts_pipeline.partitions import WEEKS
from shifts_pipeline.sensors.landing_zone import landing_zone
from shifts_pipeline.sensors.stale_weeks import stale_weeks
from shifts_pipeline.storage import binary_copy, tile_tables
from shifts_pipeline.storage.region_week import PairTrips
from tests.integration.pipeline.harness import HEADER, Pipeline, row

REGIONS = ("Hamburg", "Prague", "Turin")
DAYS = ("2018-05-03", "2018-05-09", "2018-05-17", "2018-05-23", "2018-05-31")
MONDAYS = ("2018-04-30", "2018-05-07", "2018-05-14", "2018-05-21", "2018-05-28")
BOTH = ("trip_clusters", "weekly_aggregates")


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


def metadata(run: dg.ExecuteInProcessResult, asset_key: dg.AssetKey, week: str) -> dict[str, Any]:
    (found,) = [
        event.step_materialization_data.materialization.metadata
        for event in run.all_events
        if event.event_type == dg.DagsterEventType.ASSET_MATERIALIZATION
        and event.asset_key == asset_key
        and event.partition == week
    ]
    return {name: value.value for name, value in found.items()}


def by_hand(
    pipeline: Pipeline, tags: dict[str, str], regions: list[str] | None = None, *, raise_on_error: bool = True
) -> dg.ExecuteInProcessResult:
    """Materializes partitions of both weekly assets as the Dagster UI does."""
    return pipeline.defs.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=pipeline.instance,
        tags=tags,
        run_config={"ops": {"weekly_assets": {"config": {"regions": regions}}}} if regions else None,
        asset_selection=[TRIP_CLUSTERS, WEEKLY_AGGREGATES],
        raise_on_error=raise_on_error,
    )


def computed_at(pipeline: Pipeline) -> dict[tuple[str, str], tuple[datetime, datetime]]:
    """(region, Monday) → when its tables were computed."""
    return {
        (region, week): (aggregates_at, clusters_at)
        for region, week, aggregates_at, clusters_at in pipeline.query(
            "SELECT r.name, w.week::text, w.aggregates_at, w.clusters_at"
            " FROM shifts_store.region_weeks w JOIN shifts_store.regions r USING (region_id)"
        )
    }


def test_a_file_that_touches_fifteen_pairs_is_refreshed_by_one_run(pipeline: Pipeline) -> None:
    pipeline.put("a.csv", fifteen_pairs())
    pipeline.load()
    assert stale(pipeline) == 15
    (run,) = pipeline.refresh()
    assert run.success
    assert stale(pipeline) == 0
    assert materialized(run) == {(asset, week) for asset in BOTH for week in MONDAYS}
    assert len(run.get_asset_check_evaluations()) == 15
    assert all(check.passed for check in run.get_asset_check_evaluations())


def test_only_what_changed_is_computed_again(pipeline: Pipeline) -> None:
    pipeline.put("a.csv", fifteen_pairs())
    pipeline.load()
    pipeline.refresh()
    before = computed_at(pipeline)
    pipeline.put("b.csv", HEADER + row("Prague", "2018-05-17 09:00:00") + row("Turin", "2018-05-23 09:00:00"))
    pipeline.load()
    (run,) = pipeline.refresh()
    assert materialized(run) == {(asset, week) for asset in BOTH for week in ("2018-05-14", "2018-05-21")}
    after = computed_at(pipeline)
    assert {pair for pair in after if after[pair] != before[pair]} == {
        ("Prague", "2018-05-14"),
        ("Turin", "2018-05-21"),
    }
    assert metadata(run, WEEKLY_AGGREGATES, "2018-05-14")["regions_refreshed"] == 1
    assert metadata(run, WEEKLY_AGGREGATES, "2018-05-14")["dagster/partition_row_count"] == 4


def test_the_trips_of_a_pair_are_read_once_for_both_tables(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[sql.Composable] = []

    def copied_rows(
        connection: psycopg.Connection, statement: sql.Composable, dtype: np.dtype[np.void]
    ) -> Iterator[NDArray[np.void]]:
        read.append(statement)
        return binary_copy.copied_rows(connection, statement, dtype)

    monkeypatch.setattr("shifts_pipeline.storage.region_week.copied_rows", copied_rows)
    pipeline.put("a.csv", HEADER + "".join(row(moment=f"{day} 08:00:00") for day in DAYS))
    pipeline.load()
    (run,) = pipeline.refresh()
    assert run.success
    assert len(read) == 5


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


@pytest.mark.parametrize(
    ("tags", "weeks"),
    [
        ({"dagster/partition": "2018-05-21"}, ("2018-05-21",)),
        ({RANGE_START: "2018-05-07", RANGE_END: "2018-05-21"}, ("2018-05-07", "2018-05-14", "2018-05-21")),
        ({RANGE_START: MONDAYS[0], RANGE_END: MONDAYS[-1]}, MONDAYS),
    ],
)
def test_one_several_and_all_weeks_can_be_materialized_by_hand_and_stay_the_same(
    pipeline: Pipeline, tags: dict[str, str], weeks: tuple[str, ...]
) -> None:
    pipeline.put("a.csv", fifteen_pairs())
    pipeline.load()
    pipeline.refresh()
    trips = pipeline.query("SELECT * FROM shifts.weekly ORDER BY 1, 2")
    before = computed_at(pipeline)
    run = by_hand(pipeline, tags)
    assert run.success
    assert materialized(run) == {(asset, week) for asset in BOTH for week in weeks}
    assert pipeline.query("SELECT * FROM shifts.weekly ORDER BY 1, 2") == trips
    after = computed_at(pipeline)
    assert {pair for pair in after if after[pair] != before[pair]} == {(r, w) for r in REGIONS for w in weeks}


def test_one_region_of_a_week_can_be_materialized_by_hand(pipeline: Pipeline) -> None:
    pipeline.put("a.csv", fifteen_pairs())
    pipeline.load()
    pipeline.refresh()
    before = computed_at(pipeline)
    assert by_hand(pipeline, {"dagster/partition": "2018-05-21"}, ["Prague"]).success
    after = computed_at(pipeline)
    assert {pair for pair in after if after[pair] != before[pair]} == {("Prague", "2018-05-21")}


def test_a_region_that_a_run_by_hand_names_and_no_week_has_fails_the_run(pipeline: Pipeline) -> None:
    pipeline.put("a.csv", fifteen_pairs())
    pipeline.load()
    pipeline.refresh()
    assert not by_hand(pipeline, {"dagster/partition": "2018-05-21"}, ["Pragu"], raise_on_error=False).success


@pytest.mark.parametrize("selected", ["weekly_aggregates", "trip_clusters"])
def test_one_of_both_assets_can_be_materialized_alone(pipeline: Pipeline, selected: str) -> None:
    pipeline.put("a.csv", HEADER + row("Turin") * 6)
    pipeline.load()
    pipeline.tick(stale_weeks)
    run = pipeline.defs.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=pipeline.instance,
        partition_key="2018-05-28",
        asset_selection=[dg.AssetKey(selected)],
    )
    assert materialized(run) == {(selected, "2018-05-28")}
    assert pipeline.query("SELECT aggregates_stale, clusters_stale FROM shifts_store.stale_weeks") == [
        (selected != "weekly_aggregates", selected != "trip_clusters")
    ]


@pytest.mark.parametrize("day", ["1999-12-27", "2000-01-03", "last"])
def test_stale_weeks_are_refreshed_wherever_the_calendar_begins_and_ends(
    pipeline: Pipeline, day: str
) -> None:
    last = monday_of(datetime.now(UTC).date()) + (WEEKS_AHEAD - 1) * ONE_WEEK
    pipeline.put("a.csv", HEADER + row(moment=f"{last if day == 'last' else '2000-01-03'} 08:00:00"))
    pipeline.load()
    # As when SHIFTS_FIRST_WEEK was earlier once.
    pipeline.execute(
        "INSERT INTO shifts_store.region_weeks (region_id, week, revision, changed_at, stale_since)"
        f" SELECT region_id, '{'1999-12-27' if day == 'last' else day}', 1, now(), now()"
        " FROM shifts_store.regions ON CONFLICT DO NOTHING"
    )
    assert all(run.success for run in pipeline.refresh())
    assert stale(pipeline) == 0


def test_a_pair_waits_while_files_are_loaded_but_not_for_ever(pipeline: Pipeline) -> None:
    pipeline.put("a.csv", HEADER + row("Turin") + row("Lyon", "2018-06-05 10:00:00"))
    pipeline.load()
    pipeline.put("b.csv", HEADER + row("Prague"))
    pipeline.tick(landing_zone)
    assert not pipeline.tick(stale_weeks).run_requests
    pipeline.execute(
        "UPDATE shifts_store.region_weeks SET stale_since = now() - interval '121 s'"
        " WHERE region_id = (SELECT region_id FROM shifts_store.regions WHERE name = 'Turin')"
    )
    (request,) = pipeline.tick(stale_weeks).run_requests
    assert request.tags[RANGE_START] == request.tags[RANGE_END] == "2018-05-28"


def check_results(pipeline: Pipeline) -> dict[str, AssetCheckExecutionRecordStatus]:
    """The latest result of each week."""
    key = dg.AssetCheckKey(WEEKLY_AGGREGATES, "weekly_totals_equal_trips")
    return {
        week: found[0].status
        for week in pipeline.instance.get_dynamic_partitions(str(WEEKS.name))
        if (
            found := pipeline.instance.event_log_storage.get_asset_check_execution_history(
                key, limit=1, partition_filter=PartitionKeyFilter(key=week)
            )
        )
    }


def test_a_pass_of_another_week_or_of_another_region_hides_no_failed_check(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline.put("a.csv", HEADER + row("Prague") + row("Turin", "2018-06-05 10:00:00"))
    pipeline.load()
    with monkeypatch.context() as patch:
        patch.setattr("shifts_pipeline.storage.refresh_pair.totals", lambda *_: (1, 2))
        (run,) = pipeline.refresh()
    assert run.success
    failed, passed = AssetCheckExecutionRecordStatus.FAILED, AssetCheckExecutionRecordStatus.SUCCEEDED
    assert check_results(pipeline) == {"2018-05-28": failed, "2018-06-04": failed}
    pipeline.put("b.csv", HEADER + row("Turin", "2018-05-28 10:00:00") + row("Turin", "2018-06-05 12:00:00"))
    pipeline.load()
    pipeline.refresh()
    assert check_results(pipeline) == {"2018-05-28": failed, "2018-06-04": passed}
    pipeline.put("c.csv", HEADER + row("Prague", "2018-05-28 11:00:00"))
    pipeline.load()
    pipeline.refresh()
    assert check_results(pipeline) == {"2018-05-28": passed, "2018-06-04": passed}


def test_a_refresh_that_fails_does_not_turn_a_failed_check_into_a_pass(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed, passed = AssetCheckExecutionRecordStatus.FAILED, AssetCheckExecutionRecordStatus.SUCCEEDED
    pipeline.put("a.csv", HEADER + row("Prague"))
    pipeline.load()
    with monkeypatch.context() as patch:
        patch.setattr("shifts_pipeline.storage.refresh_pair.totals", lambda *_: (1, 2))
        pipeline.refresh()
    assert check_results(pipeline) == {"2018-05-28": failed}

    def merge_segments(pair: PairTrips, tiles: Sequence[Tile], connection: psycopg.Connection) -> None:
        if pair.region == "Prague":
            raise OSError("no room")
        tile_tables.merge_segments(pair, tiles, connection)

    pipeline.put("b.csv", HEADER + row("Prague", "2018-05-28 10:00:00") + row("Turin"))
    pipeline.load()
    with monkeypatch.context() as patch:
        patch.setattr("shifts_pipeline.storage.refresh_pair.merge_segments", merge_segments)
        (run,) = pipeline.tick(stale_weeks).run_requests
        assert not pipeline.run("refresh_weeks", dict(run.tags)).success
    assert check_results(pipeline) == {"2018-05-28": failed}
    pipeline.execute("UPDATE shifts_store.refresh_attempts SET retry_at = now()")
    pipeline.refresh()
    assert check_results(pipeline) == {"2018-05-28": passed}
