"""`shifts env`: prints the settings in force, for `eval "$(shifts env)"`."""

import shlex

import click

from shifts_platform.environment import environment_of
from shifts_platform.postgres.server import EmbeddedPostgres
from shifts_platform.settings import load_settings


@click.command()
def env() -> None:
    """Print the settings in force as shell assignments."""
    settings = load_settings()
    server = None if settings.database_url else EmbeddedPostgres(settings.data_folder / "postgres")
    for name, value in environment_of(settings, server).items():
        if name.startswith(("SHIFTS_", "DAGSTER_HOME")):
            click.echo(f"export {name}={shlex.quote(value)}")
