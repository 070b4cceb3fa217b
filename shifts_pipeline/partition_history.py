"""Deletes the events that Dagster has recorded about partitions: maps, examples of rejected rows, numbers of trips.

Dagster deletes the events of whole runs or assets only, so these statements use its tables.
"""

from collections.abc import Sequence
from typing import cast

import dagster as dg
import sqlalchemy as sa
from dagster import EventLogEntry, EventLogRecord
from dagster._core.storage.event_log import AssetKeyTable, SqlEventLogStorage, SqlEventLogStorageTable
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable, AssetEventTagsTable
from dagster._serdes import deserialize_value, serialize_value

_MATERIALIZATION = dg.DagsterEventType.ASSET_MATERIALIZATION.value
_PAGE = 1_000


def delete_events(
    instance: dg.DagsterInstance, assets: Sequence[dg.AssetKey], partitions: Sequence[str]
) -> None:
    """Deletes the events of partitions of assets, materializations and evaluations of checks, of all runs."""
    keys = [asset.to_string() for asset in assets]
    for begin in range(0, len(partitions), _PAGE):
        _delete(_storage(instance), keys, partitions[begin : begin + _PAGE])


def _delete(storage: SqlEventLogStorage, keys: Sequence[str], partitions: Sequence[str]) -> None:
    event = SqlEventLogStorageTable.c
    check = AssetCheckExecutionsTable.c
    of_partitions = sa.select(event.id).where(event.asset_key.in_(keys), event.partition.in_(partitions))
    with storage.index_transaction() as connection:
        connection.execute(
            AssetEventTagsTable.delete().where(AssetEventTagsTable.c.event_id.in_(of_partitions))
        )
        connection.execute(
            AssetCheckExecutionsTable.delete().where(
                check.asset_key.in_(keys), check.partition.in_(partitions)
            )
        )
        connection.execute(
            SqlEventLogStorageTable.delete().where(event.asset_key.in_(keys), event.partition.in_(partitions))
        )
        # Dagster keeps a copy of the last materialization, and a cache of the statuses of all partitions.
        for key in keys:
            row = connection.execute(
                sa.select(event.id, event.event)
                .where(event.asset_key == key, event.dagster_event_type == _MATERIALIZATION)
                .order_by(event.id.desc())
                .limit(1)
            ).one_or_none()
            last = (
                None
                if row is None
                else serialize_value(EventLogRecord(row[0], deserialize_value(row[1], EventLogEntry)))
            )
            connection.execute(
                AssetKeyTable.update()
                .where(AssetKeyTable.c.asset_key == key)
                .values(last_materialization=last, cached_status_data=None)
            )


def _storage(instance: dg.DagsterInstance) -> SqlEventLogStorage:
    return cast("SqlEventLogStorage", instance.event_log_storage)
