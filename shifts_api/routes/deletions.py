"""`DELETE /files/{file_id}`: asks for the deletion of a file and of all that was computed from it."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from shifts_api.queries.files import request_deletion
from shifts_api.routes.files import FileId, TaskId
from shifts_api.web.errors import ApiError, responses
from shifts_api.web.identity import identity_of

router = APIRouter(tags=["files"])


class Deleting(BaseModel):
    """The file will be deleted."""

    file_id: int = Field(examples=[7])
    task_id: TaskId
    name: str = Field(examples=["trips.csv"])
    copies: list[str] = Field(
        description="Other names that are deleted with it: the bytes are the same.", examples=[["copy.csv"]]
    )


@router.delete("/files/{file_id}", status_code=202, responses=responses(404, 409), summary="Delete a file")
async def delete_file(
    request: Request,
    file_id: FileId,
    copies: Annotated[
        Literal["delete", "keep"],
        Query(
            description="What becomes of files with the same bytes under other names: they are deleted, too, or one"
            " of them receives the trips."
        ),
    ] = "delete",
) -> Deleting:
    """All versions of the file, their trips and rejects, and all that was computed with them; or a posted list.

    The request is durable. The event `file.deleted` tells when all is gone. The ledger keeps a record, and refuses
    the same bytes from then on.
    """
    identity = identity_of(request)
    asked_by = (
        "a client on this machine" if identity.is_anonymous else f"the holder of the key {identity.name}"
    )
    deleted = await request_deletion(
        request.app.state.pools.writes, file_id, keep_copies=copies == "keep", asked_by=asked_by
    )
    if not deleted:
        raise ApiError(404, f"File {file_id} not found")
    first = deleted[0]
    others = sorted({file.name for file in deleted} - {first.name})
    return Deleting(file_id=first.file_id, task_id=first.task_id, name=first.name, copies=others)
