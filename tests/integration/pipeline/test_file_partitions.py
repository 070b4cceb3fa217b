"""Partitions of files on a real Dagster: the oldest finished ones are retired, and never one that a run needs."""

from collections.abc import Iterator

import dagster as dg
import psycopg
import pytest

from shifts_pipeline.partitions import TRIP_FILES, to_key
from shifts_pipeline.sensors import file_partitions
from shifts_pipeline.sensors.landing_zone import landing_zone
from shifts_pipeline.sensors.queued_files import queued_files
from tests.integration.pipeline.harness import HEADER, Pipeline, row

MAX = 6


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_partitions, "MAX_PARTITIONS", MAX)
    monkeypatch.setattr(file_partitions, "RETIRED_AHEAD", 0)
    monkeypatch.setattr(file_partitions, "_PAGE", 2)


@pytest.fixture
def ledger(pipeline: Pipeline) -> Iterator[psycopg.Connection]:
    with psycopg.connect(pipeline.url, autocommit=True) as connection:
        yield connection


def put(pipeline: Pipeline, *names: str) -> None:
    for number, name in enumerate(names):
        pipeline.put(f"{name}.csv", HEADER + row(source=f"{name} {number}"))


def held(pipeline: Pipeline) -> list[str]:
    """The partitions, without the suffix of their files."""
    keys = pipeline.instance.get_dynamic_partitions(str(TRIP_FILES.name))
    return [key.removesuffix(".csv") for key in keys]


def test_the_oldest_finished_partitions_make_room_and_the_ledger_keeps_their_files(
    pipeline: Pipeline,
) -> None:
    put(pipeline, *"abcdef")
    pipeline.load()
    put(pipeline, *"ghij")
    pipeline.load()
    assert held(pipeline) == list("efghij")
    assert {status for status, _, _ in pipeline.ledger().values()} == {"loaded"}
    assert sorted(pipeline.ledger()) == [f"{name}.csv" for name in "abcdefghij"]
    assert pipeline.trips() == 10


def test_a_changed_file_whose_partition_was_retired_becomes_one_again(pipeline: Pipeline) -> None:
    put(pipeline, *"abcdef")
    pipeline.load()
    put(pipeline, "g")
    pipeline.load()
    assert "a" not in held(pipeline)
    pipeline.put("a.csv", HEADER + row() + row(region="Prague"))
    pipeline.load()
    assert held(pipeline) == list("cdefga")
    assert pipeline.ledger()["a.csv"] == ("loaded", 2, 0)
    assert pipeline.trips() == 8


def test_partitions_of_files_that_are_queued_or_loading_stay_and_others_wait(pipeline: Pipeline) -> None:
    put(pipeline, *"abcdef")
    pipeline.tick(landing_zone)
    requests = pipeline.tick(queued_files).run_requests
    pipeline.execute(
        "UPDATE shifts_store.trip_files SET requested_at = now() - interval '1 h' WHERE name = 'b.csv'"
    )
    put(pipeline, *"gh")
    pipeline.tick(landing_zone)
    again = pipeline.tick(queued_files).run_requests
    assert [request.tags["dagster/asset_partition_range_start"] for request in again] == ["b.csv"]
    assert held(pipeline) == list("abcdef")
    pipeline.run("load_trip_files", dict(requests[0].tags))
    pipeline.load()
    assert set(held(pipeline)) >= set("gh")
    assert len(held(pipeline)) == MAX
    assert {status for status, _, _ in pipeline.ledger().values()} == {"loaded"}


@pytest.mark.parametrize(
    "tags",
    [
        {"dagster/partition": "a.csv"},
        {"dagster/asset_partition_range_start": "a.csv", "dagster/asset_partition_range_end": "b.csv"},
    ],
)
def test_partitions_of_unfinished_runs_stay(pipeline: Pipeline, tags: dict[str, str]) -> None:
    put(pipeline, *"abcdef")
    pipeline.load()
    job = pipeline.defs.resolve_job_def("load_trip_files")
    run = pipeline.instance.create_run_for_job(job, tags=tags, status=dg.DagsterRunStatus.STARTED)
    put(pipeline, *"ghi")
    pipeline.load()
    needed = sorted({key.removesuffix(".csv") for key in tags.values()})
    assert held(pipeline)[: len(needed)] == needed
    assert len(held(pipeline)) == MAX
    pipeline.instance.report_run_canceled(run)
    put(pipeline, "j")
    pipeline.load()
    assert "a" not in held(pipeline)


def test_a_run_over_retired_neighbours_loads_every_file_of_its_range(pipeline: Pipeline) -> None:
    put(pipeline, *"abcdef")
    pipeline.load()
    put(pipeline, *"gh")
    pipeline.load()
    pipeline.put("c.csv", HEADER + row(source="c again"))
    pipeline.put("e.csv", HEADER + row(source="e again"))
    runs = pipeline.load()
    # `d` lies between them, and is not loaded again.
    assert [run.success for run in runs] == [True, True]
    assert {status for status, _, _ in pipeline.ledger().values()} == {"loaded"}


def test_partitions_beyond_the_maximum_are_retired_without_new_files(pipeline: Pipeline) -> None:
    keys = [f"old {number}" for number in range(20)]
    pipeline.instance.add_dynamic_partitions(str(TRIP_FILES.name), keys)
    pipeline.instance.add_dynamic_partitions("weeks", ["2018-04-30"])
    pipeline.tick(queued_files)
    assert held(pipeline) == keys[-MAX:]
    assert pipeline.instance.get_dynamic_partitions("weeks") == ["2018-04-30"]


def test_neighbours_have_consecutive_positions(pipeline: Pipeline, ledger: psycopg.Connection) -> None:
    instance = pipeline.instance
    instance.add_dynamic_partitions(str(TRIP_FILES.name), ["a"])
    instance.add_dynamic_partitions("weeks", ["2018-04-30"])
    instance.add_dynamic_partitions(str(TRIP_FILES.name), ["b", "c", "d"])
    assert file_partitions.add(instance, ledger, ["d", "e", "b", "a"]) == {"a": 2, "b": 3, "d": 5, "e": 6}


def test_names_that_need_encoding_are_found_in_the_ledger(pipeline: Pipeline) -> None:
    put(pipeline, "a,1|[x]...", *"bcdef")
    pipeline.tick(landing_zone)
    pipeline.tick(queued_files)
    put(pipeline, *"gh")
    pipeline.tick(landing_zone)
    pipeline.tick(queued_files)
    assert to_key("a,1|[x]....csv").removesuffix(".csv") in held(pipeline)
