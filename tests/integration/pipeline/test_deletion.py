"""Deleted files leave nothing behind but their records in the ledger, and their bytes are refused."""

import os
from collections.abc import Sequence

import psycopg
import pytest

from shifts_pipeline.partitions import TRIP_FILES
from shifts_pipeline.sensors.landing_zone import landing_zone
from shifts_pipeline.sensors.queued_files import queued_files
from tests.integration.pipeline.commuters import commuters, settle, texts, trip_ids
from tests.integration.pipeline.deleting import GONE, ask, delete
from tests.integration.pipeline.harness import Pipeline
from tests.integration.traces import traces


def events(url: str, type_: str) -> list[tuple[str, str]]:
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT partition, message FROM shifts_feed.events WHERE type = %s ORDER BY event_id", [type_]
        ).fetchall()


@pytest.fixture
def urls(database_url: str, dagster_database_url: str) -> Sequence[str]:
    return database_url, dagster_database_url


def test_a_search_of_both_databases_and_the_landing_zone_finds_nothing_of_a_deleted_file(
    two_files: Pipeline, urls: Sequence[str]
) -> None:
    ids = trip_ids(two_files, "gone.csv")
    assert {text for _, text in traces(urls, two_files.landing, texts(GONE) + ids)} >= {*texts(GONE), *ids}
    assert ask(two_files, "gone.csv") == ["gone.csv"]
    delete(two_files)
    # At once: the refresh is still to come.
    assert traces(urls, two_files.landing, [*texts(GONE), *ids]) == set()
    settle(two_files)
    assert traces(urls, two_files.landing, [*texts(GONE), *ids]) == set()
    assert traces(urls, two_files.landing, trip_ids(two_files, "kept.csv"))


def test_what_was_not_computed_with_a_deleted_file_stays(two_files: Pipeline) -> None:
    ask(two_files, "gone.csv")
    delete(two_files)
    assert two_files.query("SELECT DISTINCT trips FROM shifts.clusters") == [(20,)]
    assert two_files.query("SELECT count(*) > 0 FROM shifts.shifts") == [(True,)]
    settle(two_files)
    assert two_files.query("SELECT week::text, trips FROM shifts.weekly ORDER BY week") == [
        ("2018-05-28", 20),
        ("2018-06-04", 20),
    ]
    assert two_files.query("SELECT count(*) FROM shifts.clusters") == [(2,)]
    ((tiles, counted),) = two_files.query(
        "SELECT (SELECT sum(trips) FROM shifts_store.tile_segments), (SELECT sum(trips) FROM shifts.weekly)"
    )
    assert tiles == counted
    assert two_files.run("audit_everything", {}).success
    assert two_files.query("SELECT differences FROM shifts_store.week_audits") == [([],), ([],)]
    assert two_files.query("SELECT differences FROM shifts_store.file_audits") == [([],)]


def test_the_ledger_keeps_name_hash_counts_who_and_when(
    two_files: Pipeline, dagster_database_url: str
) -> None:
    before = two_files.query("SELECT content_hash FROM shifts_store.trip_files WHERE name = 'gone.csv'")
    ask(two_files, "gone.csv")
    delete(two_files)
    assert two_files.query(
        "SELECT status, rows_loaded, rows_rejected, deleted_by, deletion_requested_at < finished_at"
        " FROM shifts_store.trip_files WHERE name = 'gone.csv'"
    ) == [("deleted", 40, 1, "Ada", True)]
    assert before == two_files.query(
        "SELECT content_hash FROM shifts_store.trip_files WHERE name = 'gone.csv'"
    )
    assert events(dagster_database_url, "file.deleted") == [("gone.csv", "gone.csv: deleted, 40 trips")]
    assert two_files.instance.get_dynamic_partitions(str(TRIP_FILES.name)) == ["kept.csv"]
    assert two_files.delete() == []


def test_deleted_bytes_are_refused_until_they_are_readmitted(
    two_files: Pipeline, dagster_database_url: str
) -> None:
    ask(two_files, "gone.csv")
    delete(two_files)
    for name in ("gone.csv", "other name.csv"):
        two_files.put(name, commuters(GONE))
        (run,) = two_files.load()
        assert not run.success
    (error,) = {message.partition(": ")[2] for _, message in events(dagster_database_url, "file.failed")}
    assert error.startswith("these bytes were deleted on ")
    assert error.endswith(" as gone.csv, by Ada; `shifts drop --again` loads them all the same")
    assert two_files.trips() == 40

    ((content_hash,),) = two_files.query(
        "SELECT content_hash FROM shifts_store.trip_files WHERE status = 'deleted'"
    )
    assert two_files.query("SELECT shifts_store.readmit(%s)", content_hash) == [(True,)]
    two_files.put("gone.csv", commuters(GONE))
    settle(two_files)
    assert two_files.trips() == 80
    ask(two_files, "gone.csv")
    delete(two_files)
    two_files.put("gone.csv", commuters(GONE))
    assert [run.success for run in two_files.load()] == [False]


def test_a_deleted_file_with_the_same_time_and_size_is_refused_too(two_files: Pipeline) -> None:
    path = two_files.landing / "gone.csv"
    content, status = path.read_bytes(), path.stat()
    ask(two_files, "gone.csv")
    delete(two_files)
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert [run.success for run in two_files.load()] == [False]
    assert two_files.trips() == 40


def test_a_scan_before_the_landed_file_is_removed_does_not_load_it_again(two_files: Pipeline) -> None:
    ask(two_files, "gone.csv")
    two_files.tick(landing_zone)
    assert two_files.tick(queued_files).run_requests == []
    delete(two_files)
    assert two_files.ledger()["gone.csv"][0] == "deleted"
    assert not (two_files.landing / "gone.csv").exists()


def test_a_file_that_waits_to_be_loaded_can_be_deleted(pipeline: Pipeline) -> None:
    pipeline.put("a.csv", commuters(GONE))
    pipeline.tick(landing_zone)
    (request,) = pipeline.tick(queued_files).run_requests
    ask(pipeline, "a.csv")
    assert pipeline.run("load_trip_files", dict(request.tags)).success
    delete(pipeline)
    assert (pipeline.trips(), pipeline.ledger()["a.csv"][0]) == (0, "deleted")
    pipeline.put("a.csv", commuters(GONE))
    assert [run.success for run in pipeline.load()] == [False]


def test_a_landing_zone_that_is_away_delays_only_the_removal_of_the_file(two_files: Pipeline) -> None:
    ask(two_files, "gone.csv")
    away = two_files.landing.rename(two_files.landing.with_name("away"))
    assert [run.success for run in two_files.delete()] == [False]
    assert (two_files.trips(), two_files.ledger()["gone.csv"][0]) == (40, "deleting")
    away.rename(two_files.landing)
    delete(two_files)
    assert two_files.ledger()["gone.csv"][0] == "deleted"
    assert not (two_files.landing / "gone.csv").exists()
