"""`shifts drop`: puts files into the landing zone and shows their progress until they are loaded."""

import hashlib
import sys
from pathlib import Path

import click
import psycopg
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from shifts_core.landing.errors import LandingZoneError
from shifts_core.landing.open_zone import open_zone
from shifts_core.landing.zone import LandingZone
from shifts_platform.environment import environment_of
from shifts_platform.errors import PlatformError, one_line
from shifts_platform.feed_client import FeedEvent, follow_feed
from shifts_platform.postgres.server import EmbeddedPostgres
from shifts_platform.settings import PlatformSettings, load_settings

_CHUNK_BYTES = 8 * 1024**2


@click.command()
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option("--again", is_flag=True, help="Load the files even if their bytes were deleted before.")
def drop(files: tuple[Path, ...], *, again: bool) -> None:
    """Put FILES into the landing zone and wait until they are loaded."""
    names = [file.name for file in files]
    if len(set(names)) < len(names):
        raise PlatformError("two of the files have the same name: the second would replace the first")
    settings = load_settings()
    failed = []
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.fields[outcome]}"),
        TimeElapsedColumn(),
        console=Console(stderr=True, highlight=False),
    ) as bars:
        waiting = {name: bars.add_task(name, total=1.0, outcome="waiting") for name in names}
        for event in follow_feed(
            settings.api_url, "file.progress,file.loaded,file.failed", settings.api_headers
        ):
            if event is None:
                if again:
                    _readmit(settings, files)
                _put(open_zone(settings.landing), files, bars)
                continue
            name = event.data.get("partition", "")
            if name not in waiting:
                continue
            _show(bars, waiting[name], event)
            if event.type == "file.progress":
                continue
            if event.type == "file.failed":
                failed.append(event.data.get("message", f"{name} failed; the reason needs an admin key"))
            del waiting[name]
            if not waiting:
                break
    for message in failed:
        click.echo(f"shifts: {message}", err=True)
    sys.exit(1 if failed else 0)


def _readmit(settings: PlatformSettings, files: tuple[Path, ...]) -> None:
    """Records, before the files are there, that their bytes may be loaded although they were deleted."""
    server = None if settings.database_url else EmbeddedPostgres(settings.data_folder / "postgres")
    url = environment_of(settings, server)["SHIFTS_DATABASE_URL"]
    try:
        with psycopg.connect(url, connect_timeout=5, autocommit=True) as connection:
            for file in files:
                with file.open("rb") as stream:
                    content_hash = hashlib.file_digest(stream, "sha256").hexdigest()
                connection.execute("SELECT shifts_store.readmit(%s)", [content_hash])
    except OSError as error:
        raise PlatformError(f"{error.filename}: {error.strerror}") from error
    except psycopg.Error as error:
        raise PlatformError(one_line(error)) from error


def _put(zone: LandingZone, files: tuple[Path, ...], bars: Progress) -> None:
    for file in files:
        bars.console.print(f"copying {file.name} into the landing zone") if bars.console.is_terminal else None
        try:
            with file.open("rb") as source, zone.write(file.name) as target:
                while chunk := source.read(_CHUNK_BYTES):
                    target.write(chunk)
        except (OSError, LandingZoneError) as error:
            raise PlatformError(f"{file}: {error}") from error


def _show(bars: Progress, bar: TaskID, event: FeedEvent) -> None:
    outcome = f"{event.data.get('rows', 0):,} rows" if event.type == "file.progress" else _ending(event)
    bars.update(bar, completed=event.data.get("share", 1.0), outcome=outcome)
    if not bars.console.is_terminal:
        bars.console.print(event.data.get("message", f"{event.data.get('partition')}: {event.type}"))


def _ending(event: FeedEvent) -> str:
    if event.type == "file.failed":
        return "[red]failed[/]"
    if "rows_loaded" not in event.data:
        return "loaded"  # SHIFTS_MIN_COUNT withholds numbers
    rejected = event.data.get("rows_rejected", 0)
    return f"{event.data['rows_loaded']:,} trips" + (f", {rejected:,} rejected" if rejected else "")
