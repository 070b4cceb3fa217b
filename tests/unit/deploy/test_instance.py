"""`dagster.yaml`, the instance on one machine and in containers."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster._core.instance import DagsterInstance
from dagster._core.instance.ref import InstanceRef
from dagster._core.run_coordinator.queued_run_coordinator import QueuedRunCoordinator

from shifts_platform.environment import environment_of
from shifts_platform.postgres.server import EmbeddedPostgres
from shifts_platform.settings import PlatformSettings
from tests.unit.deploy.files import ROOT, compose, read

INSTANCE: dict[str, Any] = yaml.safe_load(read("dagster.yaml"))


def test_the_file_is_valid_and_needs_only_the_database_url(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dagster_database_url: str
) -> None:
    shutil.copy(ROOT / "dagster.yaml", tmp_path)
    url = dagster_database_url.replace("postgresql://", "postgresql+psycopg2://")
    monkeypatch.setenv("SHIFTS_DAGSTER_DATABASE_URL", url)
    with DagsterInstance.from_ref(InstanceRef.from_dir(str(tmp_path))) as instance:
        coordinator = instance.run_coordinator
        assert isinstance(coordinator, QueuedRunCoordinator)
        assert instance.get_concurrency_config().run_queue_config is not None
        assert instance.run_monitoring_enabled
        assert instance.run_retries_enabled
        assert not instance.telemetry_enabled
        assert not instance.nux_enabled


def test_only_runs_with_lost_processes_are_retried() -> None:
    assert INSTANCE["run_retries"]["retry_on_asset_or_op_failure"] is False


def test_old_ticks_are_purged() -> None:
    kept = INSTANCE["retention"]
    assert kept["schedule"]["purge_after_days"] > 0
    assert all(days > 0 for days in kept["sensor"]["purge_after_days"].values())


def test_urls_of_dagsters_database_name_the_driver(tmp_path: Path, postgres_server: EmbeddedPostgres) -> None:
    ours = compose()["services"]["code"]["environment"]["SHIFTS_DAGSTER_DATABASE_URL"]
    settings = PlatformSettings(data_dir=tmp_path, _env_file=None)
    embedded = environment_of(settings, postgres_server)["SHIFTS_DAGSTER_DATABASE_URL"]
    assert ours.startswith("postgresql+psycopg2://")
    assert embedded.startswith("postgresql+psycopg2://")
    assert 'SHIFTS_DAGSTER_DATABASE_URL = "postgresql+psycopg2://' in read("deploy/gcp/secrets.tf")
