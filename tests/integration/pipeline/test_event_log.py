"""Dagster's event log as the platform writes it: the same rows as Dagster's own storage, in fewer statements."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import psycopg
import pytest
from dagster._core.storage.event_log import SqlEventLogStorage
from sqlalchemy import make_url

from shifts_pipeline import event_log_storage
from shifts_pipeline.asset_keys import RAW_TRIPS
from shifts_pipeline.checks.rows_accounted import NAME
from shifts_pipeline.event_log_storage import BatchedEventLogStorage
from shifts_pipeline.partitions import TRIP_FILES
from tests.conftest import NO_LOGS
from tests.integration.pipeline.harness import HEADER, Pipeline, row


@pytest.fixture
def instance(dagster_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """An instance with the storage that `dagster.yaml` names."""
    url = make_url(dagster_database_url).set(drivername="postgresql+psycopg2")
    monkeypatch.setenv("SHIFTS_DAGSTER_DATABASE_URL", url.render_as_string(hide_password=False))
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "1000")
    storage = {"module": "shifts_platform.dagster_storage", "class": "PlatformStorage", "config": {}}
    with dg.instance_for_test(overrides={"storage": {"custom": storage}, "compute_logs": NO_LOGS}) as found:
        assert isinstance(found.event_log_storage, BatchedEventLogStorage)
        yield found


def drop(pipeline: Pipeline, files: int) -> None:
    for number in range(files):
        pipeline.put(f"{number:03}.csv", HEADER + row(source=f"source {number}"))


def rows(url: str, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(statement.encode()).fetchall()


def test_a_run_over_many_files_writes_every_event_of_each(
    pipeline: Pipeline, dagster_database_url: str
) -> None:
    drop(pipeline, 130)
    pipeline.put("999.csv", "region\nTurin\n")
    (run,) = pipeline.load()
    loaded = {f"{number:03}.csv" for number in range(130)}
    instance = pipeline.instance
    assert instance.get_materialized_partitions(RAW_TRIPS) >= loaded
    counted = dict(
        rows(
            dagster_database_url,
            "SELECT dagster_event_type, count(*) FROM event_logs"
            f" WHERE run_id = '{run.run_id}' AND dagster_event_type LIKE 'ASSET%' GROUP BY 1",
        )
    )
    assert counted == {
        "ASSET_MATERIALIZATION_PLANNED": 131,
        "ASSET_CHECK_EVALUATION_PLANNED": 1,
        "ASSET_MATERIALIZATION": 130,
        "ASSET_CHECK_EVALUATION": 130,
    }
    checks = rows(
        dagster_database_url,
        f"SELECT partition, execution_status FROM asset_check_executions WHERE run_id = '{run.run_id}'",
    )
    assert sorted(checks) == sorted([*((name, "SUCCEEDED") for name in loaded), ("999.csv", "PLANNED")])
    tagged = rows(
        dagster_database_url,
        "SELECT count(*) FROM asset_event_tags t JOIN event_logs e ON e.id = t.event_id"
        f" WHERE t.key = 'dagster/data_version' AND e.run_id = '{run.run_id}'",
    )
    assert tagged == [(130,)]


def test_results_of_a_check_can_be_read_and_belong_to_their_partitions(pipeline: Pipeline) -> None:
    drop(pipeline, 3)
    pipeline.load()
    key = dg.AssetCheckKey(RAW_TRIPS, NAME)
    history = pipeline.instance.event_log_storage.get_asset_check_execution_history(key, limit=3)
    found = [
        record.event.get_dagster_event().asset_check_evaluation_data for record in history if record.event
    ]
    assert {(evaluation.partition, evaluation.passed) for evaluation in found} == {
        ("000.csv", True),
        ("001.csv", True),
        ("002.csv", True),
    }


def test_a_row_of_a_planned_check_does_not_grow_with_the_run(
    pipeline: Pipeline, dagster_database_url: str
) -> None:
    job = pipeline.defs.resolve_job_def("load_trip_files")
    lengths = []
    for count in (2, 200):
        keys = [f"{count} {number}" for number in range(count)]
        pipeline.instance.add_dynamic_partitions(str(TRIP_FILES.name), keys)
        tags = {
            "dagster/asset_partition_range_start": keys[0],
            "dagster/asset_partition_range_end": keys[-1],
        }
        run = pipeline.instance.create_run_for_job(job, tags=tags)
        found = rows(
            dagster_database_url,
            f"SELECT length(evaluation_event) FROM asset_check_executions WHERE run_id = '{run.run_id}'",
        )
        assert len(found) == count
        lengths.append(found[0][0])
    assert lengths[0] == pytest.approx(lengths[1], abs=50)


def test_another_event_comes_after_those_that_were_collected_before_it(
    pipeline: Pipeline, dagster_database_url: str
) -> None:
    drop(pipeline, 10)
    (run,) = pipeline.load()
    types = [
        type_
        for (type_,) in rows(
            dagster_database_url,
            f"SELECT dagster_event_type FROM event_logs WHERE run_id = '{run.run_id}' ORDER BY id",
        )
    ]
    assert types.index("STEP_SUCCESS") > max(
        place for place, type_ in enumerate(types) if type_ == "ASSET_CHECK_EVALUATION"
    )


def test_events_are_written_when_the_first_is_old_enough(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[int] = []
    store = BatchedEventLogStorage.store_event_batch

    def counted(self: BatchedEventLogStorage, events: Any) -> None:
        batches.append(len(events))
        store(self, events)

    drop(pipeline, 4)
    monkeypatch.setattr(BatchedEventLogStorage, "store_event_batch", counted)
    monkeypatch.setattr(event_log_storage, "MAX_AGE_S", -1.0)
    pipeline.load()
    # The planned events of the run, then each event of a file by itself.
    assert batches == [5, *([1] * 8)]


def test_the_event_of_a_materialized_file_names_its_own_task_only(
    pipeline: Pipeline, dagster_database_url: str
) -> None:
    drop(pipeline, 3)
    pipeline.load()
    published = rows(
        dagster_database_url,
        "SELECT partition, task_ids FROM shifts_feed.events WHERE type = 'asset.materialized'",
    )
    tasks = pipeline.query("SELECT name, ARRAY[task_id] FROM shifts_store.trip_files")
    assert sorted(published) == sorted(tasks)


def test_the_storage_is_still_dagsters_own(instance: dg.DagsterInstance) -> None:
    assert isinstance(instance.event_log_storage, SqlEventLogStorage)
    assert instance.get_ref().storage_data is not None
