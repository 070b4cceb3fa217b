"""The sensor over the landing zone: what lies there complete is queued, what is queued gets a run."""

import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg

from shifts_pipeline import ledger
from shifts_pipeline.assets.raw_trips import announce
from shifts_pipeline.ingest import Outcome
from shifts_pipeline.ledger import Entry
from shifts_pipeline.partitions import TRIP_FILES, to_key
from shifts_pipeline.resources import Feed, Landing, TripsDatabase
from shifts_pipeline.tags import BATCH, MAX_RETRIES, RANGE_END, RANGE_START, TASK_IDS

MAX_ATTEMPTS = 5
"""After so many runs that died on a file without a word about it, the file counts as failed."""
SUBMISSION_TAKES = timedelta(seconds=20)
"""A request may be so old before its run has to be seen."""
ABSENT_FILES_WAIT = timedelta(minutes=10)
BATCH_FILES = 100
BATCH_BYTES = 256 * 1024**2


@dataclass(frozen=True)
class Plan:
    """What is to be done about the open files."""

    request: list[Entry]
    give_up: list[tuple[Entry, str]]


def plan(
    open_files: Sequence[Entry],
    *,
    present: Collection[str],
    being_loaded: Collection[str],
    runs: Mapping[str, bool],
    now: datetime,
) -> Plan:
    """Decides for every queued or loading file whether it needs a run now.

    Args:
        open_files: the ledger's queued and loading entries.
        present: names that lie complete in the landing zone.
        being_loaded: names whose lock a living worker holds.
        runs: request → whether its run has ended, for the requests that became runs.
        now: with time zone.
    """
    request: list[Entry] = []
    give_up: list[tuple[Entry, str]] = []
    for entry in open_files:
        if entry.name in being_loaded or runs.get(entry.batch or "") is False:
            continue
        if entry.requested_at is not None:
            submitted = entry.batch in runs
            wait = (
                min(timedelta(seconds=2**entry.attempts), timedelta(seconds=30))
                if submitted
                else SUBMISSION_TAKES
            )
            if now < entry.requested_at + wait:
                continue
        if entry.name not in present:
            if now - (entry.requested_at or now) > ABSENT_FILES_WAIT:
                give_up.append((entry, "no longer in the landing zone: drop it again"))
            continue
        if entry.attempts >= MAX_ATTEMPTS:
            give_up.append(
                (entry, f"{entry.attempts} runs died on it; the last one said: {entry.error or 'nothing'}")
            )
            continue
        request.append(entry)
    return Plan(request, give_up)


def batches(files: Sequence[Entry], position: Mapping[str, int]) -> Iterator[list[Entry]]:
    """Cuts files into runs: neighbours in the order of their partitions, few enough and small enough.

    Args:
        files: the entries to run; several of one name go together.
        position: partition key → place among all partitions; a run covers a range without gaps.
    """
    batch: list[Entry] = []
    names: set[str] = set()
    size = 0
    for entry in sorted(files, key=lambda e: (position[to_key(e.name)], e.file_id)):
        place = position[to_key(entry.name)]
        here = entry.size_bytes or 0
        apart = batch and place - position[to_key(batch[-1].name)] > 1
        full = entry.name not in names and (
            len(names) >= BATCH_FILES or (names and size + here > BATCH_BYTES)
        )
        if apart or full:
            yield batch
            batch, names, size = [], set(), 0
        batch.append(entry)
        names.add(entry.name)
        size += here
    if batch:
        yield batch


def landing_sensor(job: dg.JobDefinition | dg.UnresolvedAssetJobDefinition) -> dg.SensorDefinition:
    """The sensor, for the job that loads files."""

    @dg.sensor(
        name="landing_zone",
        job=job,
        minimum_interval_seconds=2,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Takes complete files from the landing zone; the ledger knows what was taken.",
    )
    def landing_zone(
        context: dg.SensorEvaluationContext, trips_database: TripsDatabase, landing: Landing, feed: Feed
    ) -> dg.SensorResult:
        now = datetime.now(UTC)
        with trips_database.connect(autocommit=True) as connection:
            listed = list(landing.zone.list_files())
            ledger.register(connection, listed)
            open_files = ledger.unfinished(connection)
            decided = plan(
                open_files,
                present={file.name for file in listed},
                being_loaded={e.name for e in open_files if ledger.is_being_loaded(connection, e.name)},
                runs=_runs(context.instance, {e.batch for e in open_files if e.batch}),
                now=now,
            )
            for entry, reason in decided.give_up:
                ledger.update(connection, [entry.file_id], status="failed", error=reason)
            if lost := ledger.unannounced(connection):
                with feed.publisher() as publisher:
                    for entry in lost:
                        announce(publisher, connection, Outcome(entry, None), entry.run_id or "")
            if not decided.request:
                return dg.SensorResult(skip_reason=f"{len(listed):,} files, nothing new")
            known = context.instance.get_dynamic_partitions(str(TRIP_FILES.name))
            position = {key: place for place, key in enumerate(known)}
            new = [key for e in decided.request if (key := to_key(e.name)) not in position]
            position |= {key: len(known) + place for place, key in enumerate(dict.fromkeys(new))}
            requests = []
            for batch in batches(decided.request, position):
                request = _request(batch)
                for attempts in {e.attempts for e in batch}:
                    ledger.update(
                        connection,
                        [e.file_id for e in batch if e.attempts == attempts],
                        status="queued",
                        batch=request.run_key,
                        requested_at=now,
                        attempts=attempts + 1,
                    )
                requests.append(request)
        return dg.SensorResult(
            run_requests=requests,
            dynamic_partitions_requests=[TRIP_FILES.build_add_request(list(dict.fromkeys(new)))]
            if new
            else None,
        )

    return landing_zone


def _request(batch: Sequence[Entry]) -> dg.RunRequest:
    name = f"{batch[0].file_id}-{uuid.uuid4().hex[:12]}"
    return dg.RunRequest(
        run_key=name,
        tags={
            BATCH: name,
            TASK_IDS: ",".join(entry.task_id for entry in batch),
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
