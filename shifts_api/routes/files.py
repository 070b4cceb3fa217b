"""The ledger of files and posted lists, their rejected rows, and uploads."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from shifts_api.access.idempotency import IdempotencyKey, fingerprint
from shifts_api.queries.database import Pools, Snapshot
from shifts_api.queries.files import FileFilter, find_by_key, queue_file, select_files
from shifts_api.web.errors import ApiError, responses
from shifts_api.web.identity import identity_of
from shifts_api.web.pagination import MAX_ID, Cursor, Limit, NextCursor, paginate, parse_cursor
from shifts_api.web.parameters import ID_PATTERN, RUN_ID, TASK_ID
from shifts_api.web.uploads import receive
from shifts_core.landing.names import MAX_NAME_BYTES, SUFFIXES
from shifts_core.landing.zone import LandingZone
from shifts_core.schema import views

router = APIRouter(tags=["files"])

Status = Literal["queued", "loading", "loaded", "failed", "duplicate", "superseded", "deleting", "deleted"]
FileId = Annotated[int, Path(ge=1, le=MAX_ID, examples=[7])]
TaskId = Annotated[
    str, Field(description="Part of every event of the feed that concerns the file.", examples=[TASK_ID])
]


class File(BaseModel):
    """One file version, or one posted list of trips."""

    file_id: int = Field(examples=[7])
    name: str = Field(description="Path below the landing zone.", examples=["trips.csv"])
    uri: str = Field(examples=["file:///srv/landing/trips.csv"])
    status: Status = Field(examples=["loaded"])
    rows_loaded: int | None = Field(
        description="null where `SHIFTS_MIN_COUNT` is set, except for admins.", examples=[186]
    )
    rows_rejected: int | None = Field(description="null as `rows_loaded`.", examples=[1])
    task_id: TaskId
    run_id: str | None = Field(examples=[RUN_ID])
    queued_at: datetime = Field(examples=["2026-11-23T20:59:57.120000Z"])
    finished_at: datetime | None = Field(examples=["2026-11-23T20:59:59.480000Z"])
    error: str | None = Field(description="Why it failed, and how to correct it.", examples=[None])
    deleted_by: str | None = Field(description="Who asked for its deletion.", examples=[None])


class Files(BaseModel):
    """A page of the ledger, newest first."""

    files: list[File]
    next_cursor: NextCursor = Field(examples=["7"])


class Queued(BaseModel):
    """The file is in the landing zone and queued."""

    file_id: int = Field(examples=[7])
    task_id: TaskId
    name: str = Field(examples=["trips.csv"])


class Reject(BaseModel):
    """A row of a file that was rejected."""

    line: int = Field(description="Line on which the row begins; the header is line 1.", examples=[188])
    reason: str = Field(examples=["3 fields of 5"])
    raw: str = Field(examples=["Turin,POINT (7.68 45.07)"])


class Rejects(BaseModel):
    """A page of a file's rejects, by line."""

    rejects: list[Reject]
    next_cursor: NextCursor = Field(examples=[None])


@router.get("/files", summary="The ledger")
async def list_files(
    connection: Snapshot,
    request: Request,
    response: Response,
    status: Annotated[Status | None, Query()] = None,
    task_id: Annotated[
        str | None, Query(pattern=ID_PATTERN, description="Only the file of this task.", examples=[TASK_ID])
    ] = None,
    name: Annotated[
        str | None,
        Query(max_length=MAX_NAME_BYTES, description="Only versions of this file.", examples=["trips.csv"]),
    ] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Files:
    """Every file that was dropped, uploaded or requested, and every posted list, newest first.

    A key that is limited to regions sees files that hold trips of its regions and of no other.
    """
    before = None if cursor is None else parse_cursor(cursor)[0]
    wanted = FileFilter(limit + 1, status=status, task_id=task_id, name=name, before=before)
    found = await _read(connection, request, wanted)
    page, next_cursor = paginate(request, response, found, limit, lambda file: (file.file_id,))
    return Files(files=page, next_cursor=next_cursor)


@router.post(
    "/files",
    status_code=202,
    responses=responses(408, 422, 507),
    openapi_extra={
        "requestBody": {
            "required": True,
            "description": "The file's bytes, streamed.",
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
    summary="Upload a file into the landing zone",
)
async def upload_file(
    request: Request,
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
    """The complete file is stored and queued before the answer is sent; an interrupted upload leaves no trace."""
    pools: Pools = request.app.state.pools
    zone: LandingZone = request.app.state.zone
    if request.headers.get("content-type", "").startswith("multipart/"):
        raise ApiError(400, "The body must be the file itself, not a form: curl --data-binary @FILE")
    if request.headers.get("content-length", "0") == "0" and "transfer-encoding" not in request.headers:
        raise ApiError(400, "The file is empty")
    print_ = fingerprint(b"/files", name.encode())
    queued = await find_by_key(pools.reads, idempotency_key, print_)
    if queued is None:
        file = await receive(zone, name, request.stream())
        queued = await queue_file(pools.writes, file, idempotency_key, print_)
    return Queued(file_id=queued.file_id, task_id=queued.task_id, name=name)


@router.get("/files/{file_id}", responses=responses(404), summary="One file")
async def get_file(connection: Snapshot, request: Request, file_id: FileId) -> File:
    """A file's status, the number of its rows, and its error."""
    return await _find(connection, request, file_id)


@router.get("/files/{file_id}/rejects", responses=responses(404), summary="The rejected rows of a file")
async def list_rejects(
    connection: Snapshot,
    request: Request,
    response: Response,
    file_id: FileId,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Rejects:
    """Every rejected row with its line, its text and the reason, by line."""
    file = await _find(connection, request, file_id)
    if file.status in ("deleting", "deleted"):
        raise ApiError(404, f"File {file_id} was deleted, and its rejects with it")
    (after,) = parse_cursor(cursor or "0")
    row = views.rejects.c
    statement = select(views.rejects).where(row.file_id == file_id, row.line > after).order_by(row.line)
    result = await connection.execute(statement.limit(limit + 1))
    found = [Reject.model_validate(reject) for reject in result.mappings()]
    page, next_cursor = paginate(request, response, found, limit, lambda reject: (reject.line,))
    return Rejects(rejects=page, next_cursor=next_cursor)


async def _find(connection: AsyncConnection, request: Request, file_id: int) -> File:
    for file in await _read(connection, request, FileFilter(file_id=file_id, limit=1)):
        return file
    raise ApiError(404, f"File {file_id} not found")


async def _read(connection: AsyncConnection, request: Request, wanted: FileFilter) -> list[File]:
    rights = identity_of(request).rights
    rows = (await connection.execute(select_files(wanted, rights))).mappings()
    withheld = {} if rights.min_count is None else dict.fromkeys(("rows_loaded", "rows_rejected"))
    return [File.model_validate({**row, **withheld}) for row in rows]
