"""The sensor over the ledger's open files: each gets a run, and another one when its worker died."""

import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby, islice

import dagster as dg
import psycopg

from shifts_pipeline.assets.raw_trips import announce
from shifts_pipeline.jobs.names import LOAD_TRIP_FILES
from shifts_pipeline.partitions import TRIP_FILES, to_key
from shifts_pipeline.resources import Feed, TripsDatabase
from shifts_pipeline.sensors.new_partitions import with_new_partitions
from shifts_pipeline.sensors.waiting import wait_for_work
from shifts_pipeline.storage import ledger
from shifts_pipeline.storage.failures import MAX_ATTEMPTS
from shifts_pipeline.storage.ingest import Outcome
from shifts_pipeline.storage.ledger import Entry
from shifts_pipeline.tags import BATCH, MAX_RETRIES, RANGE_END, RANGE_START, UNFINISHED, task_id_tags

SUBMISSION_TAKES = timedelta(seconds=20)
"""A request may be so old before its run has to be seen."""
MAX_KEY_BYTES = 1000
"""Dagster indexes partitions and tags, and an index entry has its limit."""
BATCH_FILES = 100
BATCH_BYTES = 256 * 1024**2
FILES_A_TICK = 2000
"""Of those that no run was requested for, and as many others: a tick has 60 seconds, however many files wait."""
RUNS_A_TICK = 10
RUNS_AT_ONCE = 20
"""Queued or at work: more would only wait."""
ENDINGS_A_TICK = 500


@dataclass(frozen=True)
class Plan:
    """What is to be done about the open files."""

    request: list[Entry]
    give_up: list[tuple[Entry, str]]


def plan(
    open_files: Sequence[Entry],
    *,
    being_loaded: Collection[str],
    runs: Mapping[str, bool],
    now: datetime,
) -> Plan:
    """Decides for every queued or loading file whether it needs a run now.

    Args:
        open_files: the ledger's queued and loading entries.
        being_loaded: names whose lock a living worker holds.
        runs: request → whether its run has ended, for the requests that became runs.
        now: with time zone.
    """
    request: list[Entry] = []
    give_up: list[tuple[Entry, str]] = []
    for entry in open_files:
        if entry.name in being_loaded or runs.get(entry.run_request_id or "") is False:
            continue
        if len(to_key(entry.name).encode()) > MAX_KEY_BYTES:
            give_up.append((entry, f"its name is too long: {MAX_KEY_BYTES} bytes at most, folders included"))
            continue
        if entry.requested_at is not None:
            submitted = entry.run_request_id in runs
            wait = timedelta(seconds=min(2 ** min(entry.attempts, 10), 30)) if submitted else SUBMISSION_TAKES
            if now < entry.requested_at + wait:
                continue
        # Others of its run, and a file whose worker could say that database or disk failed it, wait and try again.
        if entry.attempts >= MAX_ATTEMPTS and entry.status == "loading":
            give_up.append(
                (entry, f"{entry.attempts} runs died on it; the last one said: {entry.error or 'nothing'}")
            )
            continue
        request.append(entry)
    return Plan(request, give_up)


def batches(files: Sequence[Entry], position: Mapping[str, int]) -> Iterator[list[Entry]]:
    """Cuts files into runs: neighbours in the order of their partitions, few enough and small enough.

    Args:
        files: the entries to run; several of one name go together, and each counts with its bytes.
        position: partition key → place among all partitions; a run covers a range without gaps.
    """
    batch: list[Entry] = []
    names = size = 0
    in_order = sorted(files, key=lambda e: (position[to_key(e.name)], e.file_id))
    for name, group in groupby(in_order, key=lambda e: e.name):
        versions = list(group)
        here = sum(entry.size_bytes or 0 for entry in versions)
        is_apart = batch and position[to_key(name)] - position[to_key(batch[-1].name)] > 1
        if is_apart or names >= BATCH_FILES or (batch and size + here > BATCH_BYTES):
            yield batch
            batch, names, size = [], 0, 0
        batch += versions
        names += 1
        size += here
    if batch:
        yield batch


@dg.sensor(
    job_name=LOAD_TRIP_FILES,
    minimum_interval_seconds=1,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Gives every open file of the ledger a run, and another one when its worker died.",
)
def queued_files(
    context: dg.SensorEvaluationContext, trips_database: TripsDatabase, feed: Feed
) -> dg.SensorResult:
    """Requests runs for open files, and gives up those on which run after run died."""
    with trips_database.connect(autocommit=True) as connection:
        _announce_lost_endings(connection, feed)
        decided = wait_for_work(connection, "shifts_files", lambda: _decide(connection, context.instance))
        if decided is None:
            return dg.SensorResult(skip_reason="no file is waiting for a run")
        for entry, reason in decided.give_up:
            ledger.update(connection, [entry.file_id], status="failed", error=reason)
        keys = with_new_partitions(
            context.instance,
            TRIP_FILES,
            context.instance.get_dynamic_partitions(str(TRIP_FILES.name)),
            (to_key(entry.name) for entry in decided.request),
        )
        position = {key: place for place, key in enumerate(keys)}
        requests = []
        for batch in islice(batches(decided.request, position), _free_runs(context.instance)):
            requests.append(request := _request(batch))
            ledger.requested(connection, [entry.file_id for entry in batch], str(request.run_key))
    return dg.SensorResult(run_requests=requests)


def _free_runs(instance: dg.DagsterInstance) -> int:
    unfinished = instance.get_runs_count(dg.RunsFilter(job_name=LOAD_TRIP_FILES, statuses=UNFINISHED))
    return max(0, min(RUNS_A_TICK, RUNS_AT_ONCE - unfinished))


def _decide(connection: psycopg.Connection, instance: dg.DagsterInstance) -> Plan | None:
    open_files = ledger.unfinished(connection, FILES_A_TICK)
    decided = plan(
        open_files,
        being_loaded=ledger.being_loaded(
            connection, list({entry.name for entry in open_files if entry.status == "loading"})
        ),
        runs=_runs(instance, {e.run_request_id for e in open_files if e.run_request_id}),
        now=datetime.now(UTC),
    )
    return decided if decided.request or decided.give_up else None


def _announce_lost_endings(connection: psycopg.Connection, feed: Feed) -> None:
    """Tells how files ended whose worker died between its commit and its word, or that were given up here."""
    if lost := ledger.unannounced(connection, ENDINGS_A_TICK):
        with feed.publisher() as publisher:
            for entry in lost:
                announce(publisher, connection, Outcome(entry, None), entry.run_id or "")


def _request(batch: Sequence[Entry]) -> dg.RunRequest:
    name = f"{batch[0].file_id}-{uuid.uuid4().hex[:12]}"
    return dg.RunRequest(
        run_key=name,
        tags={
            BATCH: name,
            **task_id_tags([entry.task_id for entry in batch]),
            RANGE_START: to_key(batch[0].name),
            RANGE_END: to_key(batch[-1].name),
            # The ledger brings a file back when its run dies; a second retry beside it would only collide.
            MAX_RETRIES: "0",
        },
    )


def _runs(instance: dg.DagsterInstance, names: Collection[str]) -> dict[str, bool]:
    if not names:
        return {}
    found = instance.get_runs(filters=dg.RunsFilter(tags={BATCH: list(names)}))
    return {run.tags[BATCH]: run.is_finished for run in found}
