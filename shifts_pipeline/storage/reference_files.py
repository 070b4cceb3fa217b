"""Reference files of the landing zone: those that differ from the database, and reading them into it."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import psycopg
from psycopg.rows import args_row

from shifts_core.landing.errors import FileChanged, LandingZoneError, LandingZoneUnavailable
from shifts_core.landing.reference_files import ReferenceFolder, reference_folder
from shifts_core.landing.zone import LandedFile, LandingZone

_VERSIONS: dict[ReferenceFolder, bytes] = {
    "stops": b"SELECT name, version FROM shifts_store.stop_files ORDER BY name",
    "zones": b"SELECT name, version FROM shifts_store.zone_files ORDER BY name",
}
_FILES: dict[ReferenceFolder, bytes] = {
    "stops": b"SELECT f.name, f.region, r.region_id IS NOT NULL, f.stops, f.rejected, f.error"
    b" FROM shifts_store.stop_files f LEFT JOIN shifts_store.regions r ON r.name = f.region ORDER BY f.name",
    "zones": b"SELECT f.name, f.region, r.region_id IS NOT NULL, f.zones, 0, f.error"
    b" FROM shifts_store.zone_files f LEFT JOIN shifts_store.regions r ON r.name = f.region ORDER BY f.name",
}


@dataclass(frozen=True)
class RecordedFile:
    """What the database says about a file."""

    name: str
    region: str | None
    is_of_known_region: bool
    entries: int
    """Stops or zones in force."""
    rejected: int
    error: str | None


@dataclass(frozen=True)
class Changes:
    """Files of a folder that the database does not have in this version."""

    read: Sequence[LandedFile]
    """New and changed files."""
    gone: Sequence[str]
    """Names of files that are no longer in the landing zone."""
    digest: str
    """Of all versions, in the landing zone and in the database."""

    @property
    def names(self) -> list[str]:
        """The names of all of them."""
        return [file.name for file in self.read] + list(self.gone)

    def __bool__(self) -> bool:
        return bool(self.read or self.gone)


class ReferenceStore(Protocol):
    """Reads the files of a folder into its tables; each method is one transaction."""

    @property
    def max_bytes(self) -> int:
        """Larger files cannot be used."""

    def region_of(self, name: str) -> str:
        """The region in a file's name.

        Raises:
            ValueError: the name has not the form of the folder's files.
        """

    def replace(self, connection: psycopg.Connection, file: LandedFile, region: str, content: bytes) -> None:
        """Stores a version of a file in place of the one before.

        Args:
            connection: in autocommit mode.
            file: the file.
            region: of the file.
            content: up to `max_bytes` + 1 bytes of it.

        Raises:
            ValueError: the file cannot be used.
        """

    def fail(self, connection: psycopg.Connection, file: LandedFile, region: str | None, error: str) -> None:
        """Records a version that cannot be used; what the version before says stays in force."""

    def delete(self, connection: psycopg.Connection, name: str) -> None:
        """Removes a file that is gone, and what it says."""


def find_changes(
    connection: psycopg.Connection, zone: LandingZone, files: Iterable[LandedFile], folder: ReferenceFolder
) -> Changes:
    """Compare the files of a listing with those of the database.

    Raises:
        LandingZoneUnavailable: the zone cannot be reached.
    """
    listed = {file.name: file for file in files if reference_folder(file.name) == folder}
    known: dict[str, str] = dict(connection.execute(_VERSIONS[folder]).fetchall())
    read = [file for _, file in sorted(listed.items()) if known.get(file.name) != file.version]
    gone = [name for name in known if name not in listed and _is_gone(zone, name)]
    versions = [(file.name, file.version) for file in read] + sorted(known.items())
    return Changes(read, gone, hashlib.sha256(repr(versions).encode()).hexdigest())


def _is_gone(zone: LandingZone, name: str) -> bool:
    """Whether a file that is not listed does not exist; it may be incomplete or unreadable."""
    try:
        return zone.find(name) is None
    except LandingZoneUnavailable:
        raise
    except LandingZoneError:
        return False


def apply_changes(
    connection: psycopg.Connection, zone: LandingZone, changes: Changes, store: ReferenceStore
) -> Iterator[str]:
    """Read new and changed files, and remove those that are gone; each in one transaction.

    Args:
        connection: in autocommit mode.
        zone: the landing zone.
        changes: what to do.
        store: reads the files.

    Yields:
        The name of each file that is done.

    Raises:
        LandingZoneUnavailable: the zone cannot be reached; files that are not done remain changed.
    """
    for file in changes.read:
        region = None
        try:
            region = store.region_of(file.name)
            with zone.open(file) as stream:
                content = stream.read(store.max_bytes + 1)
            store.replace(connection, file, region, content)
        except FileChanged:
            continue  # the next listing has its new version
        except LandingZoneUnavailable:
            raise
        except (ValueError, LandingZoneError) as error:
            store.fail(connection, file, region, str(error))
        yield file.name
    for name in changes.gone:
        store.delete(connection, name)
        yield name


def recorded_files(connection: psycopg.Connection, folder: ReferenceFolder) -> list[RecordedFile]:
    """All files of a folder that the database knows, by name."""
    with connection.cursor(row_factory=args_row(RecordedFile)) as cursor:
        return cursor.execute(_FILES[folder]).fetchall()
