"""The asset `raw_trips`: loads each file of the landing zone exactly once and accounts for every row."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import date
from typing import Any, TypeAlias

import dagster as dg
import psycopg

from shifts_core.schema.tables import trips
from shifts_pipeline.asset_keys import RAW_TRIPS
from shifts_pipeline.assets.event_log import batch_events, pool_connections
from shifts_pipeline.assets.failures import failure_of
from shifts_pipeline.assets.progress import ProgressReporter
from shifts_pipeline.assets.raw_trips_metadata import DESCRIPTION, materialization
from shifts_pipeline.assets.table_schemas import table_metadata
from shifts_pipeline.checks.partition_checks import check_outputs
from shifts_pipeline.checks.rows_accounted import rows_accounted, rows_accounted_spec
from shifts_pipeline.jobs.asset_jobs import LOADING_POOL
from shifts_pipeline.jobs.run_tags import RUN_REQUEST_ID
from shifts_pipeline.partitions import TRIP_FILES, from_key
from shifts_pipeline.resources.feed import Feed
from shifts_pipeline.resources.landing import Landing
from shifts_pipeline.resources.load_limits import LoadLimits
from shifts_pipeline.resources.trips_database import TripsDatabase
from shifts_pipeline.resources.worker_lock import WorkerLock
from shifts_pipeline.storage.file_audit import block_pairs, rows_match_ledger
from shifts_pipeline.storage.file_events import publish_file_event
from shifts_pipeline.storage.ingest import ingest
from shifts_pipeline.storage.load_context import LoadContext, LoadResult
from shifts_pipeline.storage.load_errors import is_outage
from shifts_pipeline.storage.missing_files import MissingFileError

MAX_FILES_WITH_PLOTS = 5
"""Drawing takes longer than loading a small file: larger runs draw nothing."""

FileEvent: TypeAlias = dg.AssetMaterialization | dg.AssetCheckEvaluation


@dg.asset(
    key=RAW_TRIPS,
    partitions_def=TRIP_FILES,
    backfill_policy=dg.BackfillPolicy.single_run(),
    output_required=False,
    check_specs=[rows_accounted_spec],
    group_name="trips",
    kinds={"postgres", "csv", "parquet"},
    owners=["team:platform"],
    code_version="1",
    pool=LOADING_POOL,
    description=DESCRIPTION,
    metadata=table_metadata(trips),
)
def raw_trips(
    context: dg.AssetExecutionContext,
    trips_database: TripsDatabase,
    worker_lock: WorkerLock,
    landing: Landing,
    feed: Feed,
    load_limits: LoadLimits,
) -> Iterator[FileEvent | dg.Output[Any]]:
    """Loads the files of the run's partitions one after the other; a file that fails does not stop the others.

    Each file is audited and drawn while the next one is being loaded.
    """
    del worker_lock  # held for the whole run
    pool_connections(context.instance)
    failures: list[str] = []
    retried: list[Exception] = []
    outage: Exception | None = None
    keys = list(context.partition_keys)  # each access queries Dagster's database
    with (
        trips_database.connect() as connection,
        trips_database.connect(autocommit=True) as side,
        trips_database.connect(autocommit=True) as audits,
        feed.outbox() as outbox,
        batch_events(context.instance),
        ThreadPoolExecutor(1, thread_name_prefix="audit") as auditor,
    ):
        load_context = LoadContext(
            connection=connection,
            side=side,
            zone=landing.zone,
            dates=load_limits.dates(date.today()),  # noqa: DTZ011
            max_rejected_share=load_limits.max_rejected_share,
            run_id=context.run.run_id,
            run_request_id=context.run.tags.get(RUN_REQUEST_ID),
        )
        audit: Future[Sequence[FileEvent]] | None = None
        for key in keys:
            name = from_key(key)
            try:
                result = ingest(name, load_context, ProgressReporter(context, outbox))
                for record in (result.record, *result.coalesced):
                    publish_file_event(outbox, connection, record, context.run.run_id)
            except MissingFileError as error:
                failures.append(str(error))
                continue
            except Exception as error:
                if is_outage(error):
                    outage = error
                    break
                # A bug, or no room for this file: the other files of the run are loaded first.
                context.log.error("%s could not be loaded and will be retried", name, exc_info=True)
                connection.rollback()
                retried.append(error)
                continue
            if audit is not None:
                yield from _audited(context, audit, retried)
            audit = auditor.submit(
                _events, context, audits, key, result, failures, with_plots=len(keys) <= MAX_FILES_WITH_PLOTS
            )
        if audit is not None:
            # Also after an outage: the file is loaded.
            yield from _audited(context, audit, retried)
    if outage is not None:
        raise outage
    if retried:
        raise retried[0]
    if failures:
        raise failure_of("files", failures)
    yield from check_outputs(context)


def _audited(
    context: dg.AssetExecutionContext, audit: Future[Sequence[FileEvent]], retried: list[Exception]
) -> Sequence[FileEvent]:
    """The events of a file when its audit ends; appends to `retried` the error of an audit that failed."""
    try:
        return audit.result()
    except Exception as error:
        if is_outage(error):
            raise
        context.log.error("a loaded file could not be audited", exc_info=True)
        retried.append(error)
        return ()


def _events(
    context: dg.AssetExecutionContext,
    connection: psycopg.Connection,
    key: str,
    result: LoadResult,
    failures: list[str],
    *,
    with_plots: bool,
) -> Sequence[FileEvent]:
    """The Dagster events of a file; appends to `failures` its failure, if any."""
    record = result.record
    if record.status == "queued":
        context.log.info("%s is still being written and is retried when it is complete.", record.name)
        return ()
    if record.is_deleted:
        context.log.warning("%s has been deleted and is not loaded.", record.name)
        return ()
    if result.error:
        context.log.error("%s: %s", record.name, result.error)
        failures.append(f"{record.name}: {result.error}")
        return ()
    passed = rows_match_ledger(connection, record.file_id)
    blocked = 0
    if not passed:
        blocked = block_pairs(connection, record.file_id)
        failures.append(
            f"{record.name}: its rows in the database differ from the ledger;"
            f" {blocked:,} (region, week) pairs are not refreshed until it is loaded again"
        )
    return (
        materialization(context, key, result, connection, with_plots=with_plots),
        rows_accounted(key, record, passed=passed, blocked=blocked),
    )
