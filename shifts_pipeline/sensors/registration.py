"""What the landing zone's sensor remembers between its looks, so that only changes are sent to the database.

The memory is a hint and the ledger the truth: it is empty after a restart, and a part of what is unchanged is sent
at every look, too. So the ledger also hears again of versions that it has dropped meanwhile: superseded by a version
that came and went between two looks, or lost in a restored backup.
"""

import time
from collections.abc import Sequence

import psycopg

from shifts_core.landing.zone import LandedFile
from shifts_pipeline.storage import transitions

CHUNK_FILES = 5_000
"""Sent in one statement."""
UNCHANGED_FILES = 2_000
"""Sent at each look although they are unchanged: all of a small folder, all of a large one within minutes."""
LIMIT_S = 20.0
"""After so long the rest is left for the next look; Dagster ends an evaluation after 60 s."""


class Registration:
    """The versions of one landing zone that one ledger has heard of."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}
        self._next_unchanged = 0
        self._skipped: dict[str, str] = {}

    def register(self, connection: psycopg.Connection, files: Sequence[LandedFile]) -> int:
        """Tells the ledger of new and changed files; how many were queued by it.

        Args:
            connection: in autocommit, so that each chunk is kept.
            files: everything that lies in the zone now.
        """
        deadline = time.monotonic() + LIMIT_S
        # A file that left and comes back later counts as changed.
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
        """Those of the skipped entries (reason by name) that were not skipped at the look before."""
        new = {name: reason for name, reason in skipped.items() if self._skipped.get(name) != reason}
        self._skipped = skipped
        return new

    def _some_unchanged(self, files: Sequence[LandedFile]) -> list[LandedFile]:
        unchanged = [file for file in files if self._known.get(file.name) == file.version]
        begin = self._next_unchanged if self._next_unchanged < len(unchanged) else 0
        chosen = unchanged[begin : begin + UNCHANGED_FILES]
        self._next_unchanged = begin + len(chosen)
        return chosen
