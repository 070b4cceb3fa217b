"""One file from the landing zone to committed rows, exactly once: the ledger's states around the loader."""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import psycopg

from shifts_core.calendar import DateRange
from shifts_core.landing.errors import DamagedTransfer, FileChanged, LandingZoneError, LandingZoneUnavailable
from shifts_core.landing.zone import LandedFile, LandingZone
from shifts_core.trips.report import LoadReport, Progress, UnreadableFile, WeekCount
from shifts_pipeline.storage import failures, file_versions, ledger
from shifts_pipeline.storage.ledger import Entry
from shifts_pipeline.storage.load_file import load_file
from shifts_pipeline.storage.write_trips import book

_HASHED_BYTES = 1 << 20


@dataclass(frozen=True)
class Ingestion:
    """What every file of a run is loaded with."""

    connection: psycopg.Connection
    database_url: str
    zone: LandingZone
    dates: DateRange
    max_rejected_share: float
    run_id: str
    run_request_id: str | None
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
        psycopg.Error, OSError, LandingZoneUnavailable: the database, the machine or the landing zone failed;
            nothing is loaded, the file stays open.
    """
    with ledger.file_lock(job.connection, name):
        try:
            file = job.zone.find(name)
        except LandingZoneUnavailable as error:
            _postpone(_open_versions(name, job), job, error)
            raise
        except LandingZoneError as error:
            return _fail_all(name, job, str(error))
        if file is not None:
            ledger.register(job.connection, [file])
            job.connection.commit()
        versions = ledger.versions_of(job.connection, name)
        job.connection.commit()
        if not versions:
            raise MissingFile(f"no file {name!r} in the landing zone")
        current = next((v for v in versions if file is not None and v.version == file.version), None)
        if file is None or current is None:
            return _answer_without_file(name, versions, job)
        outcome = _bring_in(current, file, job, on_progress)
        others = [v for v in versions if v.status in ("queued", "loading") and v.file_id != current.file_id]
        riders = _answer_riders(others, outcome.entry, job)
    return Outcome(outcome.entry, outcome.report, riders)


def _bring_in(
    entry: Entry, file: LandedFile, job: Ingestion, on_progress: Callable[[Entry, Progress], None]
) -> Outcome:
    if job.run_request_id is not None and entry.status not in ("queued", "loading"):
        # Another run has settled it since this one was requested.
        return Outcome(entry, None)
    if entry.status != "loaded":
        ledger.update(job.connection, [entry.file_id], status="loading", run_id=job.run_id, error=None)
        job.connection.commit()
    try:
        report = _load(entry, file, job, on_progress)
    except UnreadableFile as error:
        return _failed(entry, job, str(error))
    except FileChanged:
        return _follow_the_file(entry, job)
    except BaseException as error:
        if isinstance(error, LandingZoneError) and not isinstance(
            error, LandingZoneUnavailable | DamagedTransfer
        ):
            return _failed(entry, job, str(error))
        if failures.is_exhaustion(error) and entry.attempts >= failures.MAX_ATTEMPTS:
            return _failed(entry, job, f"given up after {entry.attempts} tries: {_described(error)}")
        _leave_open(entry, job, error)
        raise
    return Outcome(_commit(entry, job), report)


def _load(
    entry: Entry, file: LandedFile, job: Ingestion, on_progress: Callable[[Entry, Progress], None]
) -> LoadReport | None:
    """Settles a file as loaded or as a duplicate, in the open transaction; None if nothing had to be loaded.

    Whatever other workers wait for is locked at the end: their posts and files go on meanwhile.
    """
    if ledger.loaded_with_size(job.connection, file.size):
        content_hash = _hash(file, job.zone)
        if _settle_duplicate(entry, content_hash, job):
            return None
        job.connection.rollback()
    if entry.status == "loaded":
        # A person asked for it again: its rows have the same file id as those to come.
        file_versions.delete_rows(job.connection, entry.file_id)
    with job.zone.open(file) as stream:
        report = load_file(
            job.connection,
            database_url=job.database_url,
            file_id=entry.file_id,
            stream=stream,
            name=file.name,
            size=file.size,
            dates=job.dates,
            max_rejected_share=job.max_rejected_share,
            on_progress=lambda progress: on_progress(entry, progress),
        )
    try:
        if _settle_loaded(entry, report, job):
            return report
    except psycopg.errors.UniqueViolation:
        pass
    # Its copy was committed by another worker while this one was loading.
    job.connection.rollback()
    if _settle_duplicate(entry, report.content_hash, job):
        return None
    raise CopyVanishedError(f"a copy of {entry.name} was loaded and replaced while it was loaded itself")


class CopyVanishedError(psycopg.OperationalError):
    """The next try will do; nothing is wrong with the file."""


def _settle_loaded(entry: Entry, report: LoadReport, job: Ingestion) -> bool:
    """Makes the loaded rows the ones that count; False if another file of the same bytes is loaded already."""
    file_versions.lock(job.connection, entry.name, None)
    original = ledger.loaded_with_hash(job.connection, report.content_hash)
    if original is not None and original.file_id != entry.file_id:
        return False
    gone = file_versions.make_way(job.connection, entry, None)
    if entry.status == "loaded":
        gone.append(entry.file_id)
        if entry.content_hash != report.content_hash:
            file_versions.requeue_copies(job.connection, entry.file_id)
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
    book(job.connection, entry.file_id, report.weeks, gone)
    return True


def _settle_duplicate(entry: Entry, content_hash: str, job: Ingestion) -> bool:
    """Notes that a file has the bytes of a loaded one; False if none is loaded, or no longer."""
    original = ledger.loaded_with_hash(job.connection, content_hash)
    if original is None or original.file_id == entry.file_id:
        return False
    if not file_versions.lock(job.connection, entry.name, original):
        return False
    gone = file_versions.make_way(job.connection, entry, original)
    if entry.status == "loaded":
        file_versions.delete_rows(job.connection, entry.file_id)
        file_versions.requeue_copies(job.connection, entry.file_id)
        gone.append(entry.file_id)
    ledger.update(
        job.connection,
        [entry.file_id],
        status="duplicate",
        duplicate_of=original.file_id,
        content_hash=content_hash,
        rows_loaded=0,
        rows_rejected=0,
        error=None,
    )
    no_weeks: list[WeekCount] = []
    book(job.connection, entry.file_id, no_weeks, gone)
    return True


def _hash(file: LandedFile, zone: LandingZone) -> str:
    sha256 = hashlib.sha256()
    with zone.open(file) as stream:
        while data := stream.read(_HASHED_BYTES):
            sha256.update(data)
    return sha256.hexdigest()


def _commit(entry: Entry, job: Ingestion) -> Entry:
    (after,) = ledger.entries(job.connection, [entry.file_id])
    job.connection.commit()
    return after


def _failed(entry: Entry, job: Ingestion, error: str) -> Outcome:
    """Ends a version that cannot be loaded; what an earlier one has loaded stays."""
    job.connection.rollback()
    error = _storable(error.removeprefix(f"{entry.name}: "))
    if entry.status == "loaded":
        # A person asked for it again and it cannot be read now: what was loaded stays.
        ledger.update(job.connection, [entry.file_id], status="loaded", error=error)
    else:
        ledger.update(
            job.connection, [entry.file_id], status="failed", error=error, rows_loaded=0, run_id=job.run_id
        )
    return Outcome(_commit(entry, job), None)


def _leave_open(entry: Entry, job: Ingestion, error: BaseException) -> None:
    """The next try shall know why this one ended; when the database itself is gone, the lock tells."""
    with suppress(psycopg.Error):
        job.connection.rollback()
        if entry.status == "loaded":
            ledger.update(job.connection, [entry.file_id], status="loaded", error=_described(error))
            job.connection.commit()
        elif isinstance(error, Exception) and not (
            failures.is_outage(error) or failures.is_exhaustion(error)
        ):
            ledger.update(job.connection, [entry.file_id], error=_described(error))
            job.connection.commit()
        else:
            _postpone([entry], job, error)


def _postpone(entries: list[Entry], job: Ingestion, error: BaseException) -> None:
    """An outage holds up every file of the run, and none of them is to blame."""
    counts = failures.is_exhaustion(error)
    waiting = [] if counts else ledger.open_files_of(job.connection, job.run_request_id)
    ids = {entry.file_id for entry in (*entries, *waiting)}
    ledger.postpone(job.connection, sorted(ids), _described(error), counts=counts)
    job.connection.commit()


def _described(error: BaseException) -> str:
    is_sentence = isinstance(error, LandingZoneError)
    return _storable(str(error) if is_sentence else f"{type(error).__name__}: {error}")


def _storable(error: str) -> str:
    """A message may quote a file, and PostgreSQL's text holds no NUL."""
    return error.replace("\0", "\N{REPLACEMENT CHARACTER}")


def _follow_the_file(entry: Entry, job: Ingestion) -> Outcome:
    """The file was written to while it was read: the entry waits for the version that settles."""
    job.connection.rollback()
    file = job.zone.find(entry.name)
    if entry.status == "loaded":
        return Outcome(entry, None)
    if file is None:
        outcome = _failed(entry, job, f"{entry.name} was removed while it was read: drop it again")
        ledger.release_version(job.connection, [entry.file_id])
        return Outcome(_commit(outcome.entry, job), None)
    newer = [v for v in ledger.versions_of(job.connection, entry.name) if v.version == file.version]
    if newer:
        ledger.update(
            job.connection, [entry.file_id], status="superseded", error="replaced while it was read"
        )
    else:
        ledger.follow(job.connection, entry.file_id, file)
    return Outcome(_commit(entry, job), None)


def _open_versions(name: str, job: Ingestion) -> list[Entry]:
    return [v for v in ledger.versions_of(job.connection, name) if v.status in ("queued", "loading")]


def _answer_without_file(name: str, versions: list[Entry], job: Ingestion) -> Outcome:
    """What was asked for is gone; rows that were loaded from it stay."""
    if not any(v.status in ("queued", "loading") for v in versions):
        return Outcome(next((v for v in versions if v.status == "loaded"), versions[0]), None)
    return _fail_all(name, job, f"{name} is no longer in the landing zone: drop it again")


def _fail_all(name: str, job: Ingestion, error: str) -> Outcome:
    """Ends everything that is open under a name whose file cannot even be found."""
    ids = [v.file_id for v in _open_versions(name, job)]
    if not ids:
        raise MissingFile(error)
    ledger.update(
        job.connection, ids, status="failed", error=_storable(error), rows_loaded=0, run_id=job.run_id
    )
    ledger.release_version(job.connection, ids)
    newest, *others = ledger.entries(job.connection, ids)
    job.connection.commit()
    return Outcome(newest, None, tuple(others))


def _answer_riders(riders: list[Entry], answer: Entry, job: Ingestion) -> tuple[Entry, ...]:
    """Requests for a file end as its present version did; other versions were replaced before they were loaded."""
    if not riders or answer.status in ("queued", "loading"):
        return ()
    requests = [r.file_id for r in riders if r.version.startswith(file_versions.REQUEST_PREFIX)]
    replaced = [r.file_id for r in riders if r.file_id not in requests]
    ledger.update(
        job.connection, replaced, status="superseded", error=None, duplicate_of=None, run_id=job.run_id
    )
    if answer.status == "failed":
        ledger.update(job.connection, requests, status="failed", error=answer.error, run_id=job.run_id)
    else:
        original = answer.duplicate_of or answer.file_id
        ledger.update(
            job.connection, requests, status="duplicate", duplicate_of=original, error=None, run_id=job.run_id
        )
    after = ledger.entries(job.connection, [rider.file_id for rider in riders])
    job.connection.commit()
    return tuple(after)
