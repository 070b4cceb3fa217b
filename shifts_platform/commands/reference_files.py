"""What `shifts status` prints about files of stops and of zones."""

import click
import psycopg

from shifts_core.landing.reference_files import FOLDERS
from shifts_pipeline.display_text import printable
from shifts_pipeline.storage.reference_files import recorded_files


def show_reference_files(connection: psycopg.Connection) -> None:
    """Print how many stops and zones are in force, and the files that cannot be used; nothing without any file."""
    for folder in FOLDERS:
        files = recorded_files(connection, folder)
        if files:
            click.echo(f"\n{sum(file.entries for file in files):,} {folder} of {len(files):,} files")
        for file in files:
            if file.error is not None:
                click.echo(f"  {printable(file.name)}: {file.error}")
