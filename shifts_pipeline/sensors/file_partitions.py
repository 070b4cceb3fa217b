"""The partitions of `raw_trips` in Dagster's database: adds them for runs, and retires finished ones to make room.

Dagster has no bulk deletion, and its lists hold every key. So these statements use its table and read what they
need.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import cast

import dagster as dg
import psycopg
import sqlalchemy as sa
from dagster._core.definitions.partitions.context import partition_loading_context
from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus
from dagster._core.storage.event_log import DynamicPartitionsTable, SqlEventLogStorage

from shifts_pipeline.asset_keys import RAW_TRIPS
from shifts_pipeline.jobs.run_tags import PARTITION, RANGE_END, RANGE_START, UNFINISHED
from shifts_pipeline.partitions import TRIP_FILES, from_key
from shifts_pipeline.storage import ledger

MAX_PARTITIONS = 25_000
"""Dagster's pages and runs read all keys of an asset, and are slow with more."""
RETIRED_AHEAD = 1_000
"""Retired beyond the number needed, so that most ticks of a burst retire nothing."""
_PAGE = 2_000

_TABLE = DynamicPartitionsTable.c
_IS_FILE = _TABLE.partitions_def_name == str(TRIP_FILES.name)
_BACKFILLS_IN_PROGRESS = [BulkActionStatus.REQUESTED, BulkActionStatus.CANCELING, BulkActionStatus.FAILING]


def add(instance: dg.DagsterInstance, connection: psycopg.Connection, keys: Sequence[str]) -> dict[str, int]:
    """Adds the keys that are no partitions, as far as there is room, and retires others to make room.

    Args:
        instance: holds the partitions.
        connection: to the ledger.
        keys: distinct, in the order in which new ones are added.

    Returns:
        The position of each key that is a partition now; those of two neighbouring partitions differ by one.
    """
    known = _positions(instance, keys)
    new = [key for key in keys if key not in known]
    room = MAX_PARTITIONS - _count(instance)
    if room < len(new):
        room += _retire(instance, connection, len(new) - room + RETIRED_AHEAD, keep=known)
    if added := new[: max(room, 0)]:
        instance.add_dynamic_partitions(str(TRIP_FILES.name), added)
        known = _positions(instance, [*known, *added])
    return known


def retire_excess(instance: dg.DagsterInstance, connection: psycopg.Connection) -> int:
    """Retires partitions beyond the maximum, which an earlier version or a person has added; returns how many."""
    excess = _count(instance) - MAX_PARTITIONS
    return _retire(instance, connection, excess, keep=()) if excess > 0 else 0


def remove(instance: dg.DagsterInstance, connection: psycopg.Connection, keys: Sequence[str]) -> None:
    """Deletes the partitions of these files, unless an unfinished run needs them: those are retired later."""
    kept = _backfill_keys(instance)
    ranges = _unfinished_ranges(instance)
    open_names = ledger.open_names(connection, [from_key(key) for key in keys])
    for begin in range(0, len(keys), _PAGE):
        query = sa.select(_TABLE.id, _TABLE.partition).where(
            _IS_FILE, _TABLE.partition.in_(keys[begin : begin + _PAGE])
        )
        chosen = [
            id_
            for id_, key in _fetch(instance, query)
            if key not in kept
            and from_key(key) not in open_names
            and not any(first <= id_ <= last for first, last in ranges)
        ]
        _delete(instance, chosen)


def _count(instance: dg.DagsterInstance) -> int:
    return int(_fetch(instance, sa.select(sa.func.count()).where(_IS_FILE))[0][0])


def _positions(instance: dg.DagsterInstance, keys: Collection[str]) -> dict[str, int]:
    """The positions of the keys that are partitions: consecutive numbers for neighbours, and for no others."""
    if not keys:
        return {}
    later = DynamicPartitionsTable.alias()
    next_id = (
        sa.select(sa.func.min(later.c.id))
        .where(later.c.partitions_def_name == _TABLE.partitions_def_name, later.c.id > _TABLE.id)
        .scalar_subquery()
    )
    query = sa.select(_TABLE.partition, _TABLE.id, next_id).where(_IS_FILE, _TABLE.partition.in_(keys))
    positions: dict[str, int] = {}
    position, expected = 0, None
    for key, id_, following in _fetch(instance, query.order_by(_TABLE.id)):
        position += 1 if id_ == expected else 2
        positions[key] = position
        expected = following
    return positions


def _retire(
    instance: dg.DagsterInstance, connection: psycopg.Connection, wanted: int, keep: Collection[str]
) -> int:
    """Deletes the oldest partitions of files that are settled; returns how many.

    A run over a range fails if a partition of its range is missing, and so does a backfill: theirs are kept.
    """
    kept = {*keep, *_backfill_keys(instance)}
    ranges = _unfinished_ranges(instance)
    retired: list[int] = []
    for page in _pages(instance):
        candidates = {
            from_key(key): id_
            for id_, key in page
            if key not in kept and not any(first <= id_ <= last for first, last in ranges)
        }
        open_names = ledger.open_names(connection, list(candidates))
        retired += [id_ for name, id_ in candidates.items() if name not in open_names]
        if len(retired) >= wanted:
            break
    for begin in range(0, min(len(retired), wanted), _PAGE):
        _delete(instance, retired[begin : min(begin + _PAGE, wanted)])
    return min(len(retired), wanted)


def _delete(instance: dg.DagsterInstance, ids: Sequence[int]) -> None:
    with _storage(instance).index_connection() as storage:
        storage.execute(DynamicPartitionsTable.delete().where(_IS_FILE, _TABLE.id.in_(ids)))


def _pages(instance: dg.DagsterInstance) -> Iterator[list[tuple[int, str]]]:
    """All partitions, ids and keys, the oldest first."""
    last = 0
    query = sa.select(_TABLE.id, _TABLE.partition).where(_IS_FILE).order_by(_TABLE.id).limit(_PAGE)
    while page := _fetch(instance, query.where(_TABLE.id > last)):
        last = page[-1][0]
        yield [(id_, key) for id_, key in page]


def _unfinished_ranges(instance: dg.DagsterInstance) -> list[tuple[int, int]]:
    """First and last partition id of each unfinished run, whoever launched it."""
    runs = instance.get_runs(filters=dg.RunsFilter(statuses=UNFINISHED))
    ends = [
        (tags.get(RANGE_START) or tags.get(PARTITION), tags.get(RANGE_END) or tags.get(PARTITION))
        for tags in (run.tags for run in runs)
    ]
    keys = {key for pair in ends for key in pair if key is not None}
    query = sa.select(_TABLE.partition, _TABLE.id).where(_IS_FILE, _TABLE.partition.in_(keys))
    ids: dict[str, int] = dict(map(tuple, _fetch(instance, query))) if keys else {}
    return [(ids[first], ids[last]) for first, last in ends if first in ids and last in ids]


def _backfill_keys(instance: dg.DagsterInstance) -> set[str]:
    """The partitions of backfills that may still launch runs."""
    keys: set[str] = set()
    for backfill in instance.get_backfills(filters=BulkActionsFilter(statuses=_BACKFILLS_IN_PROGRESS)):
        keys.update(backfill.partition_names or ())
        if backfill.asset_backfill_data is not None:
            subset = backfill.asset_backfill_data.target_subset.partitions_subsets_by_asset_key.get(RAW_TRIPS)
            if subset is not None:
                with partition_loading_context(dynamic_partitions_store=instance):
                    keys.update(subset.get_partition_keys())
    return keys


def _fetch(instance: dg.DagsterInstance, query: sa.Select[*tuple[object, ...]]) -> Sequence[sa.Row]:  # type: ignore[type-arg]
    with _storage(instance).index_connection() as connection:
        return connection.execute(query).fetchall()


def _storage(instance: dg.DagsterInstance) -> SqlEventLogStorage:
    return cast("SqlEventLogStorage", instance.event_log_storage)
