"""Deleted files leave nothing behind but their records in the ledger, and their bytes are refused."""

import os
from collections.abc import Sequence

import psycopg
import pytest

from shifts_pipeline.partitions import TRIP_FILES
from shifts_pipeline.sensors.landing_zone import landing_zone
from shifts_pipeline.sensors.queued_files import queued_files
from tests.integration.pipeline.commuters import commuters, settle, texts, trip_ids
from tests.integration.pipeline.harness import Pipeline
from tests.integration.traces import traces

KEPT, GONE = 45.0612347, 45.0898761


def ask(pipeline: Pipeline, name: str, *, keep_copies: bool = False) -> list[str]:
    """Asks for the deletion of a file, and returns the names that go with it."""
    with psycopg.connect(pipeline.url) as connection:
        rows = connection.execute(
            "SELECT d.name FROM shifts_store.request_deletion("
            " (SELECT max(file_id) FROM shifts.files WHERE name = %s), %s, 'Ada') AS d",
            [name, keep_copies],
        ).fetchall()
    return sorted({found for (found,) in rows})


def delete(pipeline: Pipeline) -> None:
    assert [run.success for run in pipeline.delete()] == [True]


def events(url: str, type_: str) -> list[tuple[str, str]]:
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT partition, message FROM shifts_feed.events WHERE type = %s ORDER BY event_id", [type_]
        ).fetchall()


@pytest.fixture
def urls(database_url: str, dagster_database_url: str) -> Sequence[str]:
    return database_url, dagster_database_url


@pytest.fixture
def loaded(pipeline: Pipeline) -> Pipeline:
    """Two files of the same region and weeks, with clusters and shifts of both."""
    pipeline.put("kept.csv", commuters(KEPT))
    pipeline.put("gone.csv", commuters(GONE))
    settle(pipeline)
    ((clusters,),) = pipeline.query("SELECT count(*) FROM shifts.clusters")
    ((shifts,),) = pipeline.query("SELECT count(*) FROM shifts.shifts")
    assert (clusters, shifts > 2) == (4, True)
    return pipeline


def test_a_search_of_both_databases_and_the_landing_zone_finds_nothing_of_a_deleted_file(
    loaded: Pipeline, urls: Sequence[str]
) -> None:
    ids = trip_ids(loaded, "gone.csv")
    assert {text for _, text in traces(urls, loaded.landing, texts(GONE) + ids)} >= {*texts(GONE), *ids}
    assert ask(loaded, "gone.csv") == ["gone.csv"]
    delete(loaded)
    # At once: the refresh is still to come.
    assert traces(urls, loaded.landing, [*texts(GONE), *ids]) == set()
    settle(loaded)
    assert traces(urls, loaded.landing, [*texts(GONE), *ids]) == set()
    assert traces(urls, loaded.landing, trip_ids(loaded, "kept.csv"))


def test_what_was_not_computed_with_a_deleted_file_stays(loaded: Pipeline) -> None:
    ask(loaded, "gone.csv")
    delete(loaded)
    assert loaded.query("SELECT DISTINCT trips FROM shifts.clusters") == [(20,)]
    assert loaded.query("SELECT count(*) > 0 FROM shifts.shifts") == [(True,)]
    settle(loaded)
    assert loaded.query("SELECT week::text, trips FROM shifts.weekly ORDER BY week") == [
        ("2018-05-28", 20),
        ("2018-06-04", 20),
    ]
    assert loaded.query("SELECT count(*) FROM shifts.clusters") == [(2,)]
    ((tiles, counted),) = loaded.query(
        "SELECT (SELECT sum(trips) FROM shifts_store.tile_segments), (SELECT sum(trips) FROM shifts.weekly)"
    )
    assert tiles == counted
    assert loaded.run("audit_everything", {}).success
    assert loaded.query("SELECT differences FROM shifts_store.week_audits") == [([],), ([],)]
    assert loaded.query("SELECT differences FROM shifts_store.file_audits") == [([],)]


def test_the_ledger_keeps_name_hash_counts_who_and_when(loaded: Pipeline, dagster_database_url: str) -> None:
    before = loaded.query("SELECT content_hash FROM shifts_store.trip_files WHERE name = 'gone.csv'")
    ask(loaded, "gone.csv")
    delete(loaded)
    assert loaded.query(
        "SELECT status, rows_loaded, rows_rejected, deleted_by, deletion_requested_at < finished_at"
        " FROM shifts_store.trip_files WHERE name = 'gone.csv'"
    ) == [("deleted", 40, 1, "Ada", True)]
    assert before == loaded.query("SELECT content_hash FROM shifts_store.trip_files WHERE name = 'gone.csv'")
    assert events(dagster_database_url, "file.deleted") == [("gone.csv", "gone.csv: deleted, 40 trips")]
    assert loaded.instance.get_dynamic_partitions(str(TRIP_FILES.name)) == ["kept.csv"]
    assert loaded.delete() == []


def test_deleted_bytes_are_refused_until_they_are_readmitted(
    loaded: Pipeline, dagster_database_url: str
) -> None:
    ask(loaded, "gone.csv")
    delete(loaded)
    for name in ("gone.csv", "other name.csv"):
        loaded.put(name, commuters(GONE))
        (run,) = loaded.load()
        assert not run.success
    (error,) = {message.partition(": ")[2] for _, message in events(dagster_database_url, "file.failed")}
    assert error.startswith("these bytes were deleted on ")
    assert error.endswith(" as gone.csv, by Ada; `shifts drop --again` loads them all the same")
    assert loaded.trips() == 40

    ((content_hash,),) = loaded.query(
        "SELECT content_hash FROM shifts_store.trip_files WHERE status = 'deleted'"
    )
    assert loaded.query("SELECT shifts_store.readmit(%s)", content_hash) == [(True,)]
    loaded.put("gone.csv", commuters(GONE))
    settle(loaded)
    assert loaded.trips() == 80
    ask(loaded, "gone.csv")
    delete(loaded)
    loaded.put("gone.csv", commuters(GONE))
    assert [run.success for run in loaded.load()] == [False]


def test_a_deleted_file_with_the_same_time_and_size_is_refused_too(loaded: Pipeline) -> None:
    path = loaded.landing / "gone.csv"
    content, status = path.read_bytes(), path.stat()
    ask(loaded, "gone.csv")
    delete(loaded)
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert [run.success for run in loaded.load()] == [False]
    assert loaded.trips() == 40


def test_a_scan_before_the_landed_file_is_removed_does_not_load_it_again(loaded: Pipeline) -> None:
    ask(loaded, "gone.csv")
    loaded.tick(landing_zone)
    assert loaded.tick(queued_files).run_requests == []
    delete(loaded)
    assert loaded.ledger()["gone.csv"][0] == "deleted"
    assert not (loaded.landing / "gone.csv").exists()


def test_copies_are_deleted_with_a_file(loaded: Pipeline) -> None:
    loaded.put("copy.csv", commuters(GONE))
    settle(loaded)
    assert loaded.ledger()["copy.csv"][0] == "duplicate"
    assert ask(loaded, "copy.csv") == ["copy.csv", "gone.csv"]
    delete(loaded)
    assert sorted(path.name for path in loaded.landing.iterdir()) == ["kept.csv"]
    assert loaded.load() == []
    assert (loaded.trips(), loaded.ledger()["copy.csv"][0]) == (40, "deleted")


@pytest.mark.parametrize("name", ["gone.csv", "copy.csv"])
def test_a_copy_keeps_the_trips_by_an_explicit_choice(loaded: Pipeline, name: str) -> None:
    (other,) = {"gone.csv", "copy.csv"} - {name}
    loaded.put("copy.csv", commuters(GONE))
    settle(loaded)
    assert ask(loaded, name, keep_copies=True) == [name]
    delete(loaded)
    assert sorted(path.name for path in loaded.landing.iterdir()) == sorted([other, "kept.csv"])
    assert loaded.trips() == 80
    statuses = dict(loaded.query("SELECT name, status FROM shifts.files WHERE status <> 'superseded'"))
    assert statuses == {"kept.csv": "loaded", other: "loaded", name: "deleted"}
    # The bytes are not refused: they are there.
    loaded.put(name, commuters(GONE))
    assert [run.success for run in loaded.load()] == [True]
    assert loaded.ledger()[name][0] == "duplicate"


def test_all_versions_of_a_name_are_deleted_and_refused(loaded: Pipeline) -> None:
    loaded.put("gone.csv", commuters(45.1))
    settle(loaded)
    ask(loaded, "gone.csv")
    delete(loaded)
    assert loaded.query("SELECT DISTINCT status FROM shifts.files WHERE name = 'gone.csv'") == [("deleted",)]
    for latitude in (GONE, 45.1):
        loaded.put("gone.csv", commuters(latitude))
        assert [run.success for run in loaded.load()] == [False]
    assert loaded.trips() == 40


def test_a_version_that_is_dropped_after_the_request_is_loaded(loaded: Pipeline) -> None:
    ask(loaded, "gone.csv")
    loaded.put("gone.csv", commuters(45.1))
    delete(loaded)
    assert (loaded.landing / "gone.csv").exists()
    settle(loaded)
    assert (loaded.trips(), loaded.ledger()["gone.csv"][0]) == (80, "loaded")


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


def test_a_landing_zone_that_is_away_delays_only_the_removal_of_the_file(loaded: Pipeline) -> None:
    ask(loaded, "gone.csv")
    away = loaded.landing.rename(loaded.landing.with_name("away"))
    assert [run.success for run in loaded.delete()] == [False]
    assert (loaded.trips(), loaded.ledger()["gone.csv"][0]) == (40, "deleting")
    away.rename(loaded.landing)
    delete(loaded)
    assert loaded.ledger()["gone.csv"][0] == "deleted"
    assert not (loaded.landing / "gone.csv").exists()
