"""`shifts migrate`: both databases at this version."""

import click

from shifts_platform.platform import embedded_server, environment_of, migrate_all
from shifts_platform.settings import load_settings


@click.command()
def migrate() -> None:
    """Bring the databases to this version."""
    settings = load_settings()
    with embedded_server(settings) as server:
        migrate_all(environment_of(settings, server), settings.data_folder)
    click.echo("the databases are at this version")
