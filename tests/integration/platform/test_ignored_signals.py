"""Processes stop by signals also in the background of a shell, which ignores SIGINT."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from shifts_platform.postgres.server import EmbeddedPostgres
from shifts_platform.stop_signals import stopped_by_signals
from shifts_platform.supervisor import ChildSpec, Supervisor
from tests.conftest import FAST
from tests.database import allow_other_users
from tests.integration.landing.emulator import emulator
from tests.stop_signals import ignored_stop_signals, with_stop_signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT, signal.SIGTERM])
def test_a_child_with_restored_signals_ends_by_each_signal(number: signal.Signals) -> None:
    with (
        ignored_stop_signals(),
        subprocess.Popen(
            with_stop_signals(["sh", "-c", "echo; exec sleep 600"]), stdout=subprocess.PIPE
        ) as child,
    ):
        assert child.stdout is not None
        assert child.stdout.readline() == b"\n"
        child.send_signal(number)
        assert child.wait(10) == -number


def test_the_storage_emulator_ends(tmp_path: Path) -> None:
    with ignored_stop_signals(), emulator(tmp_path):
        pass


def test_the_embedded_server_does_a_fast_shutdown(tmp_path: Path) -> None:
    allow_other_users(tmp_path)
    server = EmbeddedPostgres(tmp_path / "postgres", extra_settings=FAST)
    server.prepare()
    log = tmp_path / "postgres.log"
    with ignored_stop_signals():
        process = server.start(log)
        server.stop()
    assert process.returncode == 0
    assert "received fast shutdown request" in log.read_text()
    assert "received immediate shutdown request" not in log.read_text()


def test_children_of_the_supervisor_end_by_sigterm(tmp_path: Path) -> None:
    script = "trap 'echo asked; exit' TERM; echo ready; while :; do sleep 0.01; done"
    log = tmp_path / "child.log"
    with ignored_stop_signals():
        supervisor = Supervisor(tmp_path, lambda message: None)
        supervisor.spawn([ChildSpec("child", ["bash", "-c", script], {}, lambda: "ready" in log.read_text())])
        supervisor.wait()
        supervisor.stop()
    assert "asked" in log.read_text()


def stops_by(number: signal.Signals) -> bool:
    stops: list[None] = []
    with stopped_by_signals(lambda: stops.append(None)):
        os.kill(os.getpid(), number)
    return bool(stops)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_platform_stops_by_a_signal_that_the_shell_ignores(number: signal.Signals) -> None:
    with ignored_stop_signals():
        assert stops_by(number)


@pytest.mark.parametrize(("disposition", "stops"), [(signal.SIG_DFL, True), (signal.SIG_IGN, False)])
def test_a_closed_terminal_stops_the_platform_unless_nohup_started_it(
    disposition: signal.Handlers, stops: bool
) -> None:
    before = signal.signal(signal.SIGHUP, disposition)
    try:
        assert stops_by(signal.SIGHUP) is stops
    finally:
        signal.signal(signal.SIGHUP, before)
