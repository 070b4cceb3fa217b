"""How runs write to Dagster's event log."""

import dagster as dg


def pool_connections(instance: dg.DagsterInstance) -> None:
    """Keeps connections to Dagster's database open, as the Dagster webserver does.

    By default a run worker opens a connection for each statement of each event. For a small file or pair that takes
    longer than the work itself.
    """
    instance.event_log_storage.optimize_for_webserver(
        statement_timeout=60_000, pool_recycle=300, max_overflow=4
    )
