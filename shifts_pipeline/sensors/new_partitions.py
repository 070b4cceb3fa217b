"""Adds the dynamic partitions that a sensor needs in one statement."""

from collections.abc import Iterable, Sequence

import dagster as dg


def with_new_partitions(
    instance: dg.DagsterInstance,
    definition: dg.DynamicPartitionsDefinition,
    known: Sequence[str],
    wanted: Iterable[str],
) -> list[str]:
    """Adds the wanted keys that are not known, in their order, and returns all keys in Dagster's order.

    For partition requests in a sensor result, Dagster would open a connection per key.
    """
    new = list(dict.fromkeys(wanted))
    if not new:
        return list(known)
    known_set = set(known)
    new = [key for key in new if key not in known_set]
    if new:
        instance.add_dynamic_partitions(str(definition.name), new)
    return [*known, *new]
