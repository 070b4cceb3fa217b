"""Backfills and runs as the Dagster UI launches them, over files with names of every kind."""

from collections.abc import Iterator

import dagster as dg
import pytest
from dagster._core.workspace.load_target import GrpcServerTarget

from shifts_pipeline.asset_keys import RAW_TRIPS
from shifts_pipeline.partitions import TRIP_FILES, from_key, to_key
from tests.conftest import dagster_instance
from tests.integration.pipeline.harness import HEADER, Pipeline, row
from tests.integration.pipeline.webserver import Webserver, webserver

NAMES = [
    "a,b.csv",
    "a, b, c.csv",
    "[a].csv",
    "[a...b].csv",
    "a...b.csv",
    "a....csv",
    'say "a".csv',
    "it's a.csv",
    "back\\slash.csv",
    " leading.csv",
    "two  spaces  in it.csv",
    "trailing /a.csv",
    "pipe|pipe.csv",
    "100%.csv",
    "%2C.csv",
    "star*.csv",
    "{a: 1}.csv",
    "two\nlines.csv",
    "tab\tulated.csv",
    "Zürich 東京 \N{BUS}.csv",
    "Zu\N{COMBINING DIAERESIS}rich.csv",
    "right\N{RIGHT-TO-LEFT OVERRIDE}left.csv",
    "no\N{NO-BREAK SPACE}break.csv",
    "/".join(["long" * 40] * 5) + ".csv",
]

pytestmark = [
    # Dagster's webserver calls deprecated functions, and its event loop ends before a coroutine.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

BACKFILL = """
mutation ($parameters: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $parameters) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}
"""
LAUNCH = """
mutation ($parameters: ExecutionParams!) {
  launchPipelineExecution(executionParams: $parameters) {
    __typename
    ... on LaunchRunSuccess { run { runId status } }
    ... on PythonError { message }
    ... on RunConfigValidationInvalid { errors { message } }
  }
}
"""
PARTITIONS = """
query { assetNodeOrError(assetKey: {path: ["raw_trips"]}) {
  ... on AssetNode { partitionKeys partitionStats { numPartitions numMaterialized numFailed } }
} }
"""


@pytest.fixture
def instance(dagster_database_url: str) -> Iterator[dg.DagsterInstance]:
    """An instance that executes launched runs in this process."""
    launcher = {
        "module": "dagster._core.launcher.sync_in_memory_run_launcher",
        "class": "SyncInMemoryRunLauncher",
    }
    coordinator = {"module": "dagster._core.run_coordinator", "class": "DefaultRunCoordinator"}
    with dagster_instance(dagster_database_url, run_launcher=launcher, run_coordinator=coordinator) as found:
        yield found


@pytest.fixture
def loaded(pipeline: Pipeline) -> Pipeline:
    """Every name was loaded; the bytes of each have changed since, without a new version in the ledger."""
    for name in NAMES:
        pipeline.put(name, HEADER + row(source=f"before {NAMES.index(name)}"))
    for run in pipeline.load():
        assert run.success
    assert pipeline.trips() == len(NAMES)
    for name in NAMES:
        pipeline.put(name, HEADER + row(source=f"after {NAMES.index(name)}"))
    return pipeline


def after(pipeline: Pipeline) -> set[str]:
    """Names of the files that were loaded again."""
    return {
        NAMES[int(source.removeprefix("after "))]
        for (source,) in pipeline.query("SELECT source FROM shifts.trips WHERE source LIKE 'after%%'")
    }


@pytest.mark.timeout(300)
def test_files_of_any_name_are_loaded_by_runs_and_backfills_of_the_ui(
    loaded: Pipeline, code: GrpcServerTarget
) -> None:
    single, ranged, picked, everything = NAMES[:8], NAMES[8:12], NAMES[12:18:2], NAMES
    with webserver(loaded.instance, code) as ui:
        node = ui.ask(PARTITIONS)["assetNodeOrError"]
        assert {from_key(key) for key in node["partitionKeys"]} == set(NAMES)
        assert node["partitionStats"] == {
            "numPartitions": len(NAMES),
            "numMaterialized": len(NAMES),
            "numFailed": 0,
        }
        keys = node["partitionKeys"]
        expected: set[str] = set()
        for name in single:
            _launch(ui, {"dagster/partition": to_key(name)})
            expected.add(name)
            assert after(loaded) == expected
        first, last = sorted((keys.index(to_key(ranged[0])), keys.index(to_key(ranged[-1]))))
        _launch(
            ui,
            {
                "dagster/asset_partition_range_start": keys[first],
                "dagster/asset_partition_range_end": keys[last],
            },
        )
        expected |= {from_key(key) for key in keys[first : last + 1]}
        assert after(loaded) == expected
        for chosen in (picked, everything):
            _backfill(ui, [to_key(name) for name in chosen])
            expected |= set(chosen)
            assert after(loaded) == expected
    assert {status for status, _, _ in loaded.ledger().values()} == {"loaded"}
    assert loaded.trips() == len(NAMES)


def _launch(ui: Webserver, tags: dict[str, str]) -> None:
    answer = ui.ask(
        LAUNCH,
        parameters={
            "selector": {
                "repositoryLocationName": "shifts",
                "repositoryName": "__repository__",
                "pipelineName": "load_trip_files",
                "assetSelection": [{"path": list(RAW_TRIPS.path)}],
            },
            "mode": "default",
            "executionMetadata": {"tags": [{"key": key, "value": value} for key, value in tags.items()]},
        },
    )
    assert answer["launchPipelineExecution"]["__typename"] == "LaunchRunSuccess", answer


def _backfill(ui: Webserver, keys: list[str]) -> None:
    answer = ui.ask(
        BACKFILL,
        parameters={"assetSelection": [{"path": list(RAW_TRIPS.path)}], "partitionNames": keys},
    )
    assert answer["launchPartitionBackfill"]["__typename"] == "LaunchBackfillSuccess", answer
    ui.work_on_backfills()


def test_retired_partitions_are_not_counted_and_a_backfill_keeps_its_own(
    pipeline: Pipeline, code: GrpcServerTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shifts_pipeline.sensors.file_partitions.MAX_PARTITIONS", 4)
    monkeypatch.setattr("shifts_pipeline.sensors.file_partitions.RETIRED_AHEAD", 0)
    for number in range(4):
        pipeline.put(f"{number}.csv", HEADER + row(source=f"{number}"))
    pipeline.load()
    with webserver(pipeline.instance, code) as ui:
        parameters = {
            "assetSelection": [{"path": list(RAW_TRIPS.path)}],
            "partitionNames": ["0.csv", "1.csv"],
        }
        ui.ask(BACKFILL, parameters=parameters)
        for number in range(4, 6):
            pipeline.put(f"{number}.csv", HEADER + row(source=f"{number}"))
        pipeline.load()
        keys = ["0.csv", "1.csv", "4.csv", "5.csv"]
        assert pipeline.instance.get_dynamic_partitions(str(TRIP_FILES.name)) == keys
        node = ui.ask(PARTITIONS)["assetNodeOrError"]
        assert node == {
            "partitionKeys": keys,
            "partitionStats": {"numPartitions": 4, "numMaterialized": 4, "numFailed": 0},
        }
        ui.work_on_backfills()
    assert pipeline.ledger()["0.csv"] == ("loaded", 1, 0)
