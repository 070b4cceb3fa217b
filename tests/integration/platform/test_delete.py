"""`shifts delete` beside a service: a file is gone at once and refused, and `shifts drop --again` brings it back."""

import os
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.integration.api.pipeline import pipeline_of
from tests.integration.api.running import Service, running
from tests.integration.pipeline.harness import HEADER, Pipeline, row
from tests.integration.platform.dropping import WHOLE_WORLD
from tests.integration.platform.forked_command import fork_shifts
from tests.integration.platform.running import TIMEOUT_S


@pytest.fixture
def service(database_url: str, dagster_database_url: str, tmp_path: Path) -> Iterator[Service]:
    (tmp_path / "landing").mkdir()
    with running(
        Service(database_url, dagster_database_url, tmp_path / "landing", tmp_path / "api.log")
    ) as found:
        yield found


@pytest.fixture
def pipeline(service: Service) -> Iterator[Pipeline]:
    with pipeline_of(service) as found:
        yield found


def shifts(
    service: Service, *arguments: str, meanwhile: Callable[[], object] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs a command, and what the daemon does meanwhile again and again."""
    environment = {
        **os.environ,
        "SHIFTS_DATA_DIR": str(service.landing.parent / "data"),
        "SHIFTS_API_PORT": str(service.port),
    }
    with ThreadPoolExecutor(1) as thread:
        done = thread.submit(fork_shifts, environment, *arguments, timeout_s=TIMEOUT_S)
        while meanwhile and not done.done():
            meanwhile()
    return done.result()


def mean(service: Service) -> object:
    parameters = {"region": "Turin", **WHOLE_WORLD}
    return httpx.get(f"{service.api}/trips/stats", params=parameters).raise_for_status().json()["mean"]


def test_a_deleted_file_stays_away_until_it_is_dropped_again_on_purpose(
    service: Service, pipeline: Pipeline, tmp_path: Path
) -> None:
    file = tmp_path / "a.csv"
    file.write_text(HEADER + row() + row(moment="2018-05-28 12:00:00"))
    assert shifts(service, "drop", str(file), meanwhile=pipeline.load).returncode == 0
    assert mean(service) == 2

    done = shifts(service, "delete", "a.csv", "--yes", meanwhile=pipeline.delete)
    assert (done.returncode, done.stdout) == (0, "deleted a.csv\n"), done.stderr
    assert mean(service) is None
    assert not (service.landing / "a.csv").exists()
    repeated = shifts(service, "delete", "a.csv", "--yes")
    assert (repeated.returncode, repeated.stderr) == (1, "shifts: a.csv was deleted before\n")
    unknown = shifts(service, "delete", "b.csv", "--yes")
    assert (unknown.returncode, unknown.stderr) == (1, "shifts: there is no file b.csv\n")

    refused = shifts(service, "drop", str(file), meanwhile=pipeline.load)
    assert refused.returncode == 1
    assert "these bytes were deleted on " in refused.stderr
    assert "`shifts drop --again` loads them all the same" in refused.stderr
    assert mean(service) is None
    assert shifts(service, "drop", "--again", str(file), meanwhile=pipeline.load).returncode == 0
    assert mean(service) == 2
