"""The ledger: files that a key may see, a file to queue or delete, and the file of an idempotency key."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, FunctionElement, Select, Text, func, literal, select
from sqlalchemy import column as typed
from sqlalchemy.ext.asyncio import AsyncEngine

from shifts_core.access.rights import Rights
from shifts_core.landing.zone import FileReference, LandedFile
from shifts_core.schema import views


@dataclass(frozen=True)
class QueuedFile:
    """A file of the ledger."""

    file_id: int
    task_id: str


class DeletedFile(NamedTuple):
    """A record of the ledger that is deleted."""

    file_id: int
    task_id: str
    name: str


@dataclass(frozen=True)
class FileFilter:
    """Which files of the ledger to read, newest first; None accepts all."""

    limit: int
    file_id: int | None = None
    status: str | None = None
    task_id: str | None = None
    name: str | None = None
    before: int | None = None
    """Only files with smaller ids."""


def select_files(wanted: FileFilter, rights: Rights) -> Select[Any]:
    """Files of the ledger. For a limited key a function chooses them, in the database."""
    column = views.files.c
    if rights.is_limited:
        visible = func.shifts_store.visible_files(
            literal(wanted.file_id, BigInteger),
            literal(wanted.status, Text),
            literal(wanted.task_id, Text),
            literal(wanted.name, Text),
            literal(wanted.before, BigInteger),
            wanted.limit,
        ).table_valued(*(typed(each.name, each.type) for each in column))
        return select(visible).order_by(visible.c.file_id.desc())
    statement = select(views.files).order_by(column.file_id.desc()).limit(wanted.limit)
    for each, value in (
        (column.file_id, wanted.file_id),
        (column.status, wanted.status),
        (column.task_id, wanted.task_id),
        (column.name, wanted.name),
    ):
        if value is not None:
            statement = statement.where(each == value)
    return statement if wanted.before is None else statement.where(column.file_id < wanted.before)


async def queue_file(pool: AsyncEngine, file: FileReference, key: str | None, fingerprint: str) -> QueuedFile:
    """Queues a file durably; for a key that was used before, returns the file of the first request."""
    version, size = (file.version, file.size) if isinstance(file, LandedFile) else (None, None)
    row = await _read(
        pool, func.shifts_store.request_file(file.uri, file.name, version, size, key, fingerprint)
    )
    if row is None:
        raise RuntimeError("the ledger returned no row")
    return row


async def find_by_key(pool: AsyncEngine, key: str | None, fingerprint: str) -> QueuedFile | None:
    """The file that an earlier request with this key queued."""
    return None if key is None else await _read(pool, func.shifts_store.find_request(key, fingerprint))


async def request_deletion(
    pool: AsyncEngine, file_id: int, *, keep_copies: bool, asked_by: str
) -> Sequence[DeletedFile]:
    """Asks durably for the deletion of a file.

    Args:
        pool: for writes.
        file_id: of any version of the file.
        keep_copies: whether files of the same bytes under other names stay.
        asked_by: who asks, for the ledger.

    Returns:
        The records that are deleted, first that of the file; empty if there is no such file.
    """
    function = func.shifts_store.request_deletion(file_id, keep_copies, asked_by)
    result = function.table_valued(*DeletedFile._fields)
    async with pool.begin() as connection:
        return [DeletedFile(*row) for row in await connection.execute(select(result))]


async def _read(pool: AsyncEngine, function: FunctionElement[object]) -> QueuedFile | None:
    result = function.table_valued("file_id", "task_id")
    async with pool.begin() as connection:
        row = (await connection.execute(select(result.c.file_id, result.c.task_id))).one_or_none()
    return None if row is None else QueuedFile(*row)
