"""Loads that do not succeed: the file fails, is retried, or waits for the version that is there now."""

from collections.abc import Sequence
from contextlib import suppress

import psycopg

from shifts_core.landing.errors import LandingZoneError
from shifts_pipeline.storage import ledger, load_errors, transitions
from shifts_pipeline.storage.ledger import FileRecord
from shifts_pipeline.storage.load_context import LoadContext, LoadResult


def commit(record: FileRecord, context: LoadContext) -> FileRecord:
    """Commits, and returns the record as it is then."""
    (after,) = ledger.records(context.connection, [record.file_id])
    context.connection.commit()
    return after


def fail(record: FileRecord, context: LoadContext, error: str) -> LoadResult:
    """Ends a version that cannot be loaded; the rows of an earlier version stay."""
    context.connection.rollback()
    _fail(record, context, error, is_gone=False)
    return LoadResult(commit(record, context), None)


def leave_open(record: FileRecord, context: LoadContext, error: BaseException) -> None:
    """Records why an attempt failed, for the next one. Without a database the released lock has to do."""
    with suppress(psycopg.Error):
        context.connection.rollback()
        if record.status == "loaded":
            transitions.fail_reload(context.connection, record.file_id, describe(error))
            context.connection.commit()
        elif isinstance(error, Exception) and not (
            load_errors.is_outage(error) or load_errors.is_exhaustion(error)
        ):
            ledger.record_error(context.connection, record.file_id, describe(error))
            context.connection.commit()
        else:
            retry([record], context, error)


def retry(records: Sequence[FileRecord], context: LoadContext, error: BaseException) -> None:
    """Queues files again whose attempt failed because of infrastructure.

    An outage affects every file of the run, and none of them is the cause: the queued ones wait, too.
    """
    counts = load_errors.is_exhaustion(error)
    transitions.retry(
        context.connection,
        [record.file_id for record in records],
        describe(error),
        counts=counts,
        run_request_id=None if counts else context.run_request_id,
    )
    context.connection.commit()


def await_changed_file(record: FileRecord, context: LoadContext) -> LoadResult:
    """The file was written to while it was read: its record waits for the version that is complete."""
    connection = context.connection
    connection.rollback()
    file = context.zone.find(record.name)
    if record.status == "loaded":
        return LoadResult(record, None)
    if file is None:
        error = f"{record.name} was removed while it was read: drop it again"
        _fail(record, context, error, is_gone=True)
    elif any(v.version == file.version for v in ledger.versions_of(connection, record.name)):
        transitions.supersede(
            connection, [record.file_id], error="replaced while it was read", run_id=context.run_id
        )
    else:
        transitions.await_version(connection, record.file_id, file)
    return LoadResult(commit(record, context), None)


def describe(error: BaseException) -> str:
    """The message of an error, for the ledger."""
    is_sentence = isinstance(error, LandingZoneError)
    return storable(str(error) if is_sentence else f"{type(error).__name__}: {error}")


def storable(error: str) -> str:
    """Replaces what a message may quote from a file and PostgreSQL cannot store: NUL characters."""
    return error.replace("\0", "\N{REPLACEMENT CHARACTER}")


def _fail(record: FileRecord, context: LoadContext, error: str, *, is_gone: bool) -> None:
    error = storable(error.removeprefix(f"{record.name}: "))
    if record.status == "loaded":
        transitions.fail_reload(context.connection, record.file_id, error)
    else:
        transitions.fail(context.connection, [record.file_id], error, run_id=context.run_id, is_gone=is_gone)
