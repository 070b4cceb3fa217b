"""`shifts tune` on a database with trips: a table, a CSV and a plot, or an error of one line."""

import csv
from pathlib import Path

import pytest
from click.testing import CliRunner

from shifts_platform.cli import shifts
from tests.failing_commands import failure
from tests.integration.pipeline.harness import HEADER, Pipeline, row


@pytest.fixture
def working_folder(pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Load two weeks of Turin, with six commuters in the second, and return the current directory."""
    commuters = [row("Turin", f"2018-05-29 08:0{minute}:00") for minute in range(6)]
    others = [
        row("Turin", f"2018-05-{day} 12:00:00", origin=(7.6, 45.0 + day / 1_000)) for day in range(21, 24)
    ]
    pipeline.put("a.csv", HEADER + "".join(commuters + others) + row("Lyon"))
    pipeline.load()
    monkeypatch.setenv("SHIFTS_DATA_DIR", str(tmp_path / "data"))
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def rows_of(table: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(table.read_text().splitlines()))


def test_the_busiest_week_is_swept_and_the_current_settings_are_marked(working_folder: Path) -> None:
    done = CliRunner().invoke(shifts, ["tune", "--region", "Turin"])
    assert done.exit_code == 0, done.output
    assert "Turin 2018-W22, 6 trips" in done.stdout
    assert sum(line.strip().startswith("*500") for line in done.stdout.splitlines()) == 1
    table, plot = sorted(working_folder.iterdir())
    assert (table.name, plot.name) == ("tune-Turin-2018-W22.csv", "tune-Turin-2018-W22.png")
    assert plot.read_bytes().startswith(b"\x89PNG")
    rows = rows_of(table)
    assert len(rows) == 4 * 3 * 3
    assert {(line["min_trips"], line["clusters"]) for line in rows} == {("3", "1"), ("5", "1"), ("10", "0")}


def test_only_the_given_week_and_values_are_swept(
    working_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHIFTS_TIME_BIN_MINUTES", "30")
    arguments = [
        "--week",
        "2018-05-23",
        "--eps",
        "300,100",
        "--min-trips",
        "3",
        "--max-radius",
        "400",
        "--out",
        "x",
    ]
    done = CliRunner().invoke(shifts, ["tune", "--region", "Turin", *arguments])
    assert done.exit_code == 0, done.output
    rows = rows_of(working_folder / "x.csv")
    assert [
        (line["eps_m"], line["max_radius_m"], line["window_minutes"], line["trips"]) for line in rows
    ] == [
        ("100", "400", "30", "3"),
        ("300", "400", "30", "3"),
    ]


def test_a_sweep_changes_nothing_in_the_database(working_folder: Path, pipeline: Pipeline) -> None:
    CliRunner().invoke(shifts, ["tune", "--region", "Turin", "--eps", "500"])
    assert pipeline.query("SELECT count(*) FROM shifts.clusters") == [(0,)]
    assert pipeline.query("SELECT bool_and(clusters_stale) FROM shifts_store.stale_weeks") == [(True,)]


INVALID = [
    (["Paris"], "region Paris has no trips; regions with trips: Lyon, Turin"),
    (["Turin", "--week", "2018-W30"], "no trips in 2018-W30: its weeks go from 2018-W21 to 2018-W22"),
    (["Turin", "--week", "2018-W60"], "--week: 2018-W60 does not exist"),
    (["Turin", "--week", "soon"], "--week: an ISO week like 2018-W22 or a date like 2018-05-31 is needed"),
    (["Turin", "--week", "2018W22"], "--week: an ISO week like 2018-W22 or a date like 2018-05-31 is needed"),
    (["Turin", "--eps", "1,b"], "--eps: 1,b must be numbers"),
    (["Turin", "--min-trips", "2.5"], "--min-trips: 2.5 must be numbers"),
    (["Turin", "--max-radius", "0"], "must be more than 0 metres"),
    (["Turin", "--out", "missing/x"], "missing/x: No such file or directory"),
]


def test_an_invalid_option_is_an_error_of_one_line(
    working_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, message in INVALID:
        assert message in failure(monkeypatch, capsys, "tune", "--region", *arguments)
    assert list(working_folder.iterdir()) == []


def test_a_platform_that_is_not_running_is_an_error_of_one_line(
    working_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SHIFTS_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/trips")
    assert "is not running: start it" in failure(monkeypatch, capsys, "tune", "--region", "Turin")
    monkeypatch.delenv("SHIFTS_DATABASE_URL")
    monkeypatch.delenv("SHIFTS_DAGSTER_DATABASE_URL")
    assert "start it with `shifts up`" in failure(monkeypatch, capsys, "tune", "--region", "Turin")


def test_a_database_without_trips_is_an_error(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("SHIFTS_DATA_DIR", str(tmp_path / "data"))
    assert "no trips are loaded yet" in failure(monkeypatch, capsys, "tune", "--region", "Turin")
