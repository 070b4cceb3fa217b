"""Processes that keep exiting are restarted with growing delays, while the others keep running."""

import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shifts_platform import backoff
from shifts_platform.postgres.server import EmbeddedPostgres
from shifts_platform.supervisor import ChildSpec, Supervisor, log_tail
from tests.conftest import FAST
from tests.database import allow_other_users, database_answers

EXITS = 8
"""More exits than a supervisor that gives up would allow."""


@pytest.fixture(autouse=True)
def short_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "FIRST_DELAY_S", 0.01)
    monkeypatch.setattr(backoff, "MAX_DELAY_S", 0.08)


class Notices(list[str]):
    """Collects the reports of a supervisor and stops it when `enough` returns true for them."""

    def __init__(self, enough: Callable[[list[str]], bool]) -> None:
        super().__init__()
        self._enough = enough
        self.supervisor: Supervisor | None = None

    def __call__(self, message: str) -> None:
        self.append(message)
        if self._enough(self):
            assert self.supervisor is not None
            self.supervisor.request_stop()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[Notices], Supervisor]]:
    started = []

    def make(notices: Notices) -> Supervisor:
        notices.supervisor = Supervisor(tmp_path, notices)
        started.append(notices.supervisor)
        return notices.supervisor

    yield make
    for supervisor in started:
        supervisor.stop()


def child(name: str, script: str, pids: Path) -> ChildSpec:
    """A process that appends its id to a file at each start."""
    return ChildSpec(name, ["sh", "-c", f"echo $$ >>{pids}/{name}; {script}"], {}, lambda: True)


def pids_of(name: str, folder: Path) -> list[int]:
    return [int(line) for line in (folder / name).read_text().split()]


def test_a_child_that_keeps_exiting_leaves_the_others_running(
    tmp_path: Path, start: Callable[[Notices], Supervisor]
) -> None:
    notices = Notices(lambda said: len(said) == EXITS)
    supervisor = start(notices)
    supervisor.spawn(
        [
            child("steady", "exec sleep 600", tmp_path),
            child("failing", "printf '[/] \\033[31mbroken\\033[0m\\n' >&2; exit 3", tmp_path),
        ]
    )
    supervisor.run()
    assert len(pids_of("failing", tmp_path)) == EXITS
    (steady,) = pids_of("steady", tmp_path)
    os.kill(steady, 0)
    assert all(notice.startswith("failing exited (code 3; [/] broken): restarting in ") for notice in notices)
    delays = [float(delay) for notice in notices for delay in re.findall(r"restarting in (\S+) s", notice)]
    assert delays == [0.01, 0.02, 0.04, *[0.08] * (EXITS - 3)]


def test_the_signal_that_killed_a_child_is_reported(
    tmp_path: Path, start: Callable[[Notices], Supervisor]
) -> None:
    notices = Notices(lambda said: len(said) == 1)
    supervisor = start(notices)
    supervisor.spawn([child("killed", "kill -9 $$", tmp_path)])
    supervisor.run()
    assert notices[0].startswith("killed exited (signal 9; empty log)")


def test_a_program_that_is_missing_is_retried_until_it_is_back(
    tmp_path: Path, start: Callable[[Notices], Supervisor]
) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)

    def upgrade(said: list[str]) -> bool:
        if len(said) == 1:
            program.unlink()
        if len(said) == EXITS:
            program.write_text("#!/bin/sh\necho back; exit 2\n")
            program.chmod(0o755)
        return "code 2; back" in said[-1]

    notices = Notices(upgrade)
    supervisor = start(notices)
    supervisor.spawn([ChildSpec("upgraded", [str(program)], {}, lambda: True)])
    supervisor.run()
    assert all("upgraded cannot be started" in notice for notice in notices[1:EXITS])


def test_stopping_sends_no_signal_for_a_child_that_waits_for_its_restart(
    tmp_path: Path, start: Callable[[Notices], Supervisor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backoff, "FIRST_DELAY_S", 600)
    monkeypatch.setattr(backoff, "MAX_DELAY_S", 600)
    supervisor = start(Notices(lambda said: True))
    supervisor.spawn([child("gone", "exit 1", tmp_path)])
    supervisor.run()
    signalled: list[int] = []
    monkeypatch.setattr(os, "killpg", lambda pid, number: signalled.append(pid))
    supervisor.stop()
    assert signalled == []


def test_a_database_that_cannot_start_is_retried_until_it_can(
    tmp_path: Path, start: Callable[[Notices], Supervisor]
) -> None:
    allow_other_users(tmp_path)
    server = EmbeddedPostgres(tmp_path / "postgres", extra_settings=FAST)
    server.prepare()
    log = tmp_path / "postgres.log"
    process = server.start(log)
    settings = server.folder / "data/shifts.conf"
    good = settings.read_text()
    settings.write_text("unknown = 1\n")
    started: list[subprocess.Popen[bytes]] = []

    def start_server() -> subprocess.Popen[bytes]:
        if len(notices) == EXITS:
            settings.write_text(good)
            supervisor.request_stop()
        started.append(server.spawn(log))
        return started[-1]

    notices = Notices(lambda said: False)
    supervisor = start(notices)
    supervisor.spawn([child("steady", "exec sleep 600", tmp_path)])
    supervisor.watch("database", process, log, start_server)
    process.send_signal(signal.SIGKILL)
    try:
        supervisor.run()
        assert len(started) == EXITS
        (steady,) = pids_of("steady", tmp_path)
        os.kill(steady, 0)
        assert all(notice.startswith("database exited (") for notice in notices)
        while not database_answers(server.url("postgres")):
            assert started[-1].poll() is None
    finally:
        server.stop()


def test_the_end_of_a_log_is_its_last_line_that_says_something(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("start\n\x1b[31mrelation exists\x1b[0m\n(Background on this error at: somewhere)\n")
    assert log_tail(log) == "relation exists"
    log.write_text("")
    assert log_tail(log) == "empty log"
    assert log_tail(tmp_path) == "log not readable: Is a directory"
