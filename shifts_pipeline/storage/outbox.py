"""The outbox in Dagster's database: events that the API streams to its clients."""

from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg.types.json import Jsonb


class Outbox:
    """Publishes events, each in a transaction of its own."""

    def __init__(self, connection: psycopg.Connection) -> None:
        """`connection` is in autocommit mode."""
        self._connection = connection

    def publish(
        self,
        type_: str,
        *,
        run_id: str | None,
        task_ids: Sequence[str],
        asset: str | None,
        partition: str | None,
        message: str,
        details: dict[str, Any],
        dedupe_key: str | None = None,
    ) -> None:
        """Publishes an event to all clients; a second event with the same `dedupe_key` is dropped."""
        self._connection.execute(
            "SELECT shifts_feed.publish(%s, %s, %s, %s, %s, %s, %s, %s)",
            [type_, run_id, list(task_ids), asset, partition, message, Jsonb(details), dedupe_key],
        )
