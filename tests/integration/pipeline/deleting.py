"""Asks for the deletion of files, and deletes them as the sensor and its run do."""

import psycopg

from tests.integration.pipeline.harness import Pipeline

KEPT, GONE = 45.0612347, 45.0898761
"""Latitudes of the trips of a file that stays and of one that is deleted."""


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
    """Does what the sensor requests."""
    assert [run.success for run in pipeline.delete()] == [True]
