"""Weeks that are older than what is kept leave the databases and the landing zone, and do not come back."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

import dagster as dg
import psycopg
import pytest

from shifts_core.calendar import monday_of
from shifts_pipeline.asset_keys import TRIP_CLUSTERS
from shifts_pipeline.definitions import build_defs
from shifts_pipeline.jobs.retention import nightly_retention
from shifts_pipeline.partitions import WEEKS
from shifts_pipeline.resources.retention import Retention
from shifts_pipeline.sensors.stale_weeks import stale_weeks
from shifts_pipeline.settings import PipelineSettings
from tests.integration.pipeline.commuters import commuters, settle, texts, trip_ids
from tests.integration.pipeline.harness import Pipeline
from tests.integration.traces import traces

WEEKS_KEPT = 3
OLD, MIXED, YOUNG = 45.0612347, 45.0898761, 45.1234567
"""Latitudes of the trips of three files: of expired weeks, of both, of weeks that are kept."""


def monday(weeks_ago: int) -> date:
    return monday_of(date.today()) - timedelta(weeks=weeks_ago)  # noqa: DTZ011


def keeping(pipeline: Pipeline, weeks: int | None = WEEKS_KEPT, *, keep_totals: bool = False) -> Pipeline:
    """The same pipeline with a retention."""
    options = PipelineSettings(first_week=date(2000, 1, 3), retention_weeks=weeks, keep_totals=keep_totals)
    return replace(pipeline, defs=build_defs(options))


def expire(pipeline: Pipeline, *, dry_run: bool = False) -> dict[str, object]:
    """Runs the job, and the runs that the sensor requests; the metadata of the job."""
    config = {"ops": {"drop_expired_weeks": {"config": {"dry_run": dry_run}}}}
    run = pipeline.defs.resolve_job_def("retention").execute_in_process(
        instance=pipeline.instance, run_config=config
    )
    assert run.success
    assert all(each.success for each in pipeline.delete())
    (output,) = (event for event in run.all_events if event.is_successful_output)
    metadata = output.step_output_data.metadata
    return {name: value.value for name, value in metadata.items()}


@pytest.fixture
def urls(database_url: str, dagster_database_url: str) -> Sequence[str]:
    return database_url, dagster_database_url


@pytest.fixture
def loaded(pipeline: Pipeline) -> Pipeline:
    pipeline.put("old.csv", commuters(OLD, 2, first=monday(6)))
    pipeline.put("mixed.csv", commuters(MIXED, 6, first=monday(5)))
    pipeline.put("young.csv", commuters(YOUNG, 3, first=monday(3)))
    settle(pipeline)
    return pipeline


def weekly(pipeline: Pipeline) -> dict[date, int]:
    return dict(pipeline.query("SELECT week, trips FROM shifts.weekly"))


def ids_before(pipeline: Pipeline, week: date) -> list[str]:
    rows = pipeline.query("SELECT trip_id FROM shifts.trips WHERE started_at < %s", week)
    return [str(trip_id) for (trip_id,) in rows]


def test_a_search_finds_nothing_of_expired_weeks(loaded: Pipeline, urls: Sequence[str]) -> None:
    expired, kept = ids_before(loaded, monday(3)), trip_ids(loaded, "young.csv")
    assert {text for _, text in traces(urls, loaded.landing, expired)} == set(expired)
    keeper = keeping(loaded)
    expire(keeper)
    # At once: shifts of later weeks are still to be made again.
    assert traces(urls, loaded.landing, [*texts(OLD), *expired]) == set()
    settle(keeper)
    assert traces(urls, loaded.landing, [*texts(OLD), *expired]) == set()
    assert {text for _, text in traces(urls, loaded.landing, kept)} == set(kept)
    assert weekly(loaded) == {monday(3): 40, monday(2): 40, monday(1): 40, monday(0): 20}
    assert sorted(path.name for path in loaded.landing.iterdir()) == ["mixed.csv", "young.csv"]
    assert dict(loaded.query("SELECT name, status FROM shifts.files")) == {
        "old.csv": "deleted",
        "mixed.csv": "loaded",
        "young.csv": "loaded",
    }
    assert keeper.run("audit_everything", {}).success
    assert loaded.query("SELECT DISTINCT differences FROM shifts_store.week_audits") == [([],)]
    assert loaded.query("SELECT differences FROM shifts_store.file_audits") == [([],)]


def test_partitions_of_expired_weeks_are_dropped_in_postgresql_and_in_dagster(loaded: Pipeline) -> None:
    keeper = keeping(loaded)
    expire(keeper)
    keeper.tick(stale_weeks)
    kept = [monday(ago) for ago in (3, 2, 1, 0)]
    assert sorted(loaded.instance.get_dynamic_partitions(str(WEEKS.name))) == [str(week) for week in kept]
    tables = loaded.query(
        "SELECT relid::regclass::text FROM pg_partition_tree('shifts_store.trips') WHERE isleaf ORDER BY 1"
    )
    assert tables == sorted((f"shifts_store.trips_{week:%Gw%V}",) for week in kept)
    assert loaded.instance.get_materialized_partitions(TRIP_CLUSTERS) == {str(week) for week in kept}


def test_a_dry_run_reports_what_a_run_then_drops(loaded: Pipeline) -> None:
    keeper = keeping(loaded)
    before = weekly(loaded)
    planned = expire(keeper, dry_run=True)
    assert weekly(loaded) == before
    assert (loaded.landing / "old.csv").exists()
    dropped = expire(keeper)
    assert {**planned, "dry_run": False} == dropped
    assert {name: dropped[name] for name in ("weeks", "trips", "files_deleted", "first_week_kept")} == {
        "weeks": 3,
        "trips": 80,
        "files_deleted": 1,
        "first_week_kept": f"{monday(3):%G-W%V}",
    }
    assert expire(keeper)["weeks"] == 0


def test_totals_of_expired_weeks_remain_if_they_are_kept(loaded: Pipeline) -> None:
    before = weekly(loaded)
    expire(keeping(loaded, keep_totals=True))
    assert weekly(loaded) == before


def test_what_has_expired_is_not_loaded_again(loaded: Pipeline, urls: Sequence[str]) -> None:
    keeper = keeping(loaded)
    expire(keeper)
    after = weekly(loaded)
    # Seen again: with another time, under another name, and with other bytes.
    mixed = commuters(MIXED, 6, first=monday(5))
    loaded.put("mixed.csv", mixed)
    loaded.put("old.csv", commuters(OLD, 2, first=monday(6)))
    loaded.put("older.csv", commuters(OLD, 1, first=monday(6)).removesuffix("\n"))
    loaded.put("mixed again.csv", mixed + "\n")
    keeper.load()
    assert weekly(loaded) == {week: trips + 20 for week, trips in after.items()}
    errors = dict(loaded.query("SELECT name, error FROM shifts.files WHERE status = 'failed'"))
    assert errors.keys() == {"old.csv", "older.csv"}
    assert errors["older.csv"] == "its 20 trips are older than the weeks that are kept"
    assert "deleted on" in errors["old.csv"]
    assert "the retention of 3 weeks" in errors["old.csv"]
    assert ids_before(loaded, monday(3)) == []
    assert loaded.query("SELECT raw FROM shifts.rejects WHERE reason LIKE '%%older%%' AND raw <> ''") == []


def test_a_file_of_both_is_loaded_without_its_expired_trips(pipeline: Pipeline, urls: Sequence[str]) -> None:
    keeper = keeping(pipeline, 1)
    keeper.put("mixed.csv", commuters(MIXED, 6, first=monday(5)))
    settle(keeper)
    assert keeper.ledger()["mixed.csv"] == ("loaded", 40, 81)
    assert weekly(pipeline) == {monday(1): 20, monday(0): 20}
    (reasons,) = {
        tuple(row) for row in pipeline.query("SELECT DISTINCT reason, raw FROM shifts.rejects WHERE raw = ''")
    }
    assert reasons == ("its week is older than the weeks that are kept", "")
    assert pipeline.query("SELECT count(*) FROM shifts.rejects") == [(81,)]


def test_shifts_keep_their_ids_when_earlier_weeks_expire(loaded: Pipeline) -> None:
    statement = "SELECT week, shift_id FROM shifts.shifts WHERE week >= %s ORDER BY week, shift_id"
    before = loaded.query(statement, monday(3))
    assert before
    keeper = keeping(loaded)
    expire(keeper)
    settle(keeper)
    assert loaded.query(statement, monday(3)) == before


def test_nothing_expires_without_the_setting(loaded: Pipeline) -> None:
    before = weekly(loaded)
    keeper = keeping(loaded, None)
    expire(keeper)
    assert weekly(loaded) == before
    with dg.build_schedule_context(
        resources={"retention": Retention(weeks=None, keep_totals=False)}
    ) as context:
        assert nightly_retention.evaluate_tick(context).run_requests == []
    with dg.build_schedule_context(resources={"retention": Retention(weeks=1, keep_totals=False)}) as context:
        assert len(nightly_retention.evaluate_tick(context).run_requests or []) == 1


def test_a_week_that_a_load_holds_is_dropped_the_next_time(loaded: Pipeline, database_url: str) -> None:
    keeper = keeping(loaded)
    with psycopg.connect(database_url) as load:
        load.execute(f"LOCK TABLE shifts_store.trips_{monday(5):%Gw%V} IN ROW EXCLUSIVE MODE".encode())
        assert expire(keeper)["weeks"] == 2
    assert monday(5) in weekly(loaded)
    assert expire(keeper)["weeks"] == 1
    assert sorted(weekly(loaded)) == [monday(3), monday(2), monday(1), monday(0)]
