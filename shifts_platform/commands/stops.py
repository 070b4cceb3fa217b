"""What `shifts status` prints about files of stops."""

import click
import psycopg

from shifts_pipeline.display_text import printable
from shifts_pipeline.storage.stop_files import recorded_files


def show_stops(connection: psycopg.Connection) -> None:
    """Print how many stops are in force, and the files that cannot be used; nothing without any file."""
    files = recorded_files(connection)
    if files:
        click.echo(f"\n{sum(file.stops for file in files):,} stops of {len(files):,} files")
    for file in files:
        if file.error is not None:
            click.echo(f"  {printable(file.name)}: {file.error}")
