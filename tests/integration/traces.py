"""Looks for traces of trips in whole databases and landing folders: every table as text, every file as bytes."""

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

import psycopg
from psycopg import sql

_TABLES = (
    "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.relkind = 'r' AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'"
)


def forms(number: float) -> list[str]:
    """A coordinate as it may be written: as a decimal number and as the bytes of a stored point."""
    return [repr(number), struct.pack("<d", number).hex().upper()]


def traces(urls: Sequence[str], landing: Path, needles: Sequence[str]) -> set[tuple[str, str]]:
    """The tables and landed files that contain one of some texts, and which."""
    found = {(str(path), needle) for path, text in _files(landing) for needle in needles if needle in text}
    for url in urls:
        with psycopg.connect(url) as connection:
            for schema, table in connection.execute(_TABLES).fetchall():
                copy = sql.SQL("COPY {} TO STDOUT").format(sql.Identifier(schema, table))
                with connection.cursor() as cursor, cursor.copy(copy) as rows:
                    text = b"".join(bytes(row) for row in rows).decode()
                found |= {(f"{schema}.{table}", needle) for needle in needles if needle in text}
    return found


def _files(landing: Path) -> Iterator[tuple[Path, str]]:
    for path in landing.rglob("*"):
        if path.is_file():
            yield path, path.read_bytes().decode(errors="replace")
