"""The weeks with trips in the platform's database, for commands that examine one of them."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

import psycopg

from shifts_core.calendar import parse_week
from shifts_pipeline.storage.shifts.regions import find_weeks
from shifts_platform.environment import environment_of
from shifts_platform.errors import PlatformError
from shifts_platform.postgres.server import EmbeddedPostgres
from shifts_platform.settings import load_settings

_NAMES_SHOWN = 10


def parse_week_option(text: str | None) -> date | None:
    """Return the Monday that the option `--week` names, None without the option.

    Raises:
        PlatformError: the text is no week.
    """
    try:
        return None if text is None else parse_week(text)
    except ValueError as error:
        raise PlatformError(f"--week: {error}") from None


def database_url() -> str:
    """Return the URL of the trips database in force.

    Raises:
        PlatformError: a setting is invalid.
    """
    settings = load_settings()
    server = None if settings.database_url else EmbeddedPostgres(settings.data_folder / "postgres")
    return environment_of(settings, server)["SHIFTS_DATABASE_URL"]


@contextmanager
def connected(url: str) -> Iterator[psycopg.Connection]:
    """Connect to the trips database, in autocommit mode.

    Raises:
        PlatformError: it does not answer or has no tables.
    """
    try:
        with psycopg.connect(url, connect_timeout=5, autocommit=True) as connection:
            yield connection
    except psycopg.errors.UndefinedTable:
        raise PlatformError("the database has no tables yet: run `shifts migrate`") from None
    except psycopg.OperationalError:
        raise PlatformError("the platform is not running: start it with `shifts up`") from None


def trips_per_week(connection: psycopg.Connection, region: str) -> dict[date, int]:
    """Return the number of trips of a region by Monday.

    Raises:
        PlatformError: it has none.
    """
    weeks: dict[date, int] = dict(
        connection.execute(
            "SELECT c.week, sum(c.trips)::bigint FROM shifts_store.file_week_counts c"
            " JOIN shifts_store.regions r USING (region_id) WHERE r.name = %s GROUP BY c.week",
            [region],
        ).fetchall()
    )
    if not weeks:
        rows = connection.execute(
            "SELECT name FROM shifts_store.regions r WHERE EXISTS ("
            " SELECT FROM shifts_store.file_week_counts c WHERE c.region_id = r.region_id) ORDER BY name"
        ).fetchall()
        names = [name for (name,) in rows]
        known = ", ".join(names[:_NAMES_SHOWN]) + (", ..." if len(names) > _NAMES_SHOWN else "")
        raise PlatformError(
            f"region {region} has no trips; regions with trips: {known}"
            if names
            else "no trips are loaded yet"
        )
    return weeks


def largest_region(connection: psycopg.Connection) -> str:
    """Return the region with the most trips.

    Raises:
        PlatformError: there are none.
    """
    region, _ = find_weeks(connection, "")
    if not region:
        raise PlatformError("no trips are loaded yet")
    return region


def report_name(command: str, region: str, week: date | None = None) -> str:
    """Return the name, without suffix, of the files in which a command reports on a region, or on a week of it."""
    name = re.sub(r"[^\w-]+", "-", region)
    return f"{command}-{name}" + ("" if week is None else f"-{week:%G-W%V}")
