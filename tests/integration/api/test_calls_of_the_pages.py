"""The calls that the documentation of deployments shows, made with curl."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.integration.api.running import Service, running
from tests.unit.deploy.pages import calls

KEY = "key-of-the-tests"
FILE = "region,origin_coord,destination_coord,datetime,datasource\n"
TRIP = {"region": "Turin", "origin": [7.65, 45.05], "destination": [7.66, 45.06], "source": "x"}


@pytest.fixture(scope="module")
def service(
    database_url: str, dagster_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """A service with a key and trips of two weeks."""
    folder = tmp_path_factory.mktemp("service")
    (folder / "landing").mkdir()
    log, more = folder / "api.log", {"SHIFTS_API_KEY": KEY}
    with running(Service(database_url, dagster_database_url, folder / "landing", log, more)) as found:
        trips = [TRIP | {"timestamp": f"2018-05-{day} 08:00:00"} for day in (21, 22, 28)]
        body = {"data_type": "json", "data": trips}
        headers = {"Authorization": f"Bearer {KEY}"}
        httpx.post(f"{found.api}/trips", json=body, headers=headers).raise_for_status()
        yield found


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl here")
@pytest.mark.parametrize("page", ["docs/deployment.md", "docs/gcp.md"])
def test_documented_calls_are_answered_as_documented(service: Service, page: str, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"SHIFTS_API_KEY={KEY}\n")
    (tmp_path / "trips.csv").write_text(FILE)
    said = {}
    for call in calls(page):
        here = call.replace("https://$API_HOST", service.root).replace("localhost:8000", service.root)
        path = here.partition("/api/v1/")[2].partition("?")[0]
        # The feed is endless.
        listening = ["--max-time", "1"] if path == "events" else []
        options = " ".join(["--silent", "--show-error", "--fail", "--dump-header", "head", *listening])
        done = subprocess.run(
            ["bash", "-c", here.replace("curl", f"curl {options}", 1)],
            cwd=tmp_path,
            env={"PATH": "/usr/bin:/bin", "SHIFTS_API_KEY": KEY},
            capture_output=True,
            text=True,
            check=False,
        )
        timed_out = 28
        assert done.returncode in ((timed_out,) if listening else (0,)), done.stderr
        said[path] = done.stdout
        if listening:
            assert "text/event-stream" in (tmp_path / "head").read_text()
    assert json.loads(said["trips/stats"]) == {"mean": 1.5}
    assert json.loads(said["files"])["name"] == "trips.csv"
    assert (service.landing / "trips.csv").read_text() == FILE
