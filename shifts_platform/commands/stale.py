"""The part of `shifts status` about stale (region, week) pairs: counts, blocking files and failures."""

import click
import psycopg

from shifts_pipeline.display_text import printable

_FAILURES_SHOWN = 10


def show_stale_pairs(connection: psycopg.Connection) -> None:
    """Prints how many pairs are stale, which files block some, and which refreshes failed and why.

    Args:
        connection: to the trips database.
    """
    row = connection.execute(
        "SELECT count(*) FILTER (WHERE clusters_stale), count(*) FILTER (WHERE aggregates_stale),"
        " coalesce(extract(epoch FROM now() - min(stale_since)), 0)::bigint FROM shifts_store.stale_weeks"
    ).fetchone()
    clusters, aggregates, seconds = row or (0, 0, 0)
    since = f", the oldest for {seconds:,} s" if clusters or aggregates else ""
    click.echo(f"\nstale (region, week) pairs: {clusters} to cluster, {aggregates} to aggregate{since}")
    _show_blocked_pairs(connection)
    failed = connection.execute(
        "SELECT region, week, derived_table, attempts, error, count(*) OVER ()"
        " FROM shifts_store.failed_refreshes ORDER BY started_at DESC LIMIT %s",
        [_FAILURES_SHOWN],
    ).fetchall()
    for region, week, derived_table, attempts, error, _ in failed:
        click.echo(
            f"  attempt {attempts} failed: {derived_table} of {printable(region)} {week:%G-W%V}: {printable(error)}"
        )
    if failed and (more := failed[0][-1] - len(failed)) > 0:
        click.echo(f"  … and {more:,} more failures")


def _show_blocked_pairs(connection: psycopg.Connection) -> None:
    blocking = connection.execute(
        "SELECT f.name, b.pairs, count(*) OVER () FROM ("
        " SELECT file_id, count(*) AS pairs FROM shifts_store.blocked_pairs GROUP BY file_id) AS b"
        " JOIN shifts_store.trip_files f USING (file_id) ORDER BY b.pairs DESC, f.name LIMIT %s",
        [_FAILURES_SHOWN],
    ).fetchall()
    for name, pairs, _ in blocking:
        click.echo(
            f"  {pairs:,} blocked by {printable(name)}, whose rows differ from the ledger: load it again"
        )
    if blocking and (more := blocking[0][-1] - len(blocking)) > 0:
        click.echo(f"  … and {more:,} more files that block pairs")
