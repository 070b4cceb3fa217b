"""The loop of both weekly assets: each pair is refreshed, skipped or failed by itself, in a run over many."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import date
from typing import Any, TypeAlias

import dagster as dg
import psycopg

from shifts_pipeline.assets.decoration import printable
from shifts_pipeline.assets.events import keep_connections
from shifts_pipeline.checks.evaluations import check_outputs
from shifts_pipeline.partitions import pair_of
from shifts_pipeline.storage import stale_pairs
from shifts_pipeline.storage.region_week import Layer
from shifts_pipeline.tags import FAILED_PAIRS, ONLY_STALE

PairEvent: TypeAlias = dg.AssetMaterialization | dg.AssetCheckEvaluation
_FAILURES_NAMED = 20


def refresh_pairs(
    context: dg.AssetExecutionContext,
    connection: psycopg.Connection,
    layer: Layer,
    refresh: Callable[[str, str, date], Sequence[PairEvent]],
) -> Iterator[PairEvent | dg.Output[Any]]:
    """Refreshes the pairs of a run one after the other and yields their events as they are committed.

    A pair whose refresh raises is recorded, paused and left stale; the others go on.

    Args:
        context: of the run; with the tag `ONLY_STALE` pairs that are fresh or paused are skipped.
        connection: not in autocommit mode.
        layer: what `refresh` computes.
        refresh: commits one pair, given its partition key, region and Monday, and returns its events.

    Raises:
        dagster.Failure: after all pairs, when some failed; it names them.
        psycopg.Error: the connection is lost.
    """
    keep_connections(context.instance)
    failures: list[str] = []
    for key in _keys(context, connection, layer):
        region, week = pair_of(key)
        stale_pairs.begin(connection, layer, region, week, context.run.run_id)
        try:
            events = refresh(key, region, week)
        except Exception as error:
            if connection.closed:
                raise
            reason = printable(f"{type(error).__name__}: {error}", 1000)
            connection.rollback()
            stale_pairs.fail(connection, layer, region, week, reason)
            context.log.error("%s failed", key, exc_info=True)
            failures.append(f"{key}: {reason}")
            continue
        except BaseException:
            # The run is being stopped: no fault of the pair.
            with suppress(psycopg.Error):
                connection.rollback()
                stale_pairs.end(connection, layer, region, week)
            raise
        stale_pairs.end(connection, layer, region, week)
        yield from events
    if failures:
        context.instance.add_run_tags(context.run.run_id, {FAILED_PAIRS: str(len(failures))})
        more = len(failures) - _FAILURES_NAMED
        raise dg.Failure(
            description="\n".join(failures[:_FAILURES_NAMED]) + (f"\n… and {more} more" if more > 0 else ""),
            metadata={"failed_pairs": len(failures)},
            allow_retries=False,
        )
    yield from check_outputs(context)


def _keys(context: dg.AssetExecutionContext, connection: psycopg.Connection, layer: Layer) -> list[str]:
    keys = list(context.partition_keys)
    if ONLY_STALE not in context.run.tags:
        return keys
    due = stale_pairs.due_among(connection, layer, [pair_of(key) for key in keys])
    connection.commit()
    return [key for key in keys if pair_of(key) in due]
