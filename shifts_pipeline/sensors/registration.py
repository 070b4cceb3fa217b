"""What the sensor `landing_zone` remembers between listings, so that it sends only changes to the database.

This memory is a cache, and the ledger is the truth. It is empty after a restart, and some unchanged files are sent
at every listing. So versions that the ledger has lost meanwhile are registered again: versions superseded by one that
came and went between two listings, or lost with a restored backup.
"""

import time
from collections.abc import Sequence

import psycopg

from shifts_core.landing.zone import LandedFile
from shifts_pipeline.storage import transitions

CHUNK_FILES = 5_000
"""Files per statement."""
UNCHANGED_FILES = 2_000
"""Unchanged files sent per listing: all of a small folder, and all of a large one within minutes."""
LIMIT_S = 20.0
"""After this time the rest waits for the next listing; Dagster ends an evaluation after 60 s."""


class Registration:
    """The file versions of a landing zone that were sent to the ledger."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}
        self._next_unchanged = 0
        self._skipped: dict[str, str] = {}

    def register(self, connection: psycopg.Connection, files: Sequence[LandedFile]) -> int:
        """Registers new and changed files; returns how many are queued.

        Args:
            connection: in autocommit mode, so that each chunk is committed.
            files: every file in the landing zone.
        """
        deadline = time.monotonic() + LIMIT_S
        # A file that was removed and comes back later counts as changed.
        known = {file.name: version for file in files if (version := self._known.get(file.name)) is not None}
        self._known = known
        changed = [file for file in files if known.get(file.name) != file.version]
        queued = transitions.register(connection, self._some_unchanged(files))
        for first in range(0, len(changed), CHUNK_FILES):
            if time.monotonic() > deadline:
                break
            chunk = changed[first : first + CHUNK_FILES]
            queued += transitions.register(connection, chunk)
            known.update((file.name, file.version) for file in chunk)
        return queued

    def newly_skipped(self, skipped: dict[str, str]) -> dict[str, str]:
        """The skipped entries (reason by name) that were not skipped at the last listing."""
        new = {name: reason for name, reason in skipped.items() if self._skipped.get(name) != reason}
        self._skipped = skipped
        return new

    def _some_unchanged(self, files: Sequence[LandedFile]) -> list[LandedFile]:
        unchanged = [file for file in files if self._known.get(file.name) == file.version]
        begin = self._next_unchanged if self._next_unchanged < len(unchanged) else 0
        chosen = unchanged[begin : begin + UNCHANGED_FILES]
        self._next_unchanged = begin + len(chosen)
        return chosen
