"""The ledger: what was taken in and what became of it; and the regions."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field
from sqlalchemy import text

from shifts_api.database import Snapshot
from shifts_api.errors import ApiError, responses

router = APIRouter()

Status = Literal["queued", "loading", "loaded", "failed", "duplicate", "superseded"]
Id = Annotated[int, Path(ge=1, le=2**53)]
Limit = Annotated[int, Query(ge=1, le=1000)]


class File(BaseModel):
    """One file version, or one posted list of trips."""

    file_id: int
    name: str
    uri: str
    status: Status
    rows_loaded: int
    rows_rejected: int
    task_id: str
    run_id: str | None
    queued_at: datetime
    finished_at: datetime | None
    error: str | None


class Files(BaseModel):
    """A page of the ledger, newest first."""

    files: list[File]
    next_cursor: int | None = Field(description="Give it as `cursor` for the next page; null on the last.")


class Reject(BaseModel):
    """A row of a file that is not among the trips."""

    line: int
    reason: str
    raw: str


class Rejects(BaseModel):
    """A page of a file's rejects, by line."""

    rejects: list[Reject]
    next_cursor: int | None


class Region(BaseModel):
    """A region with what it holds."""

    region: str
    trips: int
    first_at: datetime | None
    last_at: datetime | None


class Regions(BaseModel):
    """All regions by name."""

    regions: list[Region]


@router.get("/regions", tags=["statistics"], responses=responses(), summary="The regions and what they hold")
async def regions(connection: Snapshot) -> Regions:
    """Trips, first and last trip of every region."""
    result = await connection.execute(
        text(
            "SELECT r.name AS region, coalesce(sum(f.trips), 0)::bigint AS trips,"
            " min(f.first_at) AS first_at, max(f.last_at) AS last_at"
            " FROM shifts_store.regions r LEFT JOIN shifts_store.week_files f USING (region_id)"
            " GROUP BY r.name ORDER BY r.name"
        )
    )
    return Regions(regions=[Region(**row) for row in result.mappings()])


@router.get("/files", tags=["files"], responses=responses(400), summary="The ledger")
async def files(
    connection: Snapshot,
    status: Annotated[Status | None, Query()] = None,
    limit: Limit = 100,
    cursor: Annotated[int | None, Query(ge=1, le=2**53)] = None,
) -> Files:
    """Everything that was dropped or posted, newest first."""
    rows = await _rows(
        connection,
        "SELECT * FROM shifts.files WHERE (CAST(:status AS text) IS NULL OR status = :status)"
        " AND (CAST(:cursor AS bigint) IS NULL OR file_id < :cursor) ORDER BY file_id DESC LIMIT :limit",
        status=status,
        cursor=cursor,
        limit=limit,
    )
    page = [File(**row) for row in rows]
    return Files(files=page, next_cursor=page[-1].file_id if len(page) == limit else None)


@router.get("/files/{file_id}", tags=["files"], responses=responses(400, 404), summary="One file")
async def file(connection: Snapshot, file_id: Id) -> File:
    """What became of a file."""
    rows = await _rows(connection, "SELECT * FROM shifts.files WHERE file_id = :id", id=file_id)
    if not rows:
        raise ApiError(404, f"File {file_id} not found")
    return File(**rows[0])


@router.get(
    "/files/{file_id}/rejects",
    tags=["files"],
    responses=responses(400, 404),
    summary="A file's rejected rows",
)
async def rejects(
    connection: Snapshot,
    file_id: Id,
    limit: Limit = 100,
    cursor: Annotated[int, Query(ge=0, le=2**53)] = 0,
) -> Rejects:
    """Every row that is not among the trips, with its line, its text and the reason."""
    await file(connection, file_id)
    rows = await _rows(
        connection,
        "SELECT line, reason, raw FROM shifts.rejects WHERE file_id = :id AND line > :cursor"
        " ORDER BY line LIMIT :limit",
        id=file_id,
        cursor=cursor,
        limit=limit,
    )
    page = [Reject(**row) for row in rows]
    return Rejects(rejects=page, next_cursor=page[-1].line if len(page) == limit else None)


async def _rows(connection: Snapshot, statement: str, **values: Any) -> list[dict[str, Any]]:
    result = await connection.execute(text(statement), values)
    return [dict(row) for row in result.mappings()]
