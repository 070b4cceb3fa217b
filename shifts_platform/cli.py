"""The command `shifts` and its sub-commands, each a module that is imported when it is called."""

import sys
from importlib import import_module

import click

from shifts_platform.errors import PlatformError

_COMMANDS = {
    "up": "Start the platform and serve until Ctrl-C.",
    "demo": "Start the platform, drop a generated sample and show the answers.",
    "drop": "Put files into the landing zone and wait until they are loaded.",
    "delete": "Delete a file, its trips and all that was computed from them.",
    "generate": "Write realistic trips of several cities as CSV.",
    "export": "Write shifts as a GTFS feed.",
    "keys": "Add, list and revoke API keys.",
    "status": "Show running services, loaded files and stale weeks.",
    "tune": "Show how eps, min_trips and max_radius change the clusters of a region.",
    "backtest": "Show how well shifts made from earlier weeks fit the next one.",
    "migrate": "Upgrade the databases to this version.",
    "env": "Print the settings in force as shell assignments.",
    "psql": "Open a SQL prompt on the platform's database.",
}


class _Commands(click.Group):
    """Lists commands by name and imports one when it is called, so that `shifts --help` is fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"shifts_platform.commands.{cmd_name}"), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.command(cls=_Commands)
@click.version_option(package_name="shifts")
def shifts() -> None:
    """Load trips, find clusters of similar trips, and answer weekly statistics, on one machine."""


def main() -> None:
    """Runs the command; an error that the user can fix is one line and exit code 1."""
    try:
        shifts(prog_name="shifts")
    except PlatformError as error:
        click.echo(f"shifts: {error}", err=True)
        sys.exit(1)
