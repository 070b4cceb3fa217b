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
from shifts_pipeline.storage import file_versions, ledger, load_errors, locks
from shifts_pipeline.storage.ledger import FileRecord
from shifts_pipeline.storage.load_file import load_file
from shifts_pipeline.storage.write_trips import book

_HASHED_BYTES = 1 << 20


@dataclass(frozen=True)
class LoadContext:
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
class LoadResult:
    """How a file ended."""

    record: FileRecord
    report: LoadReport | None
    """None when nothing was loaded: a duplicate, a failure, or rows that an earlier try had committed."""
    coalesced: tuple[FileRecord, ...] = ()
    """Requests for the same file that this answers too."""

    @property
    def error(self) -> str | None:
        """Why the file could not be read, if it could not."""
        return self.record.error if self.record.status in ("failed", "loaded") else None


class MissingFileError(Exception):
    """Neither the landing zone nor the ledger knows a file of that name."""


def ingest(
    name: str, context: LoadContext, on_progress: Callable[[FileRecord, Progress], None]
) -> LoadResult:
    """Brings the current version of a file in: loaded, duplicate or failed, and the ledger says which.

    Two workers at the same file take turns. A try whose rows an earlier worker had committed loads nothing.

    Raises:
        MissingFileError: nobody knows the file.
        psycopg.Error, OSError, LandingZoneUnavailable: the database, the machine or the landing zone failed;
            nothing is loaded, the file stays open.
    """
    with locks.file_lock(context.connection, name):
        try:
            file = context.zone.find(name)
        except LandingZoneUnavailable as error:
            _postpone(_open_versions(name, context), context, error)
            raise
        except LandingZoneError as error:
            return _fail_all(name, context, str(error))
        if file is not None:
            ledger.register(context.connection, [file])
            context.connection.commit()
        versions = ledger.versions_of(context.connection, name)
        context.connection.commit()
        if not versions:
            raise MissingFileError(f"no file {name!r} in the landing zone")
        current = next((v for v in versions if file is not None and v.version == file.version), None)
        if file is None or current is None:
            return _answer_without_file(name, versions, context)
        result = _bring_in(current, file, context, on_progress)
        others = [v for v in versions if v.status in ("queued", "loading") and v.file_id != current.file_id]
        coalesced = _answer_riders(others, result.record, context)
    return LoadResult(result.record, result.report, coalesced)


def _bring_in(
    record: FileRecord,
    file: LandedFile,
    context: LoadContext,
    on_progress: Callable[[FileRecord, Progress], None],
) -> LoadResult:
    if context.run_request_id is not None and record.status not in ("queued", "loading"):
        # Another run has settled it since this one was requested.
        return LoadResult(record, None)
    if record.status != "loaded":
        ledger.update(
            context.connection, [record.file_id], status="loading", run_id=context.run_id, error=None
        )
        context.connection.commit()
    try:
        report = _load(record, file, context, on_progress)
    except UnreadableFile as error:
        return _failed(record, context, str(error))
    except FileChanged:
        return _follow_the_file(record, context)
    except BaseException as error:
        if isinstance(error, LandingZoneError) and not isinstance(
            error, LandingZoneUnavailable | DamagedTransfer
        ):
            return _failed(record, context, str(error))
        if load_errors.is_exhaustion(error) and record.attempts >= load_errors.MAX_ATTEMPTS:
            return _failed(record, context, f"given up after {record.attempts} tries: {_described(error)}")
        _leave_open(record, context, error)
        raise
    return LoadResult(_commit(record, context), report)


def _load(
    record: FileRecord,
    file: LandedFile,
    context: LoadContext,
    on_progress: Callable[[FileRecord, Progress], None],
) -> LoadReport | None:
    """Settles a file as loaded or as a duplicate, in the open transaction; None if nothing had to be loaded.

    Whatever other workers wait for is locked at the end: their posts and files go on meanwhile.
    """
    if ledger.loaded_with_size(context.connection, file.size):
        content_hash = _hash(file, context.zone)
        if _settle_duplicate(record, content_hash, context):
            return None
        context.connection.rollback()
    if record.status == "loaded":
        # A person asked for it again: its rows have the same file id as those to come.
        file_versions.delete_rows(context.connection, record.file_id)
    with context.zone.open(file) as stream:
        report = load_file(
            context.connection,
            database_url=context.database_url,
            file_id=record.file_id,
            stream=stream,
            name=file.name,
            size=file.size,
            dates=context.dates,
            max_rejected_share=context.max_rejected_share,
            on_progress=lambda progress: on_progress(record, progress),
        )
    try:
        if _settle_loaded(record, report, context):
            return report
    except psycopg.errors.UniqueViolation:
        pass
    # Its copy was committed by another worker while this one was loading.
    context.connection.rollback()
    if _settle_duplicate(record, report.content_hash, context):
        return None
    raise CopyVanishedError(f"a copy of {record.name} was loaded and replaced while it was loaded itself")


class CopyVanishedError(psycopg.OperationalError):
    """The next try will do; nothing is wrong with the file."""


def _settle_loaded(record: FileRecord, report: LoadReport, context: LoadContext) -> bool:
    """Makes the loaded rows the ones that count; False if another file of the same bytes is loaded already."""
    file_versions.lock(context.connection, record.name, None)
    original = ledger.loaded_with_hash(context.connection, report.content_hash)
    if original is not None and original.file_id != record.file_id:
        return False
    gone = file_versions.make_way(context.connection, record, None)
    if record.status == "loaded":
        gone.append(record.file_id)
        if record.content_hash != report.content_hash:
            file_versions.requeue_copies(context.connection, record.file_id)
    ledger.update(
        context.connection,
        [record.file_id],
        status="loaded",
        content_hash=report.content_hash,
        rows_loaded=report.rows_loaded,
        rows_rejected=report.rows_rejected,
        duplicate_of=None,
        error=None,
    )
    book(context.connection, record.file_id, report.weeks, gone)
    return True


def _settle_duplicate(record: FileRecord, content_hash: str, context: LoadContext) -> bool:
    """Notes that a file has the bytes of a loaded one; False if none is loaded, or no longer."""
    original = ledger.loaded_with_hash(context.connection, content_hash)
    if original is None or original.file_id == record.file_id:
        return False
    if not file_versions.lock(context.connection, record.name, original):
        return False
    gone = file_versions.make_way(context.connection, record, original)
    if record.status == "loaded":
        file_versions.delete_rows(context.connection, record.file_id)
        file_versions.requeue_copies(context.connection, record.file_id)
        gone.append(record.file_id)
    ledger.update(
        context.connection,
        [record.file_id],
        status="duplicate",
        duplicate_of=original.file_id,
        content_hash=content_hash,
        rows_loaded=0,
        rows_rejected=0,
        error=None,
    )
    no_weeks: list[WeekCount] = []
    book(context.connection, record.file_id, no_weeks, gone)
    return True


def _hash(file: LandedFile, zone: LandingZone) -> str:
    sha256 = hashlib.sha256()
    with zone.open(file) as stream:
        while data := stream.read(_HASHED_BYTES):
            sha256.update(data)
    return sha256.hexdigest()


def _commit(record: FileRecord, context: LoadContext) -> FileRecord:
    (after,) = ledger.records(context.connection, [record.file_id])
    context.connection.commit()
    return after


def _failed(record: FileRecord, context: LoadContext, error: str) -> LoadResult:
    """Ends a version that cannot be loaded; what an earlier one has loaded stays."""
    context.connection.rollback()
    error = _storable(error.removeprefix(f"{record.name}: "))
    if record.status == "loaded":
        # A person asked for it again and it cannot be read now: what was loaded stays.
        ledger.update(context.connection, [record.file_id], status="loaded", error=error)
    else:
        ledger.update(
            context.connection,
            [record.file_id],
            status="failed",
            error=error,
            rows_loaded=0,
            run_id=context.run_id,
        )
    return LoadResult(_commit(record, context), None)


def _leave_open(record: FileRecord, context: LoadContext, error: BaseException) -> None:
    """The next try shall know why this one ended; when the database itself is gone, the lock tells."""
    with suppress(psycopg.Error):
        context.connection.rollback()
        if record.status == "loaded":
            ledger.update(context.connection, [record.file_id], status="loaded", error=_described(error))
            context.connection.commit()
        elif isinstance(error, Exception) and not (
            load_errors.is_outage(error) or load_errors.is_exhaustion(error)
        ):
            ledger.update(context.connection, [record.file_id], error=_described(error))
            context.connection.commit()
        else:
            _postpone([record], context, error)


def _postpone(entries: list[FileRecord], context: LoadContext, error: BaseException) -> None:
    """An outage holds up every file of the run, and none of them is to blame."""
    counts = load_errors.is_exhaustion(error)
    waiting = [] if counts else ledger.open_files_of(context.connection, context.run_request_id)
    ids = {record.file_id for record in (*entries, *waiting)}
    ledger.postpone(context.connection, sorted(ids), _described(error), counts=counts)
    context.connection.commit()


def _described(error: BaseException) -> str:
    is_sentence = isinstance(error, LandingZoneError)
    return _storable(str(error) if is_sentence else f"{type(error).__name__}: {error}")


def _storable(error: str) -> str:
    """A message may quote a file, and PostgreSQL's text holds no NUL."""
    return error.replace("\0", "\N{REPLACEMENT CHARACTER}")


def _follow_the_file(record: FileRecord, context: LoadContext) -> LoadResult:
    """The file was written to while it was read: the record waits for the version that settles."""
    context.connection.rollback()
    file = context.zone.find(record.name)
    if record.status == "loaded":
        return LoadResult(record, None)
    if file is None:
        result = _failed(record, context, f"{record.name} was removed while it was read: drop it again")
        ledger.release_version(context.connection, [record.file_id])
        return LoadResult(_commit(result.record, context), None)
    newer = [v for v in ledger.versions_of(context.connection, record.name) if v.version == file.version]
    if newer:
        ledger.update(
            context.connection, [record.file_id], status="superseded", error="replaced while it was read"
        )
    else:
        ledger.follow(context.connection, record.file_id, file)
    return LoadResult(_commit(record, context), None)


def _open_versions(name: str, context: LoadContext) -> list[FileRecord]:
    return [v for v in ledger.versions_of(context.connection, name) if v.status in ("queued", "loading")]


def _answer_without_file(name: str, versions: list[FileRecord], context: LoadContext) -> LoadResult:
    """What was asked for is gone; rows that were loaded from it stay."""
    if not any(v.status in ("queued", "loading") for v in versions):
        return LoadResult(next((v for v in versions if v.status == "loaded"), versions[0]), None)
    return _fail_all(name, context, f"{name} is no longer in the landing zone: drop it again")


def _fail_all(name: str, context: LoadContext, error: str) -> LoadResult:
    """Ends everything that is open under a name whose file cannot even be found."""
    ids = [v.file_id for v in _open_versions(name, context)]
    if not ids:
        raise MissingFileError(error)
    ledger.update(
        context.connection, ids, status="failed", error=_storable(error), rows_loaded=0, run_id=context.run_id
    )
    ledger.release_version(context.connection, ids)
    newest, *others = ledger.records(context.connection, ids)
    context.connection.commit()
    return LoadResult(newest, None, tuple(others))


def _answer_riders(
    coalesced: list[FileRecord], answer: FileRecord, context: LoadContext
) -> tuple[FileRecord, ...]:
    """Requests for a file end as its present version did; other versions were replaced before they were loaded."""
    if not coalesced or answer.status in ("queued", "loading"):
        return ()
    requests = [r.file_id for r in coalesced if r.version.startswith(file_versions.REQUEST_PREFIX)]
    replaced = [r.file_id for r in coalesced if r.file_id not in requests]
    ledger.update(
        context.connection,
        replaced,
        status="superseded",
        error=None,
        duplicate_of=None,
        run_id=context.run_id,
    )
    if answer.status == "failed":
        ledger.update(
            context.connection, requests, status="failed", error=answer.error, run_id=context.run_id
        )
    else:
        original = answer.duplicate_of or answer.file_id
        ledger.update(
            context.connection,
            requests,
            status="duplicate",
            duplicate_of=original,
            error=None,
            run_id=context.run_id,
        )
    after = ledger.records(context.connection, [one.file_id for one in coalesced])
    context.connection.commit()
    return tuple(after)
