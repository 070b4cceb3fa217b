"""The environment variables that the platform's processes are started with."""

from sqlalchemy import make_url

from shifts_core.database_url import parse_database_url
from shifts_platform.errors import PlatformError
from shifts_platform.postgres.server import EmbeddedPostgres
from shifts_platform.settings import PlatformSettings


def environment_of(settings: PlatformSettings, server: EmbeddedPostgres | None) -> dict[str, str]:
    """Every setting in force, by the name of its environment variable.

    Args:
        settings: the platform's.
        server: the embedded server, whose database is used unless `SHIFTS_DATABASE_URL` is set.

    Raises:
        PlatformError: there is neither an embedded server nor `SHIFTS_DATABASE_URL`.
    """
    if settings.database_url is not None:
        trips = parse_database_url(settings.database_url)
    elif server is not None:
        trips = make_url(server.url("shifts"))
    else:
        raise PlatformError("no database: set SHIFTS_DATABASE_URL or start the platform with `shifts up`")
    if settings.dagster_database_url is not None:
        dagster = parse_database_url(settings.dagster_database_url)
    else:
        dagster = trips.set(database=f"{trips.database}_dagster")
    return {
        "SHIFTS_DATABASE_URL": trips.set(drivername="postgresql").render_as_string(hide_password=False),
        # Dagster needs the driver in the URL.
        "SHIFTS_DAGSTER_DATABASE_URL": dagster.set(drivername="postgresql+psycopg2").render_as_string(
            hide_password=False
        ),
        "SHIFTS_LANDING_URL": settings.landing,
        "SHIFTS_DATA_DIR": str(settings.data_folder),
        "SHIFTS_API_HOST": settings.api_host,
        "SHIFTS_API_PORT": str(settings.api_port),
        "SHIFTS_DAGSTER_PORT": str(settings.dagster_port),
        "SHIFTS_API_OPEN_READS": str(settings.api_open_reads).lower(),
        **({"SHIFTS_API_KEY": settings.api_key} if settings.api_key else {}),
        "DAGSTER_HOME": str(settings.data_folder / "dagster"),
        "PYTHONUNBUFFERED": "1",
    }
