"""How workers write Dagster's events."""

import dagster as dg


def keep_connections(instance: dg.DagsterInstance) -> None:
    """Keeps connections to Dagster's database open, as its webserver does.

    A worker otherwise connects for each statement of each event, which takes longer than a small file or pair.
    """
    instance.event_log_storage.optimize_for_webserver(
        statement_timeout=60_000, pool_recycle=300, max_overflow=4
    )
