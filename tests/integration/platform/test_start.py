"""Starts that fail, with one line that says why, and `shifts demo`."""

import re
import socket
from pathlib import Path

import pytest

from tests.integration.platform.forked_command import fork_shifts
from tests.integration.platform.running import TIMEOUT_S, new_environment, run_shifts


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("SHIFTS_API_PORT", "80x", "SHIFTS_API_PORT"),
        ("SHIFTS_DATA_DIR", "/proc/nowhere", "SHIFTS_DATA_DIR"),
        ("SHIFTS_DATABASE_URL", "mysql://nobody", "SHIFTS_DATABASE_URL"),
        ("SHIFTS_DATABASE_URL", "postgresql://nobody@127.0.0.1:9/none", "database none"),
        ("SHIFTS_CLUSTER_MIN_TRIPS", "1", "SHIFTS_CLUSTER_MIN_TRIPS"),
        ("SHIFTS_LANDING_URL", "ftp://nowhere", "SHIFTS_LANDING_URL"),
    ],
)
def test_an_invalid_setting_is_named_in_one_line_and_a_non_zero_exit(
    tmp_path: Path, name: str, value: str, said: str
) -> None:
    done = fork_shifts(new_environment(tmp_path / "data") | {name: value}, "up", timeout_s=TIMEOUT_S)
    assert done.returncode != 0
    assert said in done.stderr.strip().splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_a_busy_port_is_reported_in_one_line_with_its_setting(tmp_path: Path) -> None:
    environment = new_environment(tmp_path / "data")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", int(environment["SHIFTS_DAGSTER_PORT"])))
        taken.listen()
        done = run_shifts(environment, "up")
    assert done.returncode != 0
    assert "SHIFTS_DAGSTER_PORT" in done.stderr.strip().splitlines()[-1]


def test_demo_prints_right_answers_and_exits_with_0(tmp_path: Path) -> None:
    done = run_shifts(new_environment(tmp_path / "data"), "demo", "--exit")
    assert done.returncode == 0, done.stderr
    assert "trips a week on average" in done.stdout
    assert done.stdout.count(" m\n") >= 3
    shifts, vehicles = done.stdout.partition("best shifts on Tuesdays")[2].split("they need ")
    assert len(re.findall(r"^  \d\d:\d\d ", shifts, re.M)) == 5
    assert len(re.findall(r"^  vehicle \d+: \d\d:\d\d", vehicles, re.M)) == int(vehicles.split()[0]) > 0
    assert "http://127.0.0.1" in done.stdout
