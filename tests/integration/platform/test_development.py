"""Dagster's own commands in a copy of the checkout, with an empty environment, beside or without a platform."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from shifts_platform.data_folder import lock_holder
from shifts_platform.ports import free_port
from tests.database import allow_other_users, database_answers, query
from tests.integration.pipeline.harness import HEADER, row
from tests.integration.platform.running import TIMEOUT_S, answers, running_platform, wait_until
from tests.stop_signals import with_stop_signals

ROOT = Path(__file__).parents[3]
PROGRAMS = Path(sys.executable).parent
NOT_IN_A_CLONE = shutil.ignore_patterns(
    ".git",
    ".venv",
    ".shifts",
    ".env",
    ".*_cache",
    ".hypothesis",
    ".tmp_dagster_home_*",
    "node_modules",
    "out",
)
ASSETS = {"raw_trips", "shift_backtest", "shifts", "stops", "trip_clusters", "weekly_aggregates", "zones"}
RUNS = "{ runsOrError { ... on Runs { results { status jobName tags { key value } } } } }"
LOCATION = 'repositoryName: "__repository__", repositoryLocationName: "shifts"'
LOADED = """{ assetNodes(assetKeys: [{path: ["raw_trips"]}]) { assetPartitionStatuses {
    ... on DefaultPartitionStatuses { materializedPartitions } } } }"""
CLEANUP = f"""mutation {{ launchRun(executionParams: {{selector: {{{LOCATION}, pipelineName: "cleanup"}}}}) {{
    ... on LaunchRunSuccess {{ run {{ runId }} }} }} }}"""
BACKFILL = """mutation { launchPartitionBackfill(backfillParams: {
    assetSelection: [{path: ["raw_trips"]}], partitionNames: ["one.csv"]}) {
    ... on LaunchBackfillSuccess { backfillId } } }"""
ONE = HEADER + row("Bern") + row("Lyon")


@dataclass
class Checkout:
    """A copy of the project's files, and commands in it that get no settings."""

    folder: Path

    @property
    def data(self) -> Path:
        """The default data folder."""
        return self.folder / ".shifts"

    @property
    def environment(self) -> dict[str, str]:
        return {"PATH": f"{PROGRAMS}:{os.defpath}", "HOME": str(self.folder.parent)}

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Runs a command until it ends."""
        return subprocess.run(
            [PROGRAMS / command[0], *command[1:]],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )

    def database_url(self) -> str:
        """The trips database that `shifts env` names."""
        found = re.search(r"SHIFTS_DATABASE_URL='?(.*?)'?$", self.run("shifts", "env").stdout, re.MULTILINE)
        assert found is not None
        return found[1]

    @contextmanager
    def serving(self, *command: str) -> Iterator["DagsterDev"]:
        """Runs `dagster dev` or `dg dev` while in the block, which begins when its UI answers."""
        port, log = free_port(), self.folder.parent / "dev.log"
        with log.open("w") as output:
            process = subprocess.Popen(
                with_stop_signals([str(PROGRAMS / command[0]), *command[1:], "--port", str(port)]),
                cwd=self.folder,
                env=self.environment,
                stdout=output,
                stderr=output,
            )
        dev = DagsterDev(process, port, log)
        try:
            wait_until(lambda: process.poll() is not None or answers(f"{dev.url}/server_info"))
            assert process.poll() is None, log.read_text()
            yield dev
        finally:
            if process.poll() is None:
                dev.stop()


@dataclass
class DagsterDev:
    """A running development instance."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, question: str) -> dict[str, Any]:
        """Returns the data of a GraphQL answer."""
        answer = httpx.post(f"{self.url}/graphql", json={"query": question}, timeout=60).json()
        assert "errors" not in answer, answer
        data: dict[str, Any] = answer["data"]
        return data

    def runs(self, tag: str, value: str) -> list[str]:
        """The states of all runs that have a tag."""
        return [
            run["status"]
            for run in self.ask(RUNS)["runsOrError"]["results"]
            if {"key": tag, "value": value} in run["tags"]
        ]

    def jobs(self, name: str) -> list[str]:
        """The states of all runs of a job."""
        return [run["status"] for run in self.ask(RUNS)["runsOrError"]["results"] if run["jobName"] == name]

    def assets(self) -> set[str]:
        """The names of the assets that the UI lists."""
        nodes = self.ask("{ assetNodes { assetKey { path } } }")["assetNodes"]
        return {node["assetKey"]["path"][0] for node in nodes}

    def loaded_partitions(self) -> list[str]:
        """The files that the UI shows as materialized."""
        (node,) = self.ask(LOADED)["assetNodes"]
        partitions: list[str] = node["assetPartitionStatuses"]["materializedPartitions"]
        return partitions

    def stop(self) -> int:
        """Ends it as Ctrl-C does; returns the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(TIMEOUT_S)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    folder = tmp_path_factory.mktemp("clone") / "checkout"
    shutil.copytree(ROOT, folder, ignore=NOT_IN_A_CLONE)
    allow_other_users(folder)
    return Checkout(folder)


@pytest.mark.parametrize(
    "command",
    ["dagster definitions validate", "dg check defs", "dg check toml"],
)
def test_definitions_are_checked_without_settings_and_without_a_database(
    checkout: Checkout, command: str
) -> None:
    done = checkout.run(*command.split())
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert not checkout.data.exists()


def test_a_setting_that_is_invalid_is_named_in_one_line(checkout: Checkout) -> None:
    dotenv = checkout.folder / ".env"
    dotenv.write_text("SHIFTS_API_PORT=80x\n")
    done = checkout.run("dagster", "dev")
    dotenv.unlink()
    assert done.returncode != 0
    assert "SHIFTS_API_PORT" in done.stderr.strip().splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_dagster_dev_loads_dropped_files_into_the_platforms_database(checkout: Checkout) -> None:
    with checkout.serving("dagster", "dev") as dev:
        assert dev.assets() == ASSETS
        assert lock_holder(checkout.data) == dev.process.pid
        (checkout.data / "landing/one.csv").write_text(ONE)
        wait_until(lambda: dev.jobs("load_trip_files") == ["SUCCESS"])
        wait_until(lambda: "SUCCESS" in dev.jobs("refresh_weeks"))
        url = checkout.database_url()
        assert query(url, "SELECT count(*) FROM shifts.trips") == [(2,)]
        assert checkout.run("shifts", "up").stderr.strip().endswith("see `shifts status`")
        assert dev.stop() == 0
    assert not database_answers(url)
    assert lock_holder(checkout.data) is None
    assert checkout.run("shifts", "migrate", "--check").returncode == 0


def test_beside_a_platform_dg_dev_shares_its_runs_and_leaves_them_to_its_daemon(checkout: Checkout) -> None:
    ports = {"SHIFTS_API_PORT": str(free_port()), "SHIFTS_DAGSTER_PORT": str(free_port())}
    file = checkout.data / "landing/one.csv"
    if not file.exists():
        file.parent.mkdir(parents=True)
        file.write_text(ONE)
    with (
        running_platform({**os.environ, "SHIFTS_DATA_DIR": str(checkout.data), **ports}) as platform,
        checkout.serving("dg", "dev") as dev,
    ):
        assert dev.assets() == ASSETS
        assert "its daemon evaluates sensors" in dev.log.read_text()
        # Alone, or by the run of the previous test.
        wait_until(lambda: "one.csv" in dev.loaded_partitions())
        backfill = dev.ask(BACKFILL)["launchPartitionBackfill"]["backfillId"]
        dev.ask(CLEANUP)
        wait_until(lambda: dev.jobs("cleanup") == ["SUCCESS"])
        wait_until(lambda: dev.runs("dagster/backfill", backfill) == ["SUCCESS"])
        # The sensor's and the one by hand.
        assert dev.runs("dagster/asset_partition_range_start", "one.csv") == ["SUCCESS", "SUCCESS"]
        assert platform.query("SELECT count(*) FROM shifts.trips") == [(2,)]
        assert platform.stop() == 0
        dev.process.wait(TIMEOUT_S)
        assert "has ended: start this command again" in dev.log.read_text()
