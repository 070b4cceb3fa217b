"""Files that are no longer in the landing zone when they are to be loaded."""

from collections.abc import Sequence

from shifts_pipeline.storage import failed_loads, ledger, transitions
from shifts_pipeline.storage.ledger import FileRecord
from shifts_pipeline.storage.load_context import LoadContext, LoadResult


class MissingFileError(Exception):
    """Neither the landing zone nor the ledger has a file of that name."""


def open_versions(name: str, context: LoadContext) -> list[FileRecord]:
    """The queued and loading versions of a name."""
    return [v for v in ledger.versions_of(context.connection, name) if v.is_open]


def settle_without_file(name: str, versions: Sequence[FileRecord], context: LoadContext) -> LoadResult:
    """Fails the open versions of a name whose file is gone; rows that were loaded from it stay."""
    if not any(v.is_open for v in versions):
        return LoadResult(next((v for v in versions if v.status == "loaded"), versions[0]), None)
    return fail_missing(name, context, f"{name} is no longer in the landing zone: drop it again")


def fail_missing(name: str, context: LoadContext, error: str) -> LoadResult:
    """Fails the open versions of a name.

    Raises:
        MissingFileError: there are none.
    """
    ids = [v.file_id for v in open_versions(name, context)]
    if not ids:
        raise MissingFileError(error)
    transitions.fail(
        context.connection, ids, failed_loads.storable(error), run_id=context.run_id, is_gone=True
    )
    newest, *others = ledger.records(context.connection, ids)
    context.connection.commit()
    return LoadResult(newest, None, tuple(others))
