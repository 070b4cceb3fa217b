"""`shifts psql`: opens a SQL prompt on the trips database."""

import os
import shutil

import click
from sqlalchemy import make_url

from shifts_platform.environment import environment_of
from shifts_platform.errors import PlatformError
from shifts_platform.postgres.programs import find_programs
from shifts_platform.postgres.server import EmbeddedPostgres
from shifts_platform.settings import load_settings


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def psql(arguments: tuple[str, ...]) -> None:
    """Open a SQL prompt on the platform's database; ARGUMENTS go to psql."""
    settings = load_settings()
    server = None if settings.database_url else EmbeddedPostgres(settings.data_folder / "postgres")
    program = shutil.which("psql") or (
        str(find_programs() / "psql") if settings.database_url is None else None
    )
    if program is None:
        raise PlatformError("psql is not installed: install PostgreSQL's client")
    # In the environment, because other users see the arguments in `ps`.
    url = environment_of(settings, server)["SHIFTS_DATABASE_URL"]
    address = make_url(url)
    os.environ["PGPASSWORD"] = address.password or ""
    os.execv(program, [program, address._replace(password=None).render_as_string(), *arguments])  # noqa: S606
