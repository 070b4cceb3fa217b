"""The landing zone's sensor sends changed files to the database, and a part of the others at each tick."""

import os
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest

from shifts_core.landing.zone import LandedFile
from shifts_pipeline.sensors import registration as registration_module
from shifts_pipeline.sensors.registration import Registration
from shifts_pipeline.storage import transitions
from tests.integration.landing.test_sensor import look


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Names of each call that reached the ledger."""
    calls: list[list[str]] = []
    real = transitions.register

    def register(connection: psycopg.Connection, files: list[LandedFile]) -> int:
        if files:
            calls.append([file.name for file in files])
        return real(connection, files)

    monkeypatch.setattr(transitions, "register", register)
    monkeypatch.setattr(registration_module, "UNCHANGED_FILES", 2)
    return calls


@pytest.fixture
def connection(database_url: str) -> psycopg.Connection:
    return psycopg.connect(database_url, autocommit=True)


def files(prefix: str, count: int, version: str = "1") -> list[LandedFile]:
    names = [f"{prefix}/{number}.csv" for number in range(count)]
    return [LandedFile(name, f"file:///{name}", version, 1) for name in names]


def test_changes_and_a_part_of_the_other_files_are_sent(
    connection: psycopg.Connection, sent: list[list[str]]
) -> None:
    with connection:
        registration = Registration()
        present = files("some", 5)
        assert registration.register(connection, present) == 5
        assert [len(names) for names in sent] == [5]
        sent.clear()
        assert registration.register(connection, [*present[:4], *files("some", 5, "2")[4:]]) == 1
        assert sent == [["some/0.csv", "some/1.csv"], ["some/4.csv"]]
        sent.clear()
        for _ in range(3):
            registration.register(connection, present[:4])
        assert [name for names in sent for name in names] == [f"some/{n}.csv" for n in (2, 3, 0, 1, 2, 3)]


def test_a_version_that_the_ledger_lost_is_queued_again(
    connection: psycopg.Connection, sent: list[list[str]]
) -> None:
    with connection:
        registration = Registration()
        present = files("dropped", 6)
        registration.register(connection, present)
        connection.execute(
            "SELECT shifts_store.supersede_files(array_agg(file_id), NULL, NULL) FROM shifts_store.trip_files"
            " WHERE name = 'dropped/5.csv'"
        )
        assert sum(registration.register(connection, present) for _ in range(3)) == 1


def test_a_file_that_comes_back_is_sent_at_once(
    connection: psycopg.Connection, sent: list[list[str]]
) -> None:
    with connection:
        registration = Registration()
        present = files("left", 6)
        registration.register(connection, present)
        registration.register(connection, present[:5])
        sent.clear()
        registration.register(connection, present)
        assert ["left/5.csv"] in sent


def test_a_slow_first_listing_continues_at_the_next_tick(
    connection: psycopg.Connection, sent: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registration_module, "CHUNK_FILES", 4)
    clock = iter(range(0, 1000, 15))
    monkeypatch.setattr(registration_module, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    with connection:
        registration = Registration()
        assert registration.register(connection, files("slow", 10)) == 4
        assert registration.register(connection, files("slow", 10)) == 4
        assert registration.register(connection, files("slow", 10)) == 2


def test_skipped_entries_are_reported_at_every_tick(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shifts_pipeline.sensors.landing_zone.WATCH_S", 0.0)
    os.mkfifo(tmp_path / "pipe")
    for _ in range(2):
        assert look(database_url, str(tmp_path)) == (
            "0 files in the landing zone, 0 new; skipped: pipe (it is not a regular file)"
        )


def test_a_skipped_entry_is_logged_when_it_appears() -> None:
    registration = Registration()
    here = {"lost+found": "Permission denied"}
    assert registration.newly_skipped(here) == here
    assert registration.newly_skipped({**here, "pipe": "it is not a regular file"}).keys() == {"pipe"}
    assert registration.newly_skipped({}) == {}
    assert registration.newly_skipped(here) == here
