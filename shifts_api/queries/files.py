"""The ledger as the service writes it: queuing a file, and finding what an idempotency key was used for."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncEngine

from shifts_api.access.idempotency import one_request_a_key
from shifts_core.landing.zone import FileReference, LandedFile


@dataclass(frozen=True)
class Entry:
    """A file in the ledger."""

    file_id: int
    task_id: str


_QUEUE = text(
    "SELECT file_id, task_id FROM shifts_store.request_file(:uri, :name, :version, :size, :key, :print)"
)
_FIND = text("SELECT file_id, task_id FROM shifts_store.find_request(:key, :print)")


async def queue_file(pool: AsyncEngine, file: FileReference, key: str | None, print_: str) -> Entry:
    """Queues a file durably; a key that was used before leads to the file of that time.

    Raises:
        ApiError: 422, the key was used for another request.
    """
    version, size = (file.version, file.size) if isinstance(file, LandedFile) else (None, None)
    values = {
        "uri": file.uri,
        "name": file.name,
        "version": version,
        "size": size,
        "key": key,
        "print": print_,
    }
    entry = await _entry(pool, _QUEUE, values)
    if entry is None:
        raise RuntimeError("the ledger returned no row")
    return entry


async def find_by_key(pool: AsyncEngine, key: str | None, print_: str) -> Entry | None:
    """The file that a request with this key queued before.

    Raises:
        ApiError: 422, the key was used for another request.
    """
    return await _entry(pool, _FIND, {"key": key, "print": print_}) if key is not None else None


async def _entry(pool: AsyncEngine, statement: TextClause, values: dict[str, Any]) -> Entry | None:
    async with pool.begin() as connection:
        with one_request_a_key():
            row = (await connection.execute(statement, values)).one_or_none()
    return Entry(row.file_id, row.task_id) if row is not None else None
