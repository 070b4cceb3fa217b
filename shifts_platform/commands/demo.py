"""`shifts demo`: the platform with a generated sample and its answers, on data of its own."""

import threading

import click
from rich.console import Console

from shifts_platform.commands.up import notices, show_urls, start
from shifts_platform.demo_check import drop_sample, show_answers, wait_until_answered
from shifts_platform.environment import environment_of
from shifts_platform.errors import PlatformError
from shifts_platform.platform import Platform
from shifts_platform.settings import PlatformSettings, load_settings
from shifts_platform.stop_signals import stopped_by_signals


@click.command()
@click.option(
    "--exit", "then_exit", is_flag=True, help="Stop after the answers; exit code 0 if they were right."
)
def demo(then_exit: bool) -> None:
    """Start the platform, drop a generated sample and show the answers.

    Unless told otherwise by SHIFTS_DATABASE_URL and SHIFTS_LANDING_URL it keeps to a folder `demo` of the data
    folder: generated trips do not mix with real ones.
    """
    settings = load_settings()
    settings = settings.model_copy(update={"data_dir": settings.data_folder / "demo"})
    settings.data_folder.mkdir(exist_ok=True)
    console = Console(stderr=True, highlight=False)
    platform = Platform(settings, notices(console))
    showing = _Showing(platform, settings, then_exit)
    with stopped_by_signals(platform.request_stop):
        try:
            start(platform, console)
            showing.start()
            platform.serve()
        finally:
            platform.close()
    if showing.error is not None:
        raise showing.error


class _Showing(threading.Thread):
    """Works beside the loop that keeps the platform running, and ends it when told or when an answer is wrong."""

    def __init__(self, platform: Platform, settings: PlatformSettings, then_exit: bool) -> None:
        super().__init__(daemon=True)
        self._platform, self._settings, self._then_exit = platform, settings, then_exit
        self.error: PlatformError | None = None

    def run(self) -> None:
        """Drops the sample, waits and shows."""
        settings = self._settings
        try:
            question = wait_until_answered(
                settings.api_url,
                environment_of(settings, self._platform.server)["SHIFTS_DATABASE_URL"],
                lambda: drop_sample(settings.landing),
                click.echo,
            )
            show_answers(settings.api_url, question, click.echo)
            click.echo()
            show_urls(settings.api_url, settings.dagster_url, settings.landing)
        except PlatformError as error:
            self.error = error
        if self._then_exit or self.error is not None:
            self._platform.request_stop()
