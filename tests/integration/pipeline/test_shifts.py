"""The asset `shifts`: made after clusters, fresh in every week that a change touches, and checked."""

from datetime import date
from typing import Any

import dagster as dg
import psycopg

from shifts_core.calendar import ONE_WEEK
from shifts_pipeline.asset_keys import SHIFTS
from shifts_pipeline.definitions import build_defs
from shifts_pipeline.partitions import WEEKS
from shifts_pipeline.resources.shift_making import ShiftMaking
from shifts_pipeline.sensors.stale_shifts import stale_shifts
from shifts_pipeline.settings import PipelineSettings
from shifts_pipeline.storage.shifts.violations import COUNTED_ONCE, TRIPS_FIT
from shifts_pipeline.storage.shifts.write import replace_makings
from tests.integration.pipeline.harness import HEADER, Pipeline, row

FIRST = date(2018, 4, 30)
WEEK_KEYS = [(FIRST + number * ONE_WEEK).isoformat() for number in range(6)]
MADE = "SELECT region, week::text, count(*) FROM shifts.shifts GROUP BY 1, 2 ORDER BY 1, 2"


def commuters(region: str, week: str, hour: str = "08", count: int = 8) -> str:
    """Trips on one route, on Monday of a week, minutes apart."""
    return "".join(row(region, f"{week} {hour}:{minute:02}:00") for minute in range(count))


def load_weeks(pipeline: Pipeline, regions: tuple[str, ...] = ("Prague", "Turin")) -> None:
    for number, week in enumerate(WEEK_KEYS):
        pipeline.put(f"{number}.csv", HEADER + "".join(commuters(region, week) for region in regions))
    assert all(run.success for run in pipeline.load())
    assert {status for status, _, _ in pipeline.ledger().values()} == {"loaded"}


def statuses(pipeline: Pipeline) -> dict[str, Any]:
    found = pipeline.instance.get_status_by_partition(SHIFTS, WEEK_KEYS, WEEKS) or {}
    return {key: status for key, status in found.items() if status is not None}


def materialized(run: dg.ExecuteInProcessResult) -> list[str]:
    return sorted(event.partition or "" for event in run.get_asset_materialization_events())


def test_shifts_are_made_when_clusters_are_fresh(pipeline: Pipeline) -> None:
    load_weeks(pipeline)
    assert pipeline.tick(stale_shifts).run_requests == []
    pipeline.refresh()
    (run,) = pipeline.make_shifts()
    assert run.success
    assert materialized(run) == WEEK_KEYS
    assert {(check.check_name, check.passed) for check in run.get_asset_check_evaluations()} == {
        (TRIPS_FIT, True),
        (COUNTED_ONCE, True),
    }
    assert [row[:2] for row in pipeline.query(MADE)] == [
        (region, week) for region in ("Prague", "Turin") for week in WEEK_KEYS
    ]
    assert pipeline.query("SELECT count(DISTINCT shift_id) FROM shifts.shifts") == [(2,)]
    assert set(statuses(pipeline).values()) == {dg.AssetPartitionStatus.MATERIALIZED}
    assert pipeline.tick(stale_shifts).run_requests == []


def test_a_materialization_says_and_shows_what_was_made(pipeline: Pipeline) -> None:
    load_weeks(pipeline)
    pipeline.refresh()
    (run,) = pipeline.make_shifts()
    metadata = run.asset_materializations_for_node("shifts")[-1].metadata
    assert metadata["dagster/partition_row_count"].value == 2
    assert metadata["trips"].value == metadata["trips_served"].value == 4 * 8 * 2
    assert metadata["shifts_continuing"].value == 2
    table = metadata["best_shifts"]
    assert isinstance(table, dg.TableMetadataValue)
    assert [record.data["region"] for record in table.records] == ["Prague", "Turin"]
    assert {record.data["departs"] for record in table.records} == {"08:03"}
    assert str(metadata["map"].value).startswith("![flows](data:image/svg+xml,")


def test_a_changed_week_is_made_again_with_the_weeks_after_it(pipeline: Pipeline) -> None:
    load_weeks(pipeline)
    pipeline.refresh()
    pipeline.make_shifts()
    pipeline.put("more.csv", HEADER + commuters("Turin", WEEK_KEYS[1], "17"))
    pipeline.load()
    pipeline.refresh()
    (run,) = pipeline.make_shifts()
    # The week after the four that are made from it takes its ids from them.
    assert materialized(run) == WEEK_KEYS[1:6]


def test_weeks_can_be_materialized_by_hand(pipeline: Pipeline) -> None:
    load_weeks(pipeline)
    pipeline.refresh()
    job = pipeline.defs.resolve_implicit_global_asset_job_def()
    run = job.execute_in_process(
        instance=pipeline.instance, partition_key=WEEK_KEYS[2], asset_selection=[SHIFTS], raise_on_error=False
    )
    assert run.success
    assert WEEK_KEYS[2] in materialized(run)
    again = job.execute_in_process(
        instance=pipeline.instance, partition_key=WEEK_KEYS[2], asset_selection=[SHIFTS], raise_on_error=False
    )
    assert materialized(again) == [WEEK_KEYS[2]]


def test_a_backfill_makes_a_range_of_weeks_in_one_run(pipeline: Pipeline) -> None:
    load_weeks(pipeline)
    pipeline.refresh()
    pipeline.make_shifts()
    before = pipeline.query(MADE)
    tags = {
        "dagster/asset_partition_range_start": WEEK_KEYS[1],
        "dagster/asset_partition_range_end": WEEK_KEYS[3],
    }
    run = pipeline.run("refresh_shifts", tags)
    assert run.success
    assert materialized(run) == WEEK_KEYS[1:4]
    assert pipeline.query(MADE) == before


def test_a_changed_setting_makes_all_weeks_stale(pipeline: Pipeline) -> None:
    load_weeks(pipeline)
    pipeline.refresh()
    pipeline.make_shifts()
    assert pipeline.query("SELECT count(*) FROM shifts.shifts") == [(12,)]
    options = PipelineSettings(shift_min_riders=9, first_week=date(2000, 1, 3))
    changed = Pipeline(pipeline.instance, build_defs(options), pipeline.landing, pipeline.url)
    (run,) = changed.make_shifts()
    assert materialized(run) == WEEK_KEYS
    assert pipeline.query("SELECT count(*) FROM shifts.shifts") == [(0,)]


def test_a_broken_shift_fails_its_check_until_it_is_made_again(pipeline: Pipeline, monkeypatch: Any) -> None:
    load_weeks(pipeline)
    pipeline.refresh()
    with monkeypatch.context() as patch:
        patch.setattr(
            "shifts_pipeline.storage.shifts.refresh.replace_makings", _writing_far_places(pipeline.url)
        )
        (run,) = pipeline.make_shifts()
    failed = [check for check in run.get_asset_check_evaluations() if not check.passed]
    assert {check.check_name for check in failed} == {TRIPS_FIT}
    assert {check.partition for check in failed} == set(WEEK_KEYS)
    again = pipeline.run("refresh_shifts", {"dagster/partition": WEEK_KEYS[5]})
    assert all(check.passed for check in again.get_asset_check_evaluations())


def _writing_far_places(url: str) -> Any:
    def replace(*arguments: Any) -> Any:
        written = replace_makings(*arguments)
        with psycopg.connect(url) as connection:
            connection.execute("UPDATE shifts_store.shifts SET pickup = ST_Translate(pickup, 0.01, 0)")
        return written

    return replace


def test_the_resource_has_the_settings() -> None:
    options = PipelineSettings(
        shift_weeks=2, shift_min_riders=5, cluster_max_radius_m=300, time_bin_minutes=30
    )
    making = (build_defs(options).resources or {})["shift_making"]
    assert isinstance(making, ShiftMaking)
    made = making.options()
    assert (made.weeks, made.parameters.min_riders) == (2, 5)
    assert (made.parameters.max_radius_m, made.parameters.window_minutes) == (300, 30)
