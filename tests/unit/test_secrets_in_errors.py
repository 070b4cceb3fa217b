"""Keys and passwords of bad settings are printed nowhere: not in errors, not in tracebacks, not in what is shown."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from pydantic import ValidationError
from pydantic_settings import BaseSettings

from shifts_api.settings import ApiSettings
from shifts_pipeline.settings import PipelineSettings
from shifts_platform.settings import PlatformSettings

SECRET = "s3cr3t"
GOOD_URL = f"postgresql://user:{SECRET}@127.0.0.1:1/shifts"
CLASSES = (ApiSettings, PipelineSettings, PlatformSettings)
BAD_URLS = {
    "another database": f"mysql://user:{SECRET}@host/shifts",
    "no scheme": f"user:{SECRET}@host/shifts",
    "libpq's other form": f"host=localhost password={SECRET}",
    "a port that is none": f"postgresql://user:p@host:{SECRET}/shifts",
    "an unencoded slash": f"postgresql://user:/{SECRET}/@host:1:2/shifts",
    "an unencoded at sign": f"postgresql://user:p@{SECRET}@host/shifts",
    "a password among the parameters": f"postgresql://user@host/shifts?password={SECRET}",
    "an unknown parameter": f"postgresql://user:{SECRET}@host/shifts?nonsense={SECRET}",
    "no host": f"postgresql://user:{SECRET}@[::1/shifts",
}
COMMANDS = {
    "service": [sys.executable, "-m", "shifts_api"],
    "pipeline": [sys.executable, "-c", "from shifts_pipeline.settings import settings; settings()"],
    "status": [sys.executable, "-m", "shifts_platform", "status"],
    "migrate": [sys.executable, "-m", "shifts_platform", "migrate"],
}


@pytest.mark.parametrize("url", BAD_URLS.values(), ids=BAD_URLS)
@pytest.mark.parametrize("settings", CLASSES)
@pytest.mark.parametrize("field", ["database_url", "dagster_database_url"])
def test_a_bad_address_is_refused_without_being_repeated(
    settings: type[BaseSettings], field: str, url: str
) -> None:
    given = {"database_url": GOOD_URL, "dagster_database_url": GOOD_URL, "landing_url": "landing"}
    with pytest.raises(ValidationError) as refused:
        settings(**{**given, field: url})  # type: ignore[arg-type]
    assert SECRET not in str(refused.value) + repr(refused.value)
    assert [error["msg"].startswith("Value error, must ") for error in refused.value.errors()] == [True]
    assert not any(SECRET in error["msg"] for error in refused.value.errors())


@pytest.mark.parametrize("settings", CLASSES)
def test_settings_do_not_show_their_secrets(settings: type[BaseSettings]) -> None:
    given = {
        "database_url": GOOD_URL,
        "dagster_database_url": GOOD_URL,
        "landing_url": "landing",
        "api_key": SECRET,
    }
    assert SECRET not in repr(settings(**given)) + str(settings(**given))  # type: ignore[arg-type]


def _run(command: list[str], folder: Path, more: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SHIFTS_")}
    return subprocess.run(
        command,
        cwd=folder,
        env={**environment, "PYTHONPATH": os.pathsep.join(sys.path), **more},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize(
    "bad",
    [
        {"SHIFTS_DATABASE_URL": BAD_URLS["an unencoded at sign"]},
        {"SHIFTS_API_KEY": f"{SECRET}ü", "SHIFTS_FIRST_WEEK": "2000-01-05"},
    ],
    ids=["address", "key"],
)
@pytest.mark.parametrize("command", ["service", "pipeline", "status"])
def test_a_start_with_bad_settings_prints_no_secret(
    tmp_path: Path, command: str, bad: dict[str, str]
) -> None:
    good = {
        "SHIFTS_DATABASE_URL": GOOD_URL,
        "SHIFTS_DAGSTER_DATABASE_URL": GOOD_URL,
        "SHIFTS_LANDING_URL": str(tmp_path),
    }
    done = _run(COMMANDS[command], tmp_path, {**good, **bad})
    assert done.returncode == 1
    assert SECRET not in done.stdout + done.stderr
    assert "database_url" in done.stderr.lower() or "first_week" in done.stderr.lower()


@pytest.mark.parametrize("command", ["status", "migrate"])
def test_a_server_that_is_not_there_is_named_without_the_password(tmp_path: Path, command: str) -> None:
    done = _run(
        COMMANDS[command], tmp_path, {"SHIFTS_DATABASE_URL": GOOD_URL, "SHIFTS_DATA_DIR": str(tmp_path)}
    )
    assert done.returncode == 1
    assert done.stderr.startswith("shifts: ")
    assert SECRET not in done.stdout + done.stderr


@pytest.mark.parametrize("settings", [ApiSettings, PipelineSettings])
@pytest.mark.parametrize("day", ["2000-01-05", "2000-01-02", "1969-12-29"])
def test_the_calendar_begins_on_a_monday(settings: type[BaseSettings], day: str) -> None:
    given = {"database_url": GOOD_URL, "dagster_database_url": GOOD_URL, "landing_url": "landing"}
    with pytest.raises(ValidationError, match="must be a Monday, 1970-01-05 or later"):
        settings(**given, first_week=day)  # type: ignore[arg-type]
