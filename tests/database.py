"""Helpers for tests that use a database server: folders for one, whether it answers, and rows of a query."""

from pathlib import Path
from typing import Any

import psycopg


def allow_other_users(folder: Path) -> None:
    """Lets other users enter a folder: the server runs as another one when the tests run as root."""
    for parent in (folder, *folder.parents[:3]):
        mode = parent.stat().st_mode
        if mode & 0o755 != 0o755:
            parent.chmod(mode | 0o755)


def database_answers(url: str) -> bool:
    """Whether the database can be reached now."""
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.Error:
        return False
    return True


def query(url: str, statement: str, *values: object) -> list[tuple[Any, ...]]:
    """Runs a statement on a connection of its own; returns its rows."""
    with psycopg.connect(url) as connection:
        return connection.execute(statement.encode(), values or None).fetchall()
