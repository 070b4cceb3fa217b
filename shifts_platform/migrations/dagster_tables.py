"""Dagster's own tables, which Dagster creates and migrates."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from shifts_platform.errors import PlatformError
from shifts_platform.migrations.files import Script
from shifts_platform.project_files import project_file


def dagster_script() -> Script:
    """The entry of the history for the installed version of Dagster; its text is empty."""
    return Script(f"dagster {version('dagster')}", "")


def write_dagster_home(home: Path) -> None:
    """Creates the folder `DAGSTER_HOME` with the instance's configuration."""
    home.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(project_file("dagster.yaml"), home / "dagster.yaml")


def migrate_dagster_tables(environment: Mapping[str, str]) -> None:
    """Runs `dagster instance migrate`.

    Raises:
        PlatformError: it fails.
    """
    done = subprocess.run(
        [sys.executable, "-m", "dagster", "instance", "migrate"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise PlatformError(f"`dagster instance migrate` fails: {reason}")
