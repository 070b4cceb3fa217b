"""The ledger: what was taken in and what became of it; and files on their way in."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shifts_api.access.idempotency import IdempotencyKey, fingerprint
from shifts_api.access.writers import Writer
from shifts_api.queries.database import Pools, Snapshot
from shifts_api.queries.files import find_by_key, queue_file
from shifts_api.web.errors import ApiError, responses
from shifts_api.web.pagination import MAX_ID, Cursor, Limit, cut, link_next, read_cursor, write_cursor
from shifts_api.web.parameters import TASK
from shifts_api.web.uploads import receive
from shifts_core.landing.names import MAX_NAME_BYTES, SUFFIXES
from shifts_core.landing.zone import LandingZone

router = APIRouter(tags=["files"])

Status = Literal["queued", "loading", "loaded", "failed", "duplicate", "superseded"]
FileId = Annotated[int, Path(ge=1, le=MAX_ID, examples=[7])]
_TASK = "9f3a6c1e4b7d4f0a8c2e5d7b9a1c3e5f"
_COLUMNS = (
    "file_id, name, uri, status, rows_loaded, rows_rejected, task_id, run_id, queued_at, finished_at, error"
)


class File(BaseModel):
    """One file version, or one posted list of trips."""

    file_id: int
    name: str = Field(description="Path below the landing zone.", examples=["trips.csv"])
    uri: str
    status: Status
    rows_loaded: int
    rows_rejected: int
    task_id: str = Field(description="Is in every event of the feed that concerns the file.")
    run_id: str | None
    queued_at: datetime
    finished_at: datetime | None
    error: str | None = Field(description="Why it failed and what to mend.")


class Files(BaseModel):
    """A page of the ledger, newest first."""

    files: list[File]
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null on the last.")


class Queued(BaseModel):
    """The file is in the landing zone and queued."""

    file_id: int
    task_id: str = Field(description="Is in every event of the feed that concerns the file.")
    name: str = Field(examples=["trips.csv"])


class Reject(BaseModel):
    """A row of a file that is not among the trips."""

    line: int = Field(description="Line of the file on which the row begins; the header is 1.")
    reason: str
    raw: str


class Rejects(BaseModel):
    """A page of a file's rejects, by line."""

    rejects: list[Reject]
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null on the last.")


@router.get("/files", responses=responses(400), summary="The ledger")
async def files(
    connection: Snapshot,
    request: Request,
    response: Response,
    status: Annotated[Status | None, Query()] = None,
    task_id: Annotated[
        str | None, Query(pattern=TASK, description="Only the file of this task.", examples=[_TASK])
    ] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Files:
    """Everything that was dropped, uploaded, asked for or posted, newest first."""
    (before,) = read_cursor(cursor, (MAX_ID,))
    result = await connection.execute(
        text(
            f"""
            SELECT {_COLUMNS} FROM shifts_store.trip_files
            WHERE (CAST(:status AS text) IS NULL OR status = :status)
              AND (CAST(:task_id AS text) IS NULL OR task_id = :task_id)
              AND file_id < :before
            ORDER BY file_id DESC LIMIT :limit + 1
            """  # noqa: S608
        ),
        {"status": status, "task_id": task_id, "before": before, "limit": limit},
    )
    page, last = cut([File(**row) for row in result.mappings()], limit)
    next_cursor = write_cursor(last.file_id) if last else None
    link_next(request, response, next_cursor)
    return Files(files=page, next_cursor=next_cursor)


@router.post(
    "/files",
    status_code=202,
    responses=responses(400, 401, 403, 408, 413, 422, 507),
    openapi_extra={
        "requestBody": {
            "required": True,
            "description": "The file's bytes, streamed.",
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
    summary="Upload a file into the landing zone",
)
async def upload(
    request: Request,
    _: Writer,
    name: Annotated[
        str,
        Query(
            min_length=1,
            max_length=MAX_NAME_BYTES,
            description=f"Path below the landing zone; ends in {', '.join(SUFFIXES)}.",
            examples=["trips.csv"],
        ),
    ],
    idempotency_key: IdempotencyKey = None,
) -> Queued:
    """The file is there, whole, and queued when the answer is sent; a broken upload leaves nothing behind."""
    pools: Pools = request.app.state.pools
    zone: LandingZone = request.app.state.zone
    if request.headers.get("content-type", "").startswith("multipart/"):
        raise ApiError(400, "The body has to be the file itself, not a form: curl --data-binary @FILE")
    if request.headers.get("content-length", "0") == "0" and "transfer-encoding" not in request.headers:
        raise ApiError(400, "The file is empty")
    print_ = fingerprint(b"/files", name.encode())
    if (before := await find_by_key(pools.reads, idempotency_key, print_)) is not None:
        return Queued(file_id=before.file_id, task_id=before.task_id, name=name)
    file = await receive(zone, name, request.stream())
    entry = await queue_file(pools.writes, file, idempotency_key, print_)
    return Queued(file_id=entry.file_id, task_id=entry.task_id, name=name)


@router.get("/files/{file_id}", responses=responses(400, 404), summary="One file")
async def file(connection: Snapshot, file_id: FileId) -> File:
    """What became of a file."""
    return await _find(connection, file_id)


@router.get(
    "/files/{file_id}/rejects", responses=responses(400, 404), summary="The rows that are not among the trips"
)
async def rejects(
    connection: Snapshot,
    request: Request,
    response: Response,
    file_id: FileId,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Rejects:
    """Every rejected row with its line, its text and the reason."""
    await _find(connection, file_id)
    (after,) = read_cursor(cursor, (0,))
    result = await connection.execute(
        text(
            """
            SELECT line, reason, raw FROM shifts_store.rejected_rows
            WHERE file_id = :file_id AND line > :after ORDER BY line LIMIT :limit + 1
            """
        ),
        {"file_id": file_id, "after": after, "limit": limit},
    )
    page, last = cut([Reject(**row) for row in result.mappings()], limit)
    next_cursor = write_cursor(last.line) if last else None
    link_next(request, response, next_cursor)
    return Rejects(rejects=page, next_cursor=next_cursor)


async def _find(connection: AsyncConnection, file_id: int) -> File:
    result = await connection.execute(
        text(f"SELECT {_COLUMNS} FROM shifts_store.trip_files WHERE file_id = :file_id"),  # noqa: S608
        {"file_id": file_id},
    )
    row = result.mappings().one_or_none()
    if row is None:
        raise ApiError(404, f"File {file_id} not found")
    return File(**row)
