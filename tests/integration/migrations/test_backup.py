"""The commands of docs/backup.md, on a new server and under a running service."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
from sqlalchemy import make_url

from shifts_platform.migrations.databases import migrate_dagster_database, migrate_trips_database
from shifts_platform.postgres.programs import find_programs
from shifts_platform.postgres.server import EmbeddedPostgres
from tests.conftest import FAST, dagster_instance
from tests.integration.api.pipeline import pipeline_of
from tests.integration.api.running import Service, last_id, listening, publish, running, wait_until
from tests.integration.pipeline.harness import HEADER, row

DOCUMENT = Path(__file__).parents[3] / "docs/backup.md"
BACK_UP, RESTORE = re.findall(r"^```bash\n(.*?)^```", DOCUMENT.read_text("utf-8"), re.DOTALL | re.MULTILINE)


def run(commands: str, trips_url: str, dagster_url: str, folder: Path) -> None:
    """Runs commands of the page in the folder of the dumps."""
    address = make_url(dagster_url).set(drivername="postgresql+psycopg2")
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), str(find_programs()), os.environ["PATH"]]),
        "SHIFTS_DATABASE_URL": trips_url,
        "SHIFTS_DAGSTER_DATABASE_URL": address.render_as_string(hide_password=False),
        "SHIFTS_DATA_DIR": str(folder / "platform"),
    }
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def service(postgres_server: EmbeddedPostgres, tmp_path: Path) -> Iterator[Service]:
    """A running web service with its own databases."""
    trips, dagster = (postgres_server.url(name) for name in ("backup_trips", "backup_dagster"))
    with psycopg.connect(postgres_server.url("postgres"), autocommit=True) as admin:
        for name in ("backup_trips", "backup_dagster"):
            admin.execute(f"CREATE DATABASE {name}".encode())
        migrate_trips_database(trips)
        with dagster_instance(dagster):
            migrate_dagster_database(dagster)
        (tmp_path / "landing").mkdir()
        (tmp_path / "platform").mkdir()
        with running(Service(trips, dagster, tmp_path / "landing", tmp_path / "api.log")) as found:
            yield found
        for name in ("backup_trips", "backup_dagster"):
            admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())


def count(service: Service) -> list[int]:
    """Returns the trips of each week in a box."""
    question = {"region": "Turin", "bbox": "7.5,44.9,7.695,45.5"}
    answer = httpx.get(f"{service.api}/trips/weekly", params=question, timeout=20)
    return [week["trips"] for week in answer.raise_for_status().json()["series"]]


def load(service: Service, **files: list[float]) -> None:
    """Loads files of trips that start and end at the given longitudes, and refreshes their weeks."""
    with pipeline_of(service) as pipeline:
        for name, longitudes in files.items():
            trips = [row(origin=(x, 45.0), destination=(x, 45.0)) for x in longitudes]
            pipeline.put(f"{name}.csv", HEADER + "".join(trips))
        assert all(each.success for each in [*pipeline.load(), *pipeline.refresh()])
        assert pipeline.query("SELECT * FROM shifts_store.stale_weeks") == []


def is_ready(service: Service) -> bool:
    return httpx.get(f"{service.root}/ready", timeout=20).status_code == 200


def test_a_running_service_answers_from_the_restored_databases(service: Service, tmp_path: Path) -> None:
    databases = service.database_url, service.dagster_database_url
    load(service, first=[7.61, 7.62, 7.71])
    assert count(service) == [2]
    run(BACK_UP, *databases, tmp_path)

    # Changes after the backup, which the service has in memory.
    load(service, second=[7.63, 7.64, 7.65, 7.72])
    assert count(service) == [5]
    with psycopg.connect(service.dagster_database_url, autocommit=True) as outbox:
        for _ in range(50):
            publish(outbox, "file.progress")
        newest_seen = last_id(outbox)

    with listening(service) as live:
        run(RESTORE, *databases, tmp_path)
        assert list(live) == []
    wait_until(lambda: is_ready(service), 20)
    assert count(service) == [2]

    # Other tiles get the same revisions.
    (service.landing / "second.csv").unlink()
    load(service, third=[7.66])
    assert count(service) == [3]

    with listening(service, after=newest_seen) as resumed:
        with psycopg.connect(service.dagster_database_url, autocommit=True) as outbox:
            publish(outbox, "file.progress", message="after the restore")
        for told in resumed:
            assert told.event_id > newest_seen
            if told.data.get("message") == "after the restore":
                break


@pytest.fixture
def new_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A server without databases and roles."""
    folder = tmp_path_factory.mktemp("new_server")
    server = EmbeddedPostgres(folder / "server", extra_settings=FAST)
    server.prepare()
    server.start(folder / "server.log")
    yield server
    server.stop()


def test_a_backup_is_restored_on_a_new_server(
    service: Service, new_server: EmbeddedPostgres, tmp_path: Path
) -> None:
    load(service, first=[7.61, 7.62, 7.71])
    run(BACK_UP, service.database_url, service.dagster_database_url, tmp_path)

    databases = new_server.url("shifts"), new_server.url("shifts_dagster")
    run(RESTORE, *databases, tmp_path)
    with running(Service(*databases, service.landing, tmp_path / "new.log")) as restored:
        assert count(restored) == [2]
        load(restored, second=[7.63])
        assert count(restored) == [3]
        status = httpx.get(f"{restored.api}/files").raise_for_status().json()
        assert {file["status"] for file in status["files"]} == {"loaded"}
