"""The SQL files of one database: numbered migrations, functions, views and grants, read from a folder."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from shifts_platform.errors import PlatformError


@dataclass(frozen=True)
class Script:
    """A SQL file, or several that are applied together."""

    name: str
    """As in the history: `trips_db/migrations/0001_name.sql`."""
    text: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the text, hexadecimal."""
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True)
class SqlFiles:
    """All files of a database, each kind in the order in which it is applied."""

    database: str
    """`trips_db` or `dagster_db`."""
    migrations: tuple[Script, ...]
    """Applied once, and never edited."""
    definitions: tuple[Script, ...]
    """Functions and views: replaced when one of them, or a table, changed."""
    grants: tuple[Script, ...]
    """Applied at every upgrade: roles belong to the server and are not part of a dump."""
    placement: tuple[Script, ...] = ()
    """Keys and distribution of the tables, for a database that Citus spreads over several servers."""

    @property
    def all_definitions(self) -> Script:
        """The definitions as one script: they are replaced together."""
        return _join(f"{self.database}/functions and views", self.definitions)

    @property
    def all_placement(self) -> Script:
        """The placement as one script: it leaves tables alone that are distributed already."""
        return _join(f"{self.database}/placement", self.placement)

    @property
    def all_grants(self) -> Script:
        """The grants as one script."""
        return _join(f"{self.database}/grants", self.grants)


def read_sql_files(folder: Path, placement: Path | None = None) -> SqlFiles:
    """Reads the sub-folders `migrations`, `functions`, `views` and `grants`, and the grants in `shared` beside it.

    Args:
        folder: of the database.
        placement: the folder with its placement, if it may be distributed.

    Raises:
        PlatformError: migrations are not numbered without gaps.
    """
    migrations = _paths(folder / "migrations")
    for number, path in enumerate(migrations, start=1):
        if not re.fullmatch(rf"{number:04}_[a-z0-9_]+\.sql", path.name):
            raise PlatformError(f"{path.name}: expected the migration with number {number:04}")
    return SqlFiles(
        folder.name,
        tuple(map(_read, migrations)),
        tuple(_read(path) for kind in ("functions", "views") for path in _paths(folder / kind)),
        tuple(
            _read(path) for parent in (folder.parent / "shared", folder) for path in _paths(parent / "grants")
        ),
        tuple(map(_read, _paths(placement))) if placement is not None else (),
    )


def _paths(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.sql"))


def _read(path: Path) -> Script:
    return Script(f"{path.parents[1].name}/{path.parent.name}/{path.name}", path.read_text(encoding="utf-8"))


def _join(name: str, scripts: tuple[Script, ...]) -> Script:
    return Script(name, "\n".join(f"-- {script.name}\n{script.text}" for script in scripts))
