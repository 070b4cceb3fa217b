"""Writes, moves, touches and removes files in a landing folder, and loads them as sensors and runs do."""

import os
from pathlib import Path

import psycopg

from shifts_core.landing.open_zone import open_zone
from shifts_pipeline.storage import ledger, transitions
from tests.integration.loading.loading import Loader
from tests.unit.core.trips.reading import HEADER, LINE

JUNK = ("junk", "JUNK")
GOOD = ("x", "y", "z")
_ROWS = {"x": 1, "y": 2, "z": 1}


class Dropping:
    """A landing folder whose files hold one of five contents."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader
        self._written = 0

    def put(self, name: str, content: str) -> None:
        """Writes a file; each write is a new version."""
        self._path(name).write_bytes(bytes_of(content))
        self.touch(name)

    def touch(self, name: str) -> None:
        """Makes the same bytes a new version."""
        self._written += 1
        os.utime(self._path(name), (1e9 + self._written, 1e9 + self._written))

    def move(self, name: str, to: str) -> None:
        """A renamed file keeps its time, so its version."""
        self._path(name).rename(self._path(to))

    def remove(self, name: str) -> None:
        self._path(name).unlink()

    def present(self) -> dict[str, str]:
        """Content of the files in the folder, by name."""
        known = {bytes_of(content): content for content in (*GOOD, *JUNK)}
        return {path.name: known[path.read_bytes()] for path in self._loader.landing.iterdir()}

    def look(self) -> int:
        """Registers files as the sensor `landing_zone` does; returns how many are queued."""
        with psycopg.connect(self._loader.url, autocommit=True) as connection:
            return transitions.register(connection, list(open_zone(str(self._loader.landing)).list_files()))

    def open_names(self) -> list[str]:
        """Names of open files."""
        with psycopg.connect(self._loader.url) as connection:
            return list(dict.fromkeys(record.name for record in ledger.unfinished(connection, limit=1000)))

    def settle(self) -> None:
        """Registers and loads until no file is open."""
        for _ in range(5):
            self.look()
            names = self.open_names()
            if not names:
                return
            for name in names:
                self._loader.load(name)
        raise AssertionError(f"still open: {names}")

    def counted(self) -> dict[str, int]:
        """How many times each content is in the table."""
        found = self._loader.query("SELECT region, count(*) FROM shifts.trips GROUP BY region")
        assert all(rows % _ROWS[region] == 0 for region, rows in found)
        return {region: rows // _ROWS[region] for region, rows in found}

    def current(self, name: str) -> str:
        """The status of the version that is in the folder."""
        stat = self._path(name).stat()
        (status,) = self._loader.query(
            "SELECT status FROM shifts_store.trip_files WHERE uri = %s AND version = %s",
            self._path(name).as_uri(),
            f"{stat.st_mtime_ns}-{stat.st_size}",
        )
        return str(status[0])

    def _path(self, name: str) -> Path:
        return self._loader.landing / name


def bytes_of(content: str) -> bytes:
    """Bytes of a content; the region of a row tells its content."""
    if content in JUNK:
        return f"{content}\n".encode()
    return HEADER + LINE.replace(b"Turin", content.encode()) * _ROWS[content]
