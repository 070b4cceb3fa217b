"""`shifts keys`, and `shifts up` beyond loopback."""

import re
import sys
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner

from shifts_api.access.authentication import NO_KEY
from shifts_core.access.keys import is_key
from shifts_platform.cli import main, shifts
from shifts_platform.ports import free_port
from tests.failing_commands import failure


@pytest.fixture(autouse=True)
def _environment(
    database_url: str, dagster_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SHIFTS_DATABASE_URL", database_url)
    monkeypatch.setenv("SHIFTS_DAGSTER_DATABASE_URL", dagster_database_url)
    monkeypatch.setenv("SHIFTS_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")


def _run(*arguments: str) -> str:
    done = CliRunner().invoke(shifts, ["keys", *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_a_key_is_printed_once_and_stored_as_a_hash(database_url: str) -> None:
    key = _run(
        "add", "--name", "planning", "--role", "reader", "--region", "Turin", "--region", "Milan"
    ).strip()
    with psycopg.connect(database_url) as connection:
        rows = connection.execute(
            "SELECT digest, role, regions, aggregates_only, k::text FROM shifts_store.api_keys k"
            " WHERE name = 'planning'"
        ).fetchall()
    ((digest, *rights, text),) = rows
    assert is_key(key, digest)
    assert rights == ["reader", ["Milan", "Turin"], False]
    assert key not in text
    listed = _run("list")
    assert key not in listed
    (line,) = [line for line in listed.splitlines() if "planning" in line]
    assert re.search(rf"{key[:15]} .*reader.*Milan, Turin.*everything", line)


def test_a_revoked_name_may_be_used_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first = _run("add", "--name", "again", "--role", "writer")
    assert "exists" in failure(monkeypatch, capsys, "keys", "add", "--name", "again", "--role", "writer")
    assert _run("revoke", "again") == "key again revoked\n"
    assert _run("add", "--name", "again", "--role", "admin", "--aggregates-only") != first
    lines = [line for line in _run("list").splitlines() if "again" in line]
    assert [("writer" in line, "aggregates only" in line) for line in lines] == [(True, False), (False, True)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["keys", "revoke", "none"], "no key named none is in force: see `shifts keys list`"),
        (["keys", "add", "--name", " ", "--role", "reader"], "names must not be blank"),
    ],
)
def test_mistakes_are_explained(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert failure(monkeypatch, capsys, *arguments) == f"shifts: {message}\n"


def test_the_platform_does_not_start_beyond_loopback_without_a_key(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], database_url: str
) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("DELETE FROM shifts_store.api_keys")
    monkeypatch.setenv("SHIFTS_API_HOST", "0.0.0.0")
    monkeypatch.setenv("SHIFTS_API_PORT", str(free_port()))
    monkeypatch.setenv("SHIFTS_DAGSTER_PORT", str(free_port()))
    monkeypatch.delenv("SHIFTS_API_KEY", raising=False)
    monkeypatch.setattr(sys, "argv", ["shifts", "up"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert capsys.readouterr().err.splitlines()[-1] == f"shifts: {NO_KEY}"
