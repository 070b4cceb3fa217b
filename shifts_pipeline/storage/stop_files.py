"""Files of stops: those of the landing zone that differ from the database, and reading them into it."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import psycopg
from psycopg.rows import class_row

from shifts_core.landing.errors import FileChanged, LandingZoneError, LandingZoneUnavailable
from shifts_core.landing.zone import LandedFile, LandingZone
from shifts_core.stops.names import is_stop_file, region_of
from shifts_core.stops.read_stops import MAX_BYTES, InvalidStopFile, StopFile, read_stops


@dataclass(frozen=True)
class Changes:
    """Files of stops that the database does not have in this version."""

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


@dataclass(frozen=True)
class RecordedFile:
    """What the database says about a file of stops."""

    name: str
    region: str | None
    has_trips: bool
    """Whether the region has, or had, trips."""
    stops: int
    rejected: int
    error: str | None


@dataclass(frozen=True)
class RecordedReject:
    """A row that is not a stop."""

    file: str
    line: int
    reason: str
    raw: str


def find_changes(connection: psycopg.Connection, zone: LandingZone, files: Iterable[LandedFile]) -> Changes:
    """Compare the files of a listing with those of the database.

    Raises:
        LandingZoneUnavailable: the zone cannot be reached.
    """
    listed = {file.name: file for file in files if is_stop_file(file.name)}
    known: dict[str, str] = dict(
        connection.execute("SELECT name, version FROM shifts_store.stop_files ORDER BY name").fetchall()
    )
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
    connection: psycopg.Connection, zone: LandingZone, changes: Changes, max_rejected_share: float
) -> Iterator[str]:
    """Read new and changed files, and delete the stops of those that are gone; each in one transaction.

    Args:
        connection: in autocommit mode.
        zone: the landing zone.
        changes: what to do.
        max_rejected_share: largest share of rejected rows of a file.

    Yields:
        The name of each file that is done.

    Raises:
        LandingZoneUnavailable: the zone cannot be reached; files that are not done remain changed.
    """
    for file in changes.read:
        region = None
        try:
            region = region_of(file.name)
            with zone.open(file) as stream:
                content = stream.read(MAX_BYTES + 1)
            found = read_stops(content, file.name, max_rejected_share)
        except FileChanged:
            continue  # the next listing has its new version
        except LandingZoneUnavailable:
            raise
        except (ValueError, LandingZoneError, InvalidStopFile) as error:
            connection.execute(
                "SELECT shifts_store.fail_stops(%s, %s, %s, %s)",
                [file.name, file.version, region, str(error)],
            )
        else:
            _replace(connection, file, region, found)
        yield file.name
    for name in changes.gone:
        connection.execute("SELECT shifts_store.delete_stops(%s)", [name])
        yield name


def _replace(connection: psycopg.Connection, file: LandedFile, region: str, found: StopFile) -> None:
    connection.execute(
        "SELECT shifts_store.replace_stops(%s, %s, %s, %s::text[], %s::float8[], %s::float8[], %s::integer[],"
        " %s::text[], %s::text[])",
        [
            file.name,
            file.version,
            region,
            [stop.label for stop in found.stops],
            [stop.longitude for stop in found.stops],
            [stop.latitude for stop in found.stops],
            [reject.line for reject in found.rejected],
            [reject.reason for reject in found.rejected],
            [reject.raw for reject in found.rejected],
        ],
    )


def recorded_files(connection: psycopg.Connection) -> list[RecordedFile]:
    """All files of stops that the database knows, by name."""
    with connection.cursor(row_factory=class_row(RecordedFile)) as cursor:
        return cursor.execute(
            """
            SELECT f.name, f.region, r.region_id IS NOT NULL AS has_trips, f.stops, f.rejected, f.error
            FROM shifts_store.stop_files f LEFT JOIN shifts_store.regions r ON r.name = f.region ORDER BY f.name
            """
        ).fetchall()


def recorded_rejects(connection: psycopg.Connection, limit: int) -> list[RecordedReject]:
    """Rejected rows of files that are in force, by file and line."""
    with connection.cursor(row_factory=class_row(RecordedReject)) as cursor:
        return cursor.execute(
            "SELECT file, line, reason, raw FROM shifts_store.rejected_stops ORDER BY file, line LIMIT %s",
            [limit],
        ).fetchall()
