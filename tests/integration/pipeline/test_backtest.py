"""`shifts backtest` on a database with trips: a table, a CSV and a plot, or an error of one line."""

import csv
from pathlib import Path

import pytest
from click.testing import CliRunner

from shifts_platform.cli import shifts
from tests.failing_commands import failure
from tests.integration.pipeline.harness import HEADER, Pipeline, row

DAYS = {"W20": range(14, 19), "W21": range(21, 26), "W22": range(28, 32)}


def commute(days: range, hour: int, riders: int) -> str:
    """Riders that travel from one place to another in the same half hour of each day."""
    return "".join(
        row(moment=f"2018-05-{day} {hour:02}:{10 + number}:00") for day in days for number in range(riders)
    )


def others(days: range) -> str:
    """Trips like no other."""
    return "".join(row(moment=f"2018-05-{day} 12:00:00", origin=(7.0 + day / 100, 44.0)) for day in days)


@pytest.fixture
def working_folder(pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Load three weeks of Turin and return the current directory.

    The commute at 8:00 stands in all weeks, the one at 18:00 ends with the first, and one at 5:00 begins in the last.
    """
    pipeline.put("a.csv", HEADER + "".join(commute(days, 8, 6) + others(days) for days in DAYS.values()))
    pipeline.put("b.csv", HEADER + commute(DAYS["W20"], 18, 8) + commute(DAYS["W22"], 5, 6) + row("Lyon"))
    pipeline.load()
    monkeypatch.setenv("SHIFTS_DATA_DIR", str(tmp_path / "data"))
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def covered(table: Path, week: str = "2018-W22") -> dict[str, float]:
    """Share of the trips of a week that the first 100 shifts of each method cover."""
    rows = csv.DictReader(table.read_text().splitlines())
    return {
        line["method"]: float(line["covered"])
        for line in rows
        if (line["week"], line["first"]) == (week, "100")
    }


def test_every_week_with_a_history_of_the_largest_region_is_tested(working_folder: Path) -> None:
    done = CliRunner().invoke(shifts, ["backtest"])
    assert done.exit_code == 0, done.output
    assert "Turin 2018-W21 to 2018-W22, 87 trips" in done.stdout
    table, plot = sorted(working_folder.iterdir())
    assert (table.name, plot.name) == ("backtest-Turin.csv", "backtest-Turin.png")
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert len(table.read_text().splitlines()) == 1 + 2 * 3 * 4
    # The commute at 18:00 is over by now.
    assert covered(table, "2018-W21")["shifts"] == pytest.approx(30 / 35, abs=1e-5)
    assert covered(table)["shifts"] == pytest.approx(24 / 52, abs=1e-5)
    assert [line.split() for line in done.stdout.splitlines() if line.startswith("  ")][-1][0] == "mean"


def test_one_week_is_tested_in_detail(working_folder: Path) -> None:
    done = CliRunner().invoke(shifts, ["backtest", "--week", "2018-W22"])
    assert done.exit_code == 0, done.output
    assert "Turin 2018-W22, 52 trips; shifts from 2018-W20 to 2018-W21" in done.stdout
    table, plot = sorted(working_folder.iterdir())
    assert (table.name, plot.name) == ("backtest-Turin-2018-W22.csv", "backtest-Turin-2018-W22.png")
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert len(table.read_text().splitlines()) == 1 + 3 * 4
    # The commute that begins in the tested week is known in hindsight only.
    assert covered(table) == pytest.approx(
        {"shifts": 24 / 52, "last week's clusters": 24 / 52, "own clusters in hindsight": 48 / 52}, abs=1e-5
    )


def test_shifts_are_made_from_as_many_weeks_as_the_setting_says(
    working_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHIFTS_SHIFT_WEEKS", "1")
    done = CliRunner().invoke(shifts, ["backtest", "--region", "Turin", "--week", "2018-05-30"])
    assert done.exit_code == 0, done.output
    assert "shifts from 2018-W21 to 2018-W21" in done.stdout


def test_later_weeks_change_nothing(working_folder: Path, pipeline: Pipeline) -> None:
    command = ["backtest", "--region", "Turin", "--week", "2018-W21"]
    assert CliRunner().invoke(shifts, command).exit_code == 0
    table = working_folder / "backtest-Turin-2018-W21.csv"
    before = table.read_bytes()
    pipeline.put("c.csv", HEADER + commute(DAYS["W22"], 18, 30))
    pipeline.load()
    assert CliRunner().invoke(shifts, command).exit_code == 0
    assert table.read_bytes() == before


def test_a_backtest_changes_nothing_in_the_database(working_folder: Path, pipeline: Pipeline) -> None:
    assert CliRunner().invoke(shifts, ["backtest"]).exit_code == 0
    assert pipeline.query("SELECT count(*) FROM shifts.shifts") == [(0,)]
    assert pipeline.query("SELECT count(*) FROM shifts.clusters") == [(0,)]


def test_shifts_of_a_backtest_take_stops(working_folder: Path, pipeline: Pipeline) -> None:
    # From the only stop near the pickup, 400 m away, half of the riders are out of reach.
    far = [
        row(moment=f"2018-05-{day} 08:30:00", origin=(7.667, 45.01)) for day in (*DAYS["W21"], *DAYS["W22"])
    ]
    pipeline.put("c.csv", HEADER + "".join(far))
    pipeline.load()
    command = ["backtest", "--week", "2018-W22"]
    assert CliRunner().invoke(shifts, command).exit_code == 0
    table = working_folder / "backtest-Turin-2018-W22.csv"
    before = covered(table)
    pipeline.put("stops/Turin.csv", "lon,lat\n7.675,45.01\n")
    pipeline.load_reference_files()
    assert CliRunner().invoke(shifts, command).exit_code == 0
    after = covered(table)
    assert after.pop("shifts") < before.pop("shifts")
    assert after == before


def test_the_dagster_ui_has_the_same_report(working_folder: Path, pipeline: Pipeline) -> None:
    assert CliRunner().invoke(shifts, ["backtest"]).exit_code == 0
    run = pipeline.run("backtest_shifts", {})
    assert run.success
    (event,) = run.get_asset_materialization_events()
    metadata = event.materialization.metadata
    assert (metadata["region"].value, metadata["weeks"].value) == ("Turin", 2)
    records = [record.data for record in metadata["by_week"].value.records]  # type: ignore[union-attr]
    table = csv.DictReader((working_folder / "backtest-Turin.csv").read_text().splitlines())
    assert [(each["week"], each["method"], each["first"], each["covered"]) for each in records] == [
        (row["week"], row["method"], int(row["first"]), round(float(row["covered"]), 4)) for row in table
    ]
    (shifts_mean, *_) = [record.data for record in metadata["mean"].value.records]  # type: ignore[union-attr]
    assert shifts_mean["covered_by_first_100"] == pytest.approx((30 / 35 + 24 / 52) / 2, abs=1e-4)
    assert str(metadata["plot"].value).startswith("![picture](data:image/png;base64,")


INVALID = [
    (["--region", "Paris"], "region Paris has no trips; regions with trips: Lyon, Turin"),
    (["--week", "2018-W30"], "no trips in 2018-W30: its weeks go from 2018-W20 to 2018-W22"),
    (["--week", "2018-W20"], "Turin has no trips in the 4 weeks before 2018-W20 to make shifts from"),
    (["--region", "Lyon"], "Lyon has no trips in the 4 weeks before any of its weeks to make shifts from"),
    (["--week", "soon"], "--week: an ISO week like 2018-W22 or a date like 2018-05-31 is needed"),
]


def test_an_invalid_option_is_an_error_of_one_line(
    working_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, message in INVALID:
        assert message in failure(monkeypatch, capsys, "backtest", *arguments)
    assert list(working_folder.iterdir()) == []


def test_a_file_that_cannot_be_written_is_an_error_of_one_line(
    working_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (working_folder / "backtest-Turin.csv").mkdir()
    assert "backtest-Turin: Is a directory" in failure(monkeypatch, capsys, "backtest")


def test_a_platform_that_is_not_running_is_an_error_of_one_line(
    working_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SHIFTS_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/trips")
    assert "is not running: start it" in failure(monkeypatch, capsys, "backtest")


def test_a_database_without_trips_is_an_error(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("SHIFTS_DATA_DIR", str(tmp_path / "data"))
    assert "no trips are loaded yet" in failure(monkeypatch, capsys, "backtest")
