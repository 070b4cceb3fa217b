"""`shifts keys`: adds, lists and revokes API keys."""

from collections.abc import Iterator
from contextlib import contextmanager

import click
import psycopg
from rich.console import Console
from rich.table import Table

from shifts_core.access.rights import ROLES, Rights, Role
from shifts_pipeline.display_text import printable
from shifts_platform.data_folder import embedded_server
from shifts_platform.environment import environment_of
from shifts_platform.errors import PlatformError, one_line
from shifts_platform.keys import add_key, list_keys, revoke_key
from shifts_platform.settings import load_settings


@click.group()
def keys() -> None:
    """Add, list and revoke API keys."""


@keys.command()
@click.option("--name", required=True, help="What the key is for; the audit trail names it.")
@click.option("--role", required=True, type=click.Choice(ROLES), help="What it may do.")
@click.option("--region", "regions", multiple=True, help="Only this region; may be repeated.  [default: all]")
@click.option("--aggregates-only", is_flag=True, help="No single trips, and no rows of files.")
def add(name: str, role: Role, regions: tuple[str, ...], aggregates_only: bool) -> None:
    """Print a new key, once.

    As soon as a key exists, the web service answers nothing without one, also after the last one is revoked.
    """
    if not name.strip() or not all(region.strip() for region in regions):
        raise PlatformError("names must not be blank")
    rights = Rights(role, frozenset(regions) or None, aggregates_only)
    with _connected() as connection:
        click.echo(add_key(connection, name, rights))


@keys.command(name="list")
def list_() -> None:
    """Show all keys, without their secrets."""
    with _connected() as connection:
        found = list_keys(connection)
    table = Table("name", "begins with", "role", "regions", "shows", "created", "last used", "revoked")
    for key in found:
        rights = key.rights
        times = (key.created_at, key.last_used_at, key.revoked_at)
        table.add_row(
            printable(key.name),
            f"shifts_{key.prefix}",
            rights.role,
            "all" if rights.regions is None else ", ".join(map(printable, sorted(rights.regions))),
            "aggregates only" if rights.aggregates_only else "everything",
            *(f"{time:%Y-%m-%d %H:%M}" if time else "-" for time in times),
        )
    Console(highlight=False, markup=False).print(table)


@keys.command()
@click.argument("name")
def revoke(name: str) -> None:
    """Revoke the key NAME; it ends at once, with its sessions and streams."""
    with _connected() as connection:
        revoke_key(connection, name)
    click.echo(f"key {name} revoked")


@contextmanager
def _connected() -> Iterator[psycopg.Connection]:
    """A connection to the trips database; the embedded server runs at least as long."""
    settings = load_settings()
    with embedded_server(settings) as server:
        url = environment_of(settings, server)["SHIFTS_DATABASE_URL"]
        try:
            with psycopg.connect(url, autocommit=True, connect_timeout=10) as connection:
                yield connection
        except psycopg.errors.UndefinedTable:
            raise PlatformError("the database has no tables for keys yet: run `shifts migrate`") from None
        except psycopg.OperationalError as error:
            raise PlatformError(f"the database does not answer: {one_line(error)}") from None
