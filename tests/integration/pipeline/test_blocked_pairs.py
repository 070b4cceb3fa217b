"""A file whose rows differ from the ledger blocks the refresh of its pairs, and of no others."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from typing import Any

import psycopg
import pytest

from shifts_core.trips.report import LoadReport
from shifts_pipeline.jobs.run_tags import PARTITION
from shifts_pipeline.sensors.stale_weeks import stale_weeks
from shifts_pipeline.storage import stale_pairs
from shifts_pipeline.storage.load_file import load_file
from shifts_platform.commands.stale import show_stale_pairs
from tests.integration.pipeline.harness import HEADER, Pipeline, row

WEEK = date(2018, 5, 28)
ONE_OFF = row("Turin") + row("Lyon", "2018-06-05 09:00:00")


@contextmanager
def wrong_counts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Loads of `bad.csv` record one trip more than they write."""

    def load_too_much(*arguments: Any, **options: Any) -> LoadReport:
        report = load_file(*arguments, **options)
        return replace(report, rows_loaded=report.rows_loaded + (options["name"] == "bad.csv"))

    with monkeypatch.context() as patch:
        patch.setattr("shifts_pipeline.storage.ingest.load_file", load_too_much)
        yield


def load_bad(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, text: str = ONE_OFF) -> None:
    pipeline.put("bad.csv", HEADER + text)
    with wrong_counts(monkeypatch):
        (run,) = pipeline.load()
    assert not run.success
    (failed,) = [check for check in run.get_asset_check_evaluations() if not check.passed]
    assert failed.metadata["pairs_blocked"].value == 2
    assert failed.blocking


def stale(pipeline: Pipeline) -> list[tuple[str, date]]:
    return pipeline.query("SELECT region, week FROM shifts_store.stale_weeks ORDER BY 1, 2")


def blocked(pipeline: Pipeline) -> list[tuple[str, date]]:
    return pipeline.query(
        "SELECT r.name, b.week FROM shifts_store.blocked_pairs b JOIN shifts_store.regions r USING (region_id)"
        " ORDER BY 1, 2"
    )


PAIRS = [("Lyon", date(2018, 6, 4)), ("Turin", WEEK)]


def test_its_pairs_stay_stale_and_no_run_is_requested_for_them(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_bad(pipeline, monkeypatch)
    assert blocked(pipeline) == PAIRS
    assert pipeline.tick(stale_weeks).run_requests == []
    assert stale(pipeline) == PAIRS
    # Statistics count its trips one by one.
    assert pipeline.query("SELECT sum(trips) FROM shifts.weekly") == [(2,)]


def test_pairs_of_other_files_are_refreshed(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    load_bad(pipeline, monkeypatch)
    pipeline.put("good.csv", HEADER + row("Prague") + row("Turin", "2018-05-28 10:00:00"))
    pipeline.load()
    (run,) = pipeline.refresh()
    assert run.success
    assert stale(pipeline) == PAIRS
    assert pipeline.query(
        "SELECT r.name FROM shifts_store.region_weeks w JOIN shifts_store.regions r USING (region_id)"
        " WHERE w.aggregates_revision = w.revision"
    ) == [("Prague",)]


def test_a_pair_that_is_blocked_after_it_was_found_due_is_left_out(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline.put("bad.csv", HEADER + ONE_OFF)
    pipeline.load()
    with psycopg.connect(pipeline.url, autocommit=True) as connection:
        (pair,) = stale_pairs.due_pairs(connection, WEEK)
        connection.execute("SELECT shifts_store.block_pairs(file_id) FROM shifts_store.trip_files")
        assert stale_pairs.begin(connection, pair, pair.tables, "run", only_due=True) == ()
        assert stale_pairs.begin(connection, pair, pair.tables, "run", only_due=False) == pair.tables


@pytest.mark.parametrize("by", ["hand", "a new version"])
def test_loading_it_again_unblocks_them(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, by: str) -> None:
    load_bad(pipeline, monkeypatch)
    if by == "hand":
        assert pipeline.run("load_trip_files", {PARTITION: "bad.csv"}).success
    else:
        pipeline.put("bad.csv", HEADER + ONE_OFF + row("Turin", "2018-05-28 10:00:00"))
        (run,) = pipeline.load()
        assert run.success
    assert blocked(pipeline) == []
    assert all(run.success for run in pipeline.refresh())
    assert stale(pipeline) == []


def test_loading_it_again_with_the_same_fault_blocks_them_again(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_bad(pipeline, monkeypatch)
    with wrong_counts(monkeypatch):
        assert not pipeline.run("load_trip_files", {PARTITION: "bad.csv"}).success
    assert blocked(pipeline) == PAIRS
    assert pipeline.tick(stale_weeks).run_requests == []


def test_the_audit_unblocks_a_file_that_is_right_by_now(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_bad(pipeline, monkeypatch)
    assert pipeline.run("audit_everything", {}).success
    assert blocked(pipeline) == PAIRS
    pipeline.execute("UPDATE shifts_store.trip_files SET rows_loaded = 2")
    assert pipeline.run("audit_everything", {}).success
    assert blocked(pipeline) == []
    pipeline.refresh()
    assert stale(pipeline) == []


def test_the_audit_does_not_unblock_a_file_whose_rejects_are_gone(pipeline: Pipeline) -> None:
    pipeline.put("bad.csv", HEADER + ONE_OFF + "no trip\n")
    pipeline.load()
    pipeline.execute("DELETE FROM shifts_store.rejected_rows")
    pipeline.execute("SELECT shifts_store.block_pairs(file_id) FROM shifts_store.trip_files")
    assert pipeline.run("audit_everything", {}).success
    assert blocked(pipeline) == PAIRS


def test_a_file_that_was_replaced_meanwhile_blocks_nothing(pipeline: Pipeline) -> None:
    pipeline.put("a.csv", HEADER + ONE_OFF)
    pipeline.load()
    pipeline.put("a.csv", HEADER + ONE_OFF + row())
    pipeline.load()
    assert pipeline.query("SELECT shifts_store.block_pairs(1), shifts_store.block_pairs(2)") == [(0, 2)]


def test_status_names_the_file(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    load_bad(pipeline, monkeypatch)
    with psycopg.connect(pipeline.url) as connection:
        show_stale_pairs(connection)
    assert (
        "  2 blocked by bad.csv, whose rows differ from the ledger: load it again\n"
        in capsys.readouterr().out
    )
