"""`shifts status`: shows running services, totals of the ledger and stale weeks."""

import click
import httpx
import psycopg

from shifts_platform.commands.reference_files import show_reference_files
from shifts_platform.commands.stale import show_stale_pairs
from shifts_platform.environment import environment_of
from shifts_platform.errors import PlatformError
from shifts_platform.postgres.server import EmbeddedPostgres
from shifts_platform.settings import load_settings


@click.command()
def status() -> None:
    """Show running services, loaded files and stale weeks."""
    settings = load_settings()
    click.echo(f"API        {_health(settings.api_url + '/ready')}  {settings.api_url}/docs")
    click.echo(f"Dagster    {_health(settings.dagster_url + '/server_info')}  {settings.dagster_url}")
    server = None if settings.database_url else EmbeddedPostgres(settings.data_folder / "postgres")
    environment = environment_of(settings, server)
    try:
        with psycopg.connect(environment["SHIFTS_DATABASE_URL"], connect_timeout=5) as connection:
            click.echo("database   up")
            _show_ledger(connection)
            show_reference_files(connection)
            show_stale_pairs(connection)
    except psycopg.errors.UndefinedTable:
        raise PlatformError("the database has no tables yet: run `shifts migrate`") from None
    except psycopg.OperationalError:
        click.echo("database   down")
        raise PlatformError("the platform is not running: start it with `shifts up`") from None


def _health(url: str) -> str:
    try:
        return "up  " if httpx.get(url, timeout=5).is_success else "fail"
    except httpx.HTTPError:
        return "down"


def _show_ledger(connection: psycopg.Connection) -> None:
    rows = connection.execute(
        "SELECT status, count(*), sum(rows_loaded)::bigint, sum(rows_rejected)::bigint"
        " FROM shifts_store.trip_files GROUP BY status ORDER BY status"
    ).fetchall()
    click.echo(f"\n{'files':<12}{'':>10}{'trips':>16}{'rejected':>12}")
    for name, files, loaded, rejected in rows:
        click.echo(f"{name:<12}{files:>10,}{loaded:>16,}{rejected:>12,}")
