"""Results of asset checks as the Dagster UI shows them: one status for each partition."""

from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg
import pytest
from dagster._core.workspace.load_target import GrpcServerTarget
from sqlalchemy import make_url

from tests.conftest import NO_LOGS
from tests.integration.pipeline.harness import HEADER, Pipeline, row
from tests.integration.pipeline.webserver import Webserver, webserver

pytestmark = [
    # Dagster's webserver calls deprecated functions, and its event loop ends before a coroutine.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

CHECKS = """
query ($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) { ... on AssetNode {
  assetChecksOrError { ... on AssetChecks { checks { name partitionStatuses {
    ... on AssetCheckDefaultPartitionStatuses {
      succeededPartitions failedPartitions inProgressPartitions skippedPartitions executionFailedPartitions
    } } } } } } } }
"""
WEEKS = {"2018-05-28", "2018-06-04"}


@pytest.fixture
def instance(dagster_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """An instance with the storage that `dagster.yaml` names."""
    url = make_url(dagster_database_url).set(drivername="postgresql+psycopg2")
    monkeypatch.setenv("SHIFTS_DAGSTER_DATABASE_URL", url.render_as_string(hide_password=False))
    storage = {"module": "shifts_platform.dagster_storage", "class": "PlatformStorage", "config": {}}
    with dg.instance_for_test(overrides={"storage": {"custom": storage}, "compute_logs": NO_LOGS}) as found:
        yield found


Statuses = Callable[[str], dict[str, dict[str, set[str]]]]


@pytest.fixture
def statuses(pipeline: Pipeline, code: GrpcServerTarget) -> Iterator[Statuses]:
    """For each check of an asset's partitions: the partitions of each status that has some."""
    with webserver(pipeline.instance, code) as ui:
        yield lambda asset: _statuses(ui, asset)


def _statuses(ui: Webserver, asset: str) -> dict[str, dict[str, set[str]]]:
    node = ui.ask(CHECKS, key={"path": [asset]})["assetNodeOrError"]
    return {
        check["name"]: _by_status(check["partitionStatuses"])
        for check in node["assetChecksOrError"]["checks"]
        if check["partitionStatuses"] is not None
    }


def _by_status(found: dict[str, list[str]]) -> dict[str, set[str]]:
    return {name.removesuffix("Partitions"): set(keys) for name, keys in found.items() if keys}


@pytest.fixture
def fresh(pipeline: Pipeline) -> Pipeline:
    """Two weeks of two regions, loaded and refreshed."""
    for region in ("Turin", "Paris"):
        for day in ("2018-05-28", "2018-06-04"):
            pipeline.put(f"{region} {day}.csv", HEADER + row(region=region, moment=f"{day} 09:00:00"))
    assert all(run.success for run in [*pipeline.load(), *pipeline.refresh()])
    return pipeline


def test_every_partition_shows_that_its_checks_passed(fresh: Pipeline, statuses: Statuses) -> None:
    for asset in ("weekly_aggregates", "trip_clusters"):
        for check in statuses(asset).values():
            assert check == {"succeeded": WEEKS}
    (check,) = statuses("raw_trips").values()
    assert check == {"succeeded": {f"{region} {day}.csv" for region in ("Turin", "Paris") for day in WEEKS}}


def test_a_failed_week_stays_failed_while_another_one_passes(fresh: Pipeline, statuses: Statuses) -> None:
    name = "weekly_totals_equal_trips"
    fresh.execute(
        "DELETE FROM shifts_store.trips WHERE trip_id = (SELECT min(trip_id) FROM shifts_store.trips)"
    )
    tags = {
        "dagster/asset_partition_range_start": "2018-05-28",
        "dagster/asset_partition_range_end": "2018-06-04",
    }
    assert fresh.run("refresh_weeks", tags).success
    ((lost_week,),) = fresh.query("SELECT week::text FROM shifts_store.failed_pair_checks")
    others = WEEKS - {lost_week}
    assert statuses("weekly_aggregates")[name] == {"failed": {lost_week}, "succeeded": others}
    (other,) = others
    assert fresh.run("refresh_weeks", {"dagster/partition": other}).success
    assert statuses("weekly_aggregates")[name] == {"failed": {lost_week}, "succeeded": others}


def test_a_week_that_a_run_had_nothing_to_do_in_keeps_its_result(fresh: Pipeline, statuses: Statuses) -> None:
    fresh.put("new.csv", HEADER + row(moment="2018-05-28 10:00:00"))
    fresh.load()
    tags = {
        "dagster/asset_partition_range_start": "2018-05-28",
        "dagster/asset_partition_range_end": "2018-06-04",
        "shifts/only_stale": "true",
    }
    assert fresh.run("refresh_weeks", tags).success
    for asset in ("weekly_aggregates", "trip_clusters"):
        for check in statuses(asset).values():
            assert check == {"succeeded": WEEKS}


def test_the_check_of_a_file_that_did_not_load_shows_as_not_executed(
    fresh: Pipeline, statuses: Statuses
) -> None:
    fresh.put("bad.csv", "region\nTurin\n")
    (run,) = fresh.load()
    assert not run.success
    (check,) = statuses("raw_trips").values()
    assert check["executionFailed"] == {"bad.csv"}


def test_the_check_of_a_partition_that_a_run_is_about_to_evaluate_is_in_progress(
    fresh: Pipeline, statuses: Statuses
) -> None:
    job: Any = fresh.defs.resolve_job_def("refresh_weeks")
    fresh.instance.create_run_for_job(
        job, tags={"dagster/partition": "2018-05-28"}, status=dg.DagsterRunStatus.STARTED
    )
    for check in statuses("trip_clusters").values():
        assert check == {"succeeded": {"2018-06-04"}, "inProgress": {"2018-05-28"}}
