"""One file from the landing zone to committed rows, exactly once: the ledger's states around the loader."""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import psycopg

from shifts_pipeline import ledger
from shifts_pipeline.landing.zone import FileChanged, LandedFile, LandingZone, LandingZoneError
from shifts_pipeline.ledger import Entry
from shifts_pipeline.loading.load_file import load_file
from shifts_pipeline.loading.report import Calendar, LoadReport, Progress, UnreadableFile

_HASHED_BYTES = 1 << 20
MACHINE_FAILED = (psycopg.OperationalError, OSError, MemoryError)
"""No fault of the file's."""


@dataclass(frozen=True)
class Ingestion:
    """What every file of a run is loaded with."""

    connection: psycopg.Connection
    database_url: str
    zone: LandingZone
    calendar: Calendar
    max_rejected_share: float
    run_id: str
    batch: str | None
    """The sensor's request that this run answers; None when a person asked for it."""


@dataclass(frozen=True)
class Outcome:
    """How a file ended."""

    entry: Entry
    report: LoadReport | None
    """None when nothing was loaded: a duplicate, a failure, or rows that an earlier try had committed."""
    riders: tuple[Entry, ...] = ()
    """Requests for the same file that this answers too."""

    @property
    def error(self) -> str | None:
        """Why the file could not be read, when it could not."""
        return self.entry.error if self.entry.status in ("failed", "loaded") else None


class MissingFile(Exception):  # noqa: N818  an answer, not a fault
    """Neither the landing zone nor the ledger knows a file of that name."""


def ingest(name: str, job: Ingestion, on_progress: Callable[[Entry, Progress], None]) -> Outcome:
    """Brings the current version of a file in: loaded, duplicate or failed, and the ledger says which.

    Two workers at the same file take turns. A try whose rows an earlier worker had committed loads nothing.

    Raises:
        MissingFile: nobody knows the file.
        psycopg.Error, OSError: the database or the machine failed; nothing is loaded, the file stays open.
    """
    with ledger.file_lock(job.connection, name):
        entry, riders = _open_entry(name, job)
        outcome = _bring_in(entry, job, on_progress)
        riders_after = _answer_riders(riders, outcome.entry, job)
    return Outcome(outcome.entry, outcome.report, riders_after)


def _open_entry(name: str, job: Ingestion) -> tuple[Entry, list[Entry]]:
    """The ledger's entry of the file's present version, and what else is open under its name."""
    file = job.zone.find(name)
    if file is not None:
        ledger.register(job.connection, [file])
    versions = ledger.versions_of(job.connection, name)
    job.connection.commit()
    if not versions:
        raise MissingFile(f"no file {name!r} in the landing zone")
    current = next((v for v in versions if file is not None and v.version == file.version), versions[0])
    riders = [v for v in versions if v.status in ("queued", "loading") and v.file_id != current.file_id]
    return current, riders


def _bring_in(entry: Entry, job: Ingestion, on_progress: Callable[[Entry, Progress], None]) -> Outcome:
    if entry.status == "loaded" and job.batch is not None:
        return Outcome(entry, None)
    file = job.zone.find(entry.name)
    if file is None:
        if entry.status == "loaded":
            return Outcome(entry, None)
        return _failed(entry, job, f"{entry.name} is no longer in the landing zone: drop it again")
    if entry.status != "loaded":
        ledger.update(job.connection, [entry.file_id], status="loading", run_id=job.run_id, error=None)
        job.connection.commit()
    try:
        report = _load(entry, file, job, on_progress)
    except _SameBytesError as same:
        job.connection.rollback()
        ledger.update(
            job.connection,
            [entry.file_id],
            status="duplicate",
            duplicate_of=same.original.file_id,
            content_hash=same.original.content_hash or "",
            rows_loaded=0,
        )
    except (UnreadableFile, LandingZoneError) as error:
        job.connection.rollback()
        return _failed(entry, job, str(error))
    except FileChanged:
        job.connection.rollback()
        return _follow_the_file(entry, job)
    except BaseException as error:
        # The next try shall know why this one ended; when the database itself is gone the lock tells.
        with suppress(psycopg.Error):
            job.connection.rollback()
            # What is wrong with the machine is not the file's fault: it may be tried for ever.
            innocent = isinstance(error, MACHINE_FAILED) or not isinstance(error, Exception)
            still_open: ledger.Status = "queued" if innocent else "loading"
            ledger.update(
                job.connection,
                [entry.file_id],
                status="loaded" if entry.status == "loaded" else still_open,
                error=_storable(f"{type(error).__name__}: {error}"),
            )
            job.connection.commit()
        raise
    else:
        return Outcome(_commit(entry, job), report)
    return Outcome(_commit(entry, job), None)


class _SameBytesError(Exception):
    """Another loaded file has the same bytes."""

    def __init__(self, original: Entry) -> None:
        super().__init__(original.name)
        self.original = original


def _load(
    entry: Entry, file: LandedFile, job: Ingestion, on_progress: Callable[[Entry, Progress], None]
) -> LoadReport:
    """Replaces the file's rows in the open transaction of the job's connection."""
    if ledger.loaded_with_size(job.connection, file.size):
        _raise_if_copy(_hash(file, job.zone), entry, job)
    for old in ledger.versions_of(job.connection, entry.name):
        if old.status != "loaded":
            continue
        job.connection.execute("SELECT shifts_store.unbook_file(%s)", [old.file_id])
        if old.file_id != entry.file_id:
            ledger.update(job.connection, [old.file_id], status="superseded")
            ledger.requeue_copies(job.connection, old.file_id)
            ledger.announced(job.connection, old.file_id)
    with job.zone.open(file) as stream:
        report = load_file(
            job.connection,
            database_url=job.database_url,
            file_id=entry.file_id,
            stream=stream,
            name=file.name,
            size=file.size,
            calendar=job.calendar,
            max_rejected_share=job.max_rejected_share,
            on_progress=lambda progress: on_progress(entry, progress),
        )
    _raise_if_copy(report.content_hash, entry, job)
    try:
        ledger.update(
            job.connection,
            [entry.file_id],
            status="loaded",
            content_hash=report.content_hash,
            rows_loaded=report.rows_loaded,
            rows_rejected=report.rows_rejected,
            duplicate_of=None,
            error=None,
        )
    except psycopg.errors.UniqueViolation:
        # Its copy was committed by another worker while this one was loading.
        job.connection.rollback()
        _raise_if_copy(report.content_hash, entry, job)
        raise
    return report


def _raise_if_copy(content_hash: str, entry: Entry, job: Ingestion) -> None:
    original = ledger.loaded_with_hash(job.connection, content_hash)
    if original is not None and original.file_id != entry.file_id:
        raise _SameBytesError(original)


def _hash(file: LandedFile, zone: LandingZone) -> str:
    sha256 = hashlib.sha256()
    with zone.open(file) as stream:
        while data := stream.read(_HASHED_BYTES):
            sha256.update(data)
    return sha256.hexdigest()


def _commit(entry: Entry, job: Ingestion) -> Entry:
    (after,) = [v for v in ledger.versions_of(job.connection, entry.name) if v.file_id == entry.file_id]
    job.connection.commit()
    return after


def _failed(entry: Entry, job: Ingestion, error: str) -> Outcome:
    error = _storable(error.removeprefix(f"{entry.name}: "))
    if entry.status == "loaded":
        # A person asked for it again and it cannot be read now: what was loaded stays.
        ledger.update(job.connection, [entry.file_id], status="loaded", error=error)
    else:
        ledger.update(
            job.connection, [entry.file_id], status="failed", error=error, rows_loaded=0, run_id=job.run_id
        )
    return Outcome(_commit(entry, job), None)


def _storable(error: str) -> str:
    """A message may quote a file, and PostgreSQL's text holds no NUL."""
    return error.replace("\0", "\N{REPLACEMENT CHARACTER}")


def _follow_the_file(entry: Entry, job: Ingestion) -> Outcome:
    """The file was written to while it was read: the entry waits for the version that settles."""
    file = job.zone.find(entry.name)
    if file is None:
        return _failed(entry, job, f"{entry.name} was removed while it was read: drop it again")
    newer = [v for v in ledger.versions_of(job.connection, entry.name) if v.version == file.version]
    if newer:
        ledger.update(
            job.connection, [entry.file_id], status="superseded", error="replaced while it was read"
        )
    else:
        ledger.follow(job.connection, entry.file_id, file)
    return Outcome(_commit(entry, job), None)


def _answer_riders(riders: list[Entry], answer: Entry, job: Ingestion) -> tuple[Entry, ...]:
    """Older versions never loaded, and requests for the same file, end as the present version did."""
    if not riders or answer.status in ("queued", "loading"):
        return ()
    ids = [rider.file_id for rider in riders]
    if answer.status == "failed":
        ledger.update(job.connection, ids, status="failed", error=answer.error, run_id=job.run_id)
    else:
        original = answer.duplicate_of or answer.file_id
        ledger.update(job.connection, ids, status="duplicate", duplicate_of=original, run_id=job.run_id)
    after = [v for v in ledger.versions_of(job.connection, answer.name) if v.file_id in ids]
    job.connection.commit()
    return tuple(after)
