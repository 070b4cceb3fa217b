"""Files of stops: reading them into the database, and what it says about them."""

from dataclasses import dataclass

import psycopg
from psycopg.rows import class_row

from shifts_core.landing.zone import LandedFile
from shifts_core.stops.names import region_of
from shifts_core.stops.read_stops import MAX_BYTES, InvalidStopFile, read_stops


@dataclass(frozen=True)
class RecordedReject:
    """A row that is not a stop."""

    file: str
    line: int
    reason: str
    raw: str


@dataclass(frozen=True)
class StopFiles:
    """Reads files of stops."""

    max_rejected_share: float
    """Largest share of rejected rows of a file."""
    max_bytes: int = MAX_BYTES

    def region_of(self, name: str) -> str:
        """Whose stops a file has."""
        return region_of(name)

    def replace(self, connection: psycopg.Connection, file: LandedFile, region: str, content: bytes) -> None:
        """The stops of the file in place of those of the version before."""
        try:
            found = read_stops(content, file.name, self.max_rejected_share)
        except InvalidStopFile as error:
            raise ValueError(str(error)) from None
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

    def fail(self, connection: psycopg.Connection, file: LandedFile, region: str | None, error: str) -> None:
        """The stops of the version before stay."""
        connection.execute(
            "SELECT shifts_store.fail_stops(%s, %s, %s, %s)", [file.name, file.version, region, error]
        )

    def delete(self, connection: psycopg.Connection, name: str) -> None:
        """The stops of the file are gone."""
        connection.execute("SELECT shifts_store.delete_stops(%s)", [name])


def recorded_rejects(connection: psycopg.Connection, limit: int) -> list[RecordedReject]:
    """Rejected rows of files that are in force, by file and line."""
    with connection.cursor(row_factory=class_row(RecordedReject)) as cursor:
        return cursor.execute(
            "SELECT file, line, reason, raw FROM shifts_store.rejected_stops ORDER BY file, line LIMIT %s",
            [limit],
        ).fetchall()
