"""The check `audit_finds_no_difference`: whatever is tampered with is found, and named, in bounded time."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import dagster as dg
import pytest

from shifts_pipeline.checks.audit import NAME
from shifts_pipeline.jobs.check_jobs import nightly_audit
from shifts_pipeline.storage import audits
from shifts_platform.postgres.server import EmbeddedPostgres
from tests.conftest import copied_database
from tests.integration.api.pipeline import pipeline_of
from tests.integration.api.running import Service
from tests.integration.pipeline.harness import HEADER, Pipeline, row

TRIPS = row("Turin") * 6 + row("Lyon") + row("Lyon", "2018-06-05 09:00:00")


def evaluate(pipeline: Pipeline) -> dict[str, dg.AssetCheckEvaluation]:
    run = pipeline.run("audit_everything", {})
    assert run.success
    evaluations = run.get_asset_check_evaluations()
    assert {evaluation.check_name for evaluation in evaluations} == {NAME}
    return {evaluation.asset_key.to_user_string(): evaluation for evaluation in evaluations}


def which(check: dg.AssetCheckEvaluation) -> list[dict[str, Any]]:
    table = check.metadata["which"]
    assert isinstance(table, dg.TableMetadataValue)
    return [dict(record.data) for record in table.records]


def figures(check: dg.AssetCheckEvaluation) -> dict[str, Any]:
    return {name: value.value for name, value in check.metadata.items()}


@pytest.fixture(scope="module")
def full(
    postgres_server: EmbeddedPostgres,
    trips_template: str,
    dagster_database_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Service]:
    """Databases with two loaded files and a failed one; everything is fresh."""
    folder = tmp_path_factory.mktemp("full")
    with copied_database(postgres_server, trips_template) as url:
        service = Service(url, dagster_database_url, folder, folder / "api.log")
        with pipeline_of(service) as pipeline:
            pipeline.put("a.csv", HEADER + TRIPS + "bad row\n")
            pipeline.put("b.csv", HEADER + row("Turin", "2018-05-28 10:00:00"))
            pipeline.load()
            pipeline.put("none.csv", HEADER)
            pipeline.load()
            assert all(run.success for run in pipeline.refresh() + pipeline.make_shifts())
            assert pipeline.query("SELECT count(*) FROM shifts_store.trip_clusters") == [(1,)]
            assert pipeline.query("SELECT count(*) FROM shifts_store.shifts") == [(1,)]
        yield service


@pytest.fixture
def filled(full: Service, postgres_server: EmbeddedPostgres) -> Iterator[Pipeline]:
    """The pipeline on a copy of them."""
    template = full.database_url.rpartition("/")[2]
    with (
        copied_database(postgres_server, template) as url,
        pipeline_of(replace(full, database_url=url)) as found,
    ):
        yield found


def test_an_empty_platform_passes(pipeline: Pipeline) -> None:
    assert all(check.passed for check in evaluate(pipeline).values())


def test_it_passes_fresh_stale_and_replaced_trips(filled: Pipeline) -> None:
    checks = evaluate(filled)
    assert {name for name, check in checks.items() if check.passed} == {
        "raw_trips",
        "weekly_aggregates",
        "trip_clusters",
        "shifts",
    }
    found = figures(checks["raw_trips"])
    assert (found["files"], found["trips"], found["differences"]) == (3, 9, 0)
    assert (found["weeks_audited"], found["weeks_left_for_next_time"]) == (2, 0)
    filled.put("c.csv", HEADER + row("Turin", "2018-05-28 11:00:00"))
    filled.put("a.csv", HEADER + TRIPS + row("Prague"))
    filled.load()
    assert all(check.passed for check in evaluate(filled).values())


@pytest.mark.parametrize(
    ("tampering", "asset", "expected"),
    [
        (
            "DELETE FROM shifts_store.trips WHERE file_id = 2",
            "raw_trips",
            ("2018-05-28", "Turin", "", "trips of file 2", 1, 0),
        ),
        (
            "UPDATE shifts_store.trips SET region_id ="
            " (SELECT region_id FROM shifts_store.regions WHERE name = 'Lyon') WHERE file_id = 2",
            "raw_trips",
            ("2018-05-28", "Lyon", "", "trips of file 2", 0, 1),
        ),
        (
            "UPDATE shifts_store.trip_files SET rows_loaded = 7 WHERE file_id = 1",
            "raw_trips",
            ("", "", "a.csv", "trips by week of file 1", 7, 8),
        ),
        (
            "DELETE FROM shifts_store.rejected_rows",
            "raw_trips",
            ("", "", "a.csv", "stored rejects of file 1", 1, 0),
        ),
        (
            "UPDATE shifts_store.weekly_trip_tiles SET trips = 8 WHERE trips = 7",
            "weekly_aggregates",
            ("2018-05-28", "Turin", "", "trips in tiles", 7, 8),
        ),
        (
            "UPDATE shifts_store.file_week_counts SET aggregated = false WHERE file_id = 2",
            "weekly_aggregates",
            ("2018-05-28", "Turin", "", "files that are not in the tiles of a fresh region", 0, 1),
        ),
        (
            "DELETE FROM shifts_store.region_weeks WHERE week = '2018-06-04'",
            "weekly_aggregates",
            ("2018-06-04", "Lyon", "", "regions without a state", 0, 1),
        ),
        (
            "UPDATE shifts_store.trip_clusters SET trip_ids[1] = trip_ids[2]"
            " WHERE cluster_id = (SELECT min(cluster_id) FROM shifts_store.trip_clusters)",
            "trip_clusters",
            None,
        ),
        (
            "UPDATE shifts_store.shifts SET pickup = ST_Translate(pickup, 0.01, 0)",
            "shifts",
            ("2018-05-28", "Turin", "", "shifts with trips that do not fit", 0, 1),
        ),
        (
            "UPDATE shifts_store.shifts SET rank = 2",
            "shifts",
            (
                "2018-05-28",
                "Turin",
                "",
                "shifts with trips of another shift, or after a gap in the ranks",
                0,
                1,
            ),
        ),
        (
            "DELETE FROM shifts_store.shifts",
            "shifts",
            ("2018-05-28", "Turin", "", "shifts", 1, 0),
        ),
        (
            "UPDATE shifts_store.shifts SET trips = 5, trip_ids = trip_ids[:5]",
            "shifts",
            ("2018-05-28", "Turin", "", "trips that shifts count", 6, 5),
        ),
        (
            "DELETE FROM shifts_store.shift_makings WHERE week = '2018-06-04'",
            "shifts",
            ("2018-06-04", "Lyon", "", "trips that shifts were made from", 2, 0),
        ),
        (
            "UPDATE shifts_store.file_week_counts SET trips = 9 WHERE file_id = 2",
            "shifts",
            ("2018-05-28", "Turin", "", "trips that shifts were made from", 15, 7),
        ),
    ],
)
def test_each_difference_is_named_where_it_is(
    filled: Pipeline, tampering: str, asset: str, expected: tuple[Any, ...] | None
) -> None:
    filled.execute(tampering)
    checks = evaluate(filled)
    assert not checks[asset].passed
    assert checks[asset].severity is dg.AssetCheckSeverity.ERROR
    records = which(checks[asset])
    if expected is not None:
        assert expected in [tuple(record.values()) for record in records]
    else:
        (record,) = records
        assert record["what"].startswith("clusters with trip ")
        assert (record["expected"], record["found"]) == (1, 2)
    assert checks[asset].metadata["differences"].value == len(records)


def test_it_stops_when_the_time_is_over_and_continues_the_next_night(
    filled: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    audited: list[date] = []
    audit_week = audits.audit_week

    def watch(connection: Any, week: date) -> None:
        audited.append(week)
        audit_week(connection, week)
        # However coarse the clock is, the time of this night is over.
        monkeypatch.setattr(audits, "AUDIT_TIME", timedelta(-1))

    def next_night() -> dg.AssetCheckEvaluation:
        monkeypatch.setattr(audits, "AUDIT_TIME", timedelta(minutes=10))
        return evaluate(filled)["raw_trips"]

    monkeypatch.setattr(audits, "audit_week", watch)
    filled.execute("DELETE FROM shifts_store.trips WHERE file_id = 2")
    first = next_night()
    assert audited == [date(2018, 5, 28)]
    assert not first.passed
    assert first.metadata["weeks_left_for_next_time"].value == 1
    # The other week is right, and does not hide what was found in the first one.
    second = next_night()
    assert audited[1:] == [date(2018, 6, 4)]
    assert not second.passed
    assert next_night().metadata["differences"].value == 1
    assert audited[2:] == [date(2018, 5, 28)]


def test_a_difference_is_forgotten_once_it_is_gone(filled: Pipeline) -> None:
    filled.execute("UPDATE shifts_store.trip_files SET rows_loaded = 7 WHERE file_id = 1")
    assert not evaluate(filled)["raw_trips"].passed
    filled.execute("UPDATE shifts_store.trip_files SET rows_loaded = 8 WHERE file_id = 1")
    assert evaluate(filled)["raw_trips"].passed


def test_it_runs_every_night(pipeline: Pipeline) -> None:
    assert nightly_audit.default_status is dg.DefaultScheduleStatus.RUNNING
    assert nightly_audit.name in {schedule.name for schedule in pipeline.defs.schedules or ()}
