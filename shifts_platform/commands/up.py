"""`shifts up`: starts the platform and serves until Ctrl-C."""

from collections.abc import Callable
from contextlib import suppress

import click
from rich.console import Console

from shifts_platform.platform import Platform
from shifts_platform.settings import load_settings
from shifts_platform.stop_signals import stopped_by_signals


@click.command()
def up() -> None:
    """Start the platform and serve until Ctrl-C."""
    settings = load_settings()
    console = Console(stderr=True, highlight=False)
    platform = Platform(settings, reporter(console))
    with stopped_by_signals(platform.request_stop):
        try:
            start(platform, console)
            show_urls(settings.api_url, settings.dagster_url, settings.landing)
            platform.serve()
        finally:
            platform.close()


def reporter(console: Console) -> Callable[[str], None]:
    """Returns a function that prints a line; it ignores a closed terminal or pipe."""

    def show(message: str) -> None:
        with suppress(OSError):
            console.print(message, style="yellow", markup=False, soft_wrap=True)

    return show


def start(platform: Platform, console: Console) -> None:
    """Starts the platform and shows the current step."""
    with console.status("starting") as status:
        for step in platform.steps():
            status.update(step)
            if not console.is_terminal:
                console.print(step)


def show_urls(api: str, dagster: str, landing: str) -> None:
    """Prints the URLs of the platform and the landing zone."""
    click.echo(f"page      {api}")
    click.echo(f"API       {api}/docs")
    click.echo(f"events    {api}/api/v1/events")
    click.echo(f"Dagster   {dagster}")
    click.echo(f"drop into {landing}")
