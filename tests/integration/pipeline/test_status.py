"""What `shifts status` prints about (region, week) pairs."""

from datetime import date

import psycopg
import pytest

from shifts_pipeline.storage import stale_pairs
from shifts_platform.commands.stale import show_stale_pairs
from tests.integration.pipeline.harness import Pipeline

WEEK = date(2018, 5, 28)


def said(pipeline: Pipeline, capsys: pytest.CaptureFixture[str]) -> list[str]:
    capsys.readouterr()
    with psycopg.connect(pipeline.url) as connection:
        show_stale_pairs(connection)
    return capsys.readouterr().out.strip().splitlines()


def test_status_names_pairs_that_failed(pipeline: Pipeline, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(pipeline, capsys) == ["stale (region, week) pairs: 0 to cluster, 0 to aggregate"]
    pipeline.execute("INSERT INTO shifts_store.regions (name) VALUES ('Turin'), ('Prague')")
    pipeline.execute(
        "INSERT INTO shifts_store.region_weeks (region_id, week, revision, changed_at, stale_since)"
        " SELECT region_id, week, 1, now(), now() - interval '1 hour' FROM shifts_store.regions,"
        " (VALUES (date '1999-12-27'), (date '2018-05-28')) AS weeks (week)"
    )
    with psycopg.connect(pipeline.url) as connection:
        (turin,) = [pair for pair in stale_pairs.due_pairs(connection, WEEK) if pair.region == "Turin"]
        stale_pairs.begin(connection, turin, ["clusters"], "run", only_due=True)
        connection.commit()
        assert len(said(pipeline, capsys)) == 1  # a refresh at work has not failed
        stale_pairs.end(
            connection, turin, succeeded=(), failed=["clusters"], error="ZeroDivisionError: by nothing"
        )
    stale, *more = said(pipeline, capsys)
    assert stale.startswith("stale (region, week) pairs: 4 to cluster, 4 to aggregate, the oldest for 3,6")
    assert more == ["  attempt 1 failed: clusters of Turin 2018-W22: ZeroDivisionError: by nothing"]
