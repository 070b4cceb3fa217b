"""`shifts demo`: the platform with a generated sample, in a data folder of its own."""

import threading

import click
from rich.console import Console

from shifts_platform.commands.up import reporter, show_urls, start
from shifts_platform.demo_check import drop_sample, show_answers, wait_until_answered
from shifts_platform.environment import environment_of
from shifts_platform.errors import PlatformError
from shifts_platform.platform import Platform
from shifts_platform.settings import PlatformSettings, load_settings
from shifts_platform.stop_signals import stopped_by_signals


@click.command()
@click.option(
    "--exit", "then_exit", is_flag=True, help="Stop after the answers; exit with 0 if they were right."
)
def demo(then_exit: bool) -> None:
    """Start the platform, drop a generated sample and show the answers.

    Works in the folder `demo` of the data folder, so that generated trips do not mix with real ones, unless
    SHIFTS_DATABASE_URL or SHIFTS_LANDING_URL is set.
    """
    settings = load_settings()
    settings = settings.model_copy(update={"data_dir": settings.data_folder / "demo"})
    settings.data_folder.mkdir(exist_ok=True)
    console = Console(stderr=True, highlight=False)
    platform = Platform(settings, reporter(console))
    demo_thread = _DemoThread(platform, settings, then_exit)
    with stopped_by_signals(platform.request_stop):
        try:
            start(platform, console)
            demo_thread.start()
            platform.serve()
        finally:
            platform.close()
    if demo_thread.error is not None:
        raise demo_thread.error


class _DemoThread(threading.Thread):
    """Runs the demo beside the supervisor; stops the platform on `--exit` or an error."""

    def __init__(self, platform: Platform, settings: PlatformSettings, then_exit: bool) -> None:
        super().__init__(daemon=True)
        self._platform, self._settings, self._then_exit = platform, settings, then_exit
        self.error: PlatformError | None = None

    def run(self) -> None:
        """Drops the sample, waits for its results and prints the answers."""
        settings = self._settings
        try:
            expected = wait_until_answered(
                settings,
                environment_of(settings, self._platform.server)["SHIFTS_DATABASE_URL"],
                lambda: drop_sample(settings.landing),
                click.echo,
            )
            show_answers(settings, expected, click.echo)
            click.echo()
            show_urls(settings.api_url, settings.dagster_url, settings.landing)
        except PlatformError as error:
            self.error = error
        if self._then_exit or self.error is not None:
            self._platform.request_stop()
