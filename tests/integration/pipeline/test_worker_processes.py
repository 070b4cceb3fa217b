"""Runs without their lock on a real code server fail when their process is gone, and not before."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta

import dagster as dg
import psutil
import pytest
from dagster._core.launcher.default_run_launcher import DefaultRunLauncher
from dagster._core.remote_origin import (
    GrpcServerCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._grpc.client import DagsterGrpcClient

from shifts_pipeline.sensors import lost_workers as sensor_module
from shifts_pipeline.sensors import worker_processes
from shifts_platform.ports import free_port
from tests.integration.pipeline.blocking_job import blocking_job
from tests.integration.pipeline.harness import Pipeline
from tests.integration.pipeline.test_lost_workers import look, status
from tests.integration.platform.running import wait_until


@dataclass
class CodeServer:
    """A code server in a process group of its own, and runs that it executes."""

    process: subprocess.Popen[bytes]
    port: int

    def launch(self, instance: dg.DagsterInstance) -> dg.DagsterRun:
        """A started run that holds no lock."""
        origin = GrpcServerCodeLocationOrigin("127.0.0.1", self.port)
        run = instance.create_run_for_job(
            blocking_job,
            status=dg.DagsterRunStatus.STARTING,
            remote_job_origin=RemoteJobOrigin(
                RemoteRepositoryOrigin(origin, "__repository__"), blocking_job.name
            ),
        )
        DefaultRunLauncher.launch_run_from_grpc_client(
            instance, run, DagsterGrpcClient(host="127.0.0.1", port=self.port)
        )
        started = instance.get_run_by_id(run.run_id)
        wait_until(lambda: _status(instance, run) == dg.DagsterRunStatus.STARTED)
        assert started is not None
        return started

    def kill(self) -> None:
        """Ends it and its workers, as the supervisor does."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def _status(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dg.DagsterRunStatus:
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    return found.status


@contextmanager
def running_code_server() -> Iterator[CodeServer]:
    """A code server that answers."""
    port = free_port()
    command = [sys.executable, "-m", "dagster", "api", "grpc", "-h", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(
        [*command, "-m", "tests.integration.pipeline.blocking_job"], start_new_session=True
    )
    server = CodeServer(process, port)
    try:
        wait_until(lambda: process.poll() is not None or answers_at(port))
        yield server
    finally:
        server.kill()


def answers_at(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def code_server() -> Iterator[CodeServer]:
    with running_code_server() as server:
        yield server


@pytest.fixture(autouse=True)
def no_launch_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sensor_module, "LAUNCH_TIMEOUT", timedelta(0))


def test_a_run_whose_process_lives_is_left_alone_without_its_lock(
    pipeline: Pipeline, code_server: CodeServer
) -> None:
    run = code_server.launch(pipeline.instance)
    look(pipeline, look(pipeline, None))
    assert status(pipeline, run) == dg.DagsterRunStatus.STARTED


def test_a_run_whose_code_server_does_not_answer_is_left_alone(
    pipeline: Pipeline, code_server: CodeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = code_server.launch(pipeline.instance)
    # Dagster waits for a minute.
    monkeypatch.setattr(DagsterGrpcClient._query, "__defaults__", (1, None))
    os.killpg(code_server.process.pid, signal.SIGSTOP)
    look(pipeline, look(pipeline, None))
    os.killpg(code_server.process.pid, signal.SIGCONT)
    assert status(pipeline, run) == dg.DagsterRunStatus.STARTED


def test_a_run_whose_code_server_is_gone_is_failed_in_the_second_tick(pipeline: Pipeline) -> None:
    with running_code_server() as server:
        run = server.launch(pipeline.instance)
        server.kill()
    cursor = look(pipeline, None)
    assert status(pipeline, run) == dg.DagsterRunStatus.STARTED
    look(pipeline, cursor)
    assert status(pipeline, run) == dg.DagsterRunStatus.FAILURE


def test_a_run_that_a_restarted_code_server_does_not_know_is_failed(
    pipeline: Pipeline, code_server: CodeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = code_server.launch(pipeline.instance)
    # What a new server at the old address says.
    monkeypatch.setattr(worker_processes, "_runs_of", lambda grpc_info: frozenset())
    look(pipeline, look(pipeline, None))
    assert status(pipeline, run) == dg.DagsterRunStatus.FAILURE


def test_a_dead_child_that_its_code_server_still_lists_is_failed(
    pipeline: Pipeline, code_server: CodeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = code_server.launch(pipeline.instance)
    # The sensor is evaluated in the code server, which this process is not: it has no such child.
    monkeypatch.setattr(worker_processes, "_listens_on", lambda port: port == code_server.port)
    look(pipeline, look(pipeline, None))
    assert status(pipeline, run) == dg.DagsterRunStatus.FAILURE


def test_a_process_knows_which_ports_it_listens_on(code_server: CodeServer) -> None:
    assert not worker_processes._listens_on(code_server.port)
    listening = {
        connection.laddr.port
        for connection in psutil.Process(code_server.process.pid).net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening == {code_server.port}
