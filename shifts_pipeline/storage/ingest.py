"""Loads one file of the landing zone exactly once: the transitions of its record around the loader."""

from collections.abc import Callable, Sequence

import psycopg

from shifts_core.landing.errors import (
    DamagedTransfer,
    FileChanged,
    LandingZoneError,
    LandingZoneUnavailable,
)
from shifts_core.landing.zone import LandedFile
from shifts_core.trips.report import LoadReport, Progress, UnreadableFile
from shifts_pipeline.storage import failed_loads, ledger, load_errors, locks, transitions
from shifts_pipeline.storage.content_hash import sha256_of
from shifts_pipeline.storage.deleted_trips import delete_files
from shifts_pipeline.storage.ledger import REQUEST_PREFIX, FileRecord
from shifts_pipeline.storage.load_context import LoadContext, LoadResult
from shifts_pipeline.storage.load_file import load_file
from shifts_pipeline.storage.missing_files import (
    MissingFileError,
    fail_missing,
    open_versions,
    settle_without_file,
)

_NOT_ALLOWED, _REFUSED = "SH409", "SH410"
"""SQLSTATEs of file_transitions.sql and file_versions.sql."""


class DuplicateVanishedError(psycopg.OperationalError):
    """A file of the same bytes was loaded and then replaced during the load; a retry will succeed."""


def ingest(
    name: str, context: LoadContext, on_progress: Callable[[FileRecord, Progress], None]
) -> LoadResult:
    """Loads the present version of a file; afterwards its record is loaded, duplicate or failed.

    Two workers at the same file take turns. A file that an earlier worker has committed is not loaded again.

    Raises:
        MissingFileError: neither landing zone nor ledger has the file.
        psycopg.Error, OSError, LandingZoneUnavailable: database, machine or landing zone failed; nothing is loaded,
            and the file stays open.
    """
    with locks.file_lock(context.connection, name):
        try:
            file = context.zone.find(name)
        except LandingZoneUnavailable as error:
            failed_loads.retry(open_versions(name, context), context, error)
            raise
        except LandingZoneError as error:
            return fail_missing(name, context, str(error))
        if file is not None:
            transitions.register(context.connection, [file])
        versions = ledger.versions_of(context.connection, name)
        if not versions:
            raise MissingFileError(f"no file {name!r} in the landing zone")
        current = next((v for v in versions if file is not None and v.version == file.version), None)
        if file is None or current is None:
            return settle_without_file(name, versions, context)
        result = _load_unless_deleted(current, file, context, on_progress)
        others = [v for v in versions if v.is_open and v.file_id != current.file_id]
        coalesced = _settle_coalesced(others, result.record, context)
    return LoadResult(result.record, result.report, coalesced)


def _load_unless_deleted(
    record: FileRecord,
    file: LandedFile,
    context: LoadContext,
    on_progress: Callable[[FileRecord, Progress], None],
) -> LoadResult:
    """Loads a version; one that somebody asks to delete before it is loaded is left alone."""
    try:
        if not record.is_deleted:
            return _load_version(record, file, context, on_progress)
    except psycopg.Error as error:
        if error.sqlstate != _NOT_ALLOWED:
            raise
        context.connection.rollback()
        (record,) = ledger.records(context.connection, [record.file_id])
        context.connection.rollback()
        if not record.is_deleted:
            raise
    return LoadResult(record, None)


def _load_version(
    record: FileRecord,
    file: LandedFile,
    context: LoadContext,
    on_progress: Callable[[FileRecord, Progress], None],
) -> LoadResult:
    if context.run_request_id is not None and not record.is_open:
        # Another run has settled it since this run was requested.
        return LoadResult(record, None)
    if record.status != "loaded":
        transitions.begin(context.connection, record.file_id, context.run_id)
        context.connection.commit()
    try:
        report = _load(record, file, context, on_progress)
    except UnreadableFile as error:
        return failed_loads.fail(record, context, str(error))
    except FileChanged:
        return failed_loads.await_changed_file(record, context)
    except BaseException as error:
        if isinstance(error, LandingZoneError) and not isinstance(
            error, LandingZoneUnavailable | DamagedTransfer
        ):
            return failed_loads.fail(record, context, str(error))
        if load_errors.is_exhaustion(error) and record.attempts >= load_errors.MAX_ATTEMPTS:
            reason = f"failed after {record.attempts} attempts: {failed_loads.describe(error)}"
            return failed_loads.fail(record, context, reason)
        failed_loads.leave_open(record, context, error)
        raise
    return LoadResult(failed_loads.commit(record, context), report)


def _load(
    record: FileRecord,
    file: LandedFile,
    context: LoadContext,
    on_progress: Callable[[FileRecord, Progress], None],
) -> LoadReport | None:
    """Loads a file in the open transaction, or marks it as a duplicate; None if nothing had to be loaded.

    What other workers and the API wait for is locked last, in `transitions.finish`.
    """
    connection = context.connection
    if ledger.is_size_known(connection, file.size):
        content_hash = sha256_of(file, context.zone)
        if transitions.finish_duplicate(connection, record.file_id, content_hash):
            return None
        refusal = ledger.refusal(connection, content_hash)
        connection.rollback()
        if refusal is not None:
            raise UnreadableFile(refusal)
    # Loaded again by hand: the new rows have the same file id.
    deleted = delete_files(connection, [record.file_id] if record.status == "loaded" else [])
    with context.zone.open(file) as stream:
        report = load_file(
            connection,
            side=context.side,
            file_id=record.file_id,
            stream=stream,
            name=file.name,
            size=file.size,
            dates=context.dates,
            max_rejected_share=context.max_rejected_share,
            on_progress=lambda progress: on_progress(record, progress),
        )
    try:
        if transitions.finish(connection, record.file_id, report, deleted):
            return report
    except psycopg.errors.UniqueViolation:
        pass
    except psycopg.Error as error:
        if error.sqlstate == _REFUSED:
            raise UnreadableFile(error.diag.message_primary or "") from None
        raise
    # Another worker has committed a file of the same bytes during this load.
    connection.rollback()
    if transitions.finish_duplicate(connection, record.file_id, report.content_hash):
        return None
    raise DuplicateVanishedError(
        f"a file of the same bytes as {record.name} was loaded and replaced during this load"
    )


def _settle_coalesced(
    others: Sequence[FileRecord], current: FileRecord, context: LoadContext
) -> tuple[FileRecord, ...]:
    """Settles the other open records of a name: requests end as `current` did, other versions are superseded."""
    if not others or current.is_open or current.is_deleted or current.status == "superseded":
        return ()
    connection, run_id = context.connection, context.run_id
    requests = [o.file_id for o in others if o.version.startswith(REQUEST_PREFIX)]
    replaced = [o.file_id for o in others if o.file_id not in requests]
    transitions.supersede(connection, replaced, error=None, run_id=run_id)
    if current.status == "failed":
        transitions.fail(connection, requests, current.error or "", run_id=run_id)
    else:
        original = current.duplicate_of or current.file_id
        transitions.mark_duplicates(connection, requests, original, run_id)
    settled = ledger.records(connection, [o.file_id for o in others])
    connection.commit()
    return tuple(settled)
