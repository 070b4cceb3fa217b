"""What deletion means for files with the same bytes under other names, and for other versions of a name."""

import pytest

from tests.integration.pipeline.commuters import commuters, settle
from tests.integration.pipeline.deleting import GONE, ask, delete
from tests.integration.pipeline.harness import Pipeline


def test_copies_are_deleted_with_a_file(two_files: Pipeline) -> None:
    two_files.put("copy.csv", commuters(GONE))
    settle(two_files)
    assert two_files.ledger()["copy.csv"][0] == "duplicate"
    assert ask(two_files, "copy.csv") == ["copy.csv", "gone.csv"]
    delete(two_files)
    assert sorted(path.name for path in two_files.landing.iterdir()) == ["kept.csv"]
    assert two_files.load() == []
    assert (two_files.trips(), two_files.ledger()["copy.csv"][0]) == (40, "deleted")


@pytest.mark.parametrize("name", ["gone.csv", "copy.csv"])
def test_a_copy_keeps_the_trips_by_an_explicit_choice(two_files: Pipeline, name: str) -> None:
    (other,) = {"gone.csv", "copy.csv"} - {name}
    two_files.put("copy.csv", commuters(GONE))
    settle(two_files)
    assert ask(two_files, name, keep_copies=True) == [name]
    delete(two_files)
    assert sorted(path.name for path in two_files.landing.iterdir()) == sorted([other, "kept.csv"])
    assert two_files.trips() == 80
    statuses = dict(two_files.query("SELECT name, status FROM shifts.files WHERE status <> 'superseded'"))
    assert statuses == {"kept.csv": "loaded", other: "loaded", name: "deleted"}
    # The bytes are not refused: they are there.
    two_files.put(name, commuters(GONE))
    assert [run.success for run in two_files.load()] == [True]
    assert two_files.ledger()[name][0] == "duplicate"


def test_all_versions_of_a_name_are_deleted_and_refused(two_files: Pipeline) -> None:
    two_files.put("gone.csv", commuters(45.1))
    settle(two_files)
    ask(two_files, "gone.csv")
    delete(two_files)
    assert two_files.query("SELECT DISTINCT status FROM shifts.files WHERE name = 'gone.csv'") == [
        ("deleted",)
    ]
    for latitude in (GONE, 45.1):
        two_files.put("gone.csv", commuters(latitude))
        assert [run.success for run in two_files.load()] == [False]
    assert two_files.trips() == 40


def test_a_version_that_is_dropped_after_the_request_is_loaded(two_files: Pipeline) -> None:
    ask(two_files, "gone.csv")
    two_files.put("gone.csv", commuters(45.1))
    delete(two_files)
    assert (two_files.landing / "gone.csv").exists()
    settle(two_files)
    assert (two_files.trips(), two_files.ledger()["gone.csv"][0]) == (80, "loaded")
