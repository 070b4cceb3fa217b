"""The audit trail, for admins."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy import select

from shifts_api.queries.database import Snapshot
from shifts_api.web.pagination import Cursor, Limit, NextCursor, paginate, parse_cursor
from shifts_core.schema.tables import audit_trail

router = APIRouter(tags=["access"])

Action = Literal["trips.read", "exported", "deleted", "key.added", "key.revoked"]


class AuditEntry(BaseModel):
    """Who did what."""

    entry_id: int = Field(examples=[42])
    recorded_at: datetime = Field(examples=["2026-11-23T20:59:57.120000Z"])
    action: Action = Field(examples=["trips.read"])
    actor: str = Field(description="Name of the key, or who worked on the machine.", examples=["planning"])
    client: str | None = Field(description="Address.", examples=["192.0.2.7"])
    target: str = Field(examples=["GET /api/v1/clusters/2776266860134401/trips"])
    region: str | None = Field(description="That the request named.", examples=["Turin"])
    request_id: str | None = Field(examples=["7c0a1f9e"])


class AuditTrail(BaseModel):
    """A page of the audit trail, newest first."""

    entries: list[AuditEntry]
    next_cursor: NextCursor = Field(examples=["42"])


@router.get("/audit", summary="The audit trail")
async def list_entries(
    connection: Snapshot,
    request: Request,
    response: Response,
    action: Annotated[Action | None, Query()] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> AuditTrail:
    """Who read single trips, exported, deleted or changed keys; kept for `SHIFTS_AUDIT_WEEKS`."""
    entry = audit_trail.c
    statement = select(audit_trail).order_by(entry.entry_id.desc()).limit(limit + 1)
    if action is not None:
        statement = statement.where(entry.action == action)
    if cursor is not None:
        statement = statement.where(entry.entry_id < parse_cursor(cursor)[0])
    found = [AuditEntry.model_validate(row) for row in (await connection.execute(statement)).mappings()]
    page, next_cursor = paginate(request, response, found, limit, lambda each: (each.entry_id,))
    return AuditTrail(entries=list(page), next_cursor=next_cursor)
