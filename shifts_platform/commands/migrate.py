"""`shifts migrate`: upgrades both databases, or lists what an upgrade would do."""

import sys

import click

from shifts_platform.data_folder import embedded_server
from shifts_platform.environment import environment_of
from shifts_platform.migrations.databases import find_pending, migrate_all, steps_of_new_databases
from shifts_platform.postgres.server import has_cluster
from shifts_platform.settings import PlatformSettings, load_settings


@click.command()
@click.option(
    "--check", is_flag=True, help="Change nothing; list what is pending, and exit with 1 if anything is."
)
def migrate(check: bool) -> None:
    """Upgrade the databases to this version."""
    settings = load_settings()
    if check:
        pending = _find_pending(settings)
        for step in pending:
            click.echo(f"pending: {step}")
        if pending:
            sys.exit(1)
    else:
        with embedded_server(settings) as server:
            migrate_all(environment_of(settings, server), settings.data_folder)
    click.echo("the databases are at this version")


def _find_pending(settings: PlatformSettings) -> list[str]:
    if settings.database_url is None and not has_cluster(settings.data_folder / "postgres"):
        return steps_of_new_databases()
    with embedded_server(settings) as server:
        return find_pending(environment_of(settings, server))
