"""Dynamic partitions that a sensor needs, all added by one statement."""

from collections.abc import Iterable, Sequence

import dagster as dg


def with_new_partitions(
    instance: dg.DagsterInstance,
    definition: dg.DynamicPartitionsDefinition,
    known: Sequence[str],
    wanted: Iterable[str],
) -> list[str]:
    """Adds those wanted keys that are not known, in their order, and returns all keys in Dagster's order.

    A sensor result's own requests for partitions would cost Dagster a connection for each key.
    """
    new = list(dict.fromkeys(wanted))
    if not new:
        return list(known)
    known_set = set(known)
    new = [key for key in new if key not in known_set]
    if new:
        instance.add_dynamic_partitions(str(definition.name), new)
    return [*known, *new]
