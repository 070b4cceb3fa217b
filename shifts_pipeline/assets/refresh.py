"""The loop of both weekly assets: refreshes the (region, week) pairs of a run, each independently of the others."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import date
from typing import Any, TypeAlias

import dagster as dg
import psycopg

from shifts_pipeline.assets.event_log import pool_connections
from shifts_pipeline.checks.partition_checks import check_outputs
from shifts_pipeline.display_text import printable
from shifts_pipeline.jobs.run_tags import FAILED_PAIRS, ONLY_STALE
from shifts_pipeline.partitions import pair_of
from shifts_pipeline.storage import stale_pairs
from shifts_pipeline.storage.region_week import DerivedTable

PairEvent: TypeAlias = dg.AssetMaterialization | dg.AssetCheckEvaluation
_MAX_FAILURES_NAMED = 20


def refresh_pairs(
    context: dg.AssetExecutionContext,
    connection: psycopg.Connection,
    table: DerivedTable,
    refresh: Callable[[str, str, date], Sequence[PairEvent]],
) -> Iterator[PairEvent | dg.Output[Any]]:
    """Refreshes the pairs of a run one after the other and yields their events after each commit.

    If the refresh of a pair raises, the failure is recorded, the pair stays stale and pauses, and the loop continues.

    Args:
        context: of the run; with the tag `ONLY_STALE` fresh and paused pairs are skipped.
        connection: not in autocommit mode.
        table: which derived table `refresh` writes.
        refresh: commits one pair, given its partition key, region and Monday, and returns its events.

    Raises:
        dagster.Failure: after all pairs, if some failed; it names them.
        psycopg.Error: the connection is lost.
    """
    pool_connections(context.instance)
    failures: list[str] = []
    for key in _keys(context, connection, table):
        region, week = pair_of(key)
        stale_pairs.begin(connection, table, region, week, context.run.run_id)
        try:
            events = refresh(key, region, week)
        except Exception as error:
            if connection.closed:
                raise
            reason = printable(f"{type(error).__name__}: {error}", 1000)
            connection.rollback()
            stale_pairs.fail(connection, table, region, week, reason)
            context.log.error("%s failed", key, exc_info=True)
            failures.append(f"{key}: {reason}")
            continue
        except BaseException:
            # The run is being stopped: the pair does not pause.
            with suppress(psycopg.Error):
                connection.rollback()
                stale_pairs.end(connection, table, region, week)
            raise
        stale_pairs.end(connection, table, region, week)
        yield from events
    if failures:
        context.instance.add_run_tags(context.run.run_id, {FAILED_PAIRS: str(len(failures))})
        more = len(failures) - _MAX_FAILURES_NAMED
        raise dg.Failure(
            description="\n".join(failures[:_MAX_FAILURES_NAMED])
            + (f"\n… and {more} more" if more > 0 else ""),
            metadata={"failed_pairs": len(failures)},
            allow_retries=False,
        )
    yield from check_outputs(context)


def _keys(
    context: dg.AssetExecutionContext, connection: psycopg.Connection, table: DerivedTable
) -> list[str]:
    keys = list(context.partition_keys)
    if ONLY_STALE not in context.run.tags:
        return keys
    due = stale_pairs.due_among(connection, table, [pair_of(key) for key in keys])
    connection.commit()
    return [key for key in keys if pair_of(key) in due]
