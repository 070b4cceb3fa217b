"""Sessions of pages: a cookie in place of the key, which a page need not keep."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from shifts_api.access.authentication import COOKIE, admit
from shifts_api.access.key_ring import KeyRing
from shifts_api.access.local_writers import check_local_writer
from shifts_api.queries.api_keys import end_session
from shifts_api.queries.database import Pools
from shifts_api.web.errors import ApiError, responses
from shifts_api.web.identity import Identity, identity_of
from shifts_core.access.rights import Role
from shifts_core.access.sessions import LIFETIME_S, new_session, sign

PATH = "/session"
router = APIRouter(tags=["access"])
public_router = APIRouter(tags=["access"])


class Credentials(BaseModel):
    """The key of a session to begin."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    key: Annotated[SecretStr, Field(min_length=1, max_length=1024, examples=["shifts_0c5e3a52_…"])]


class RightsOfClient(BaseModel):
    """What a client may do."""

    name: str | None = Field(description="Of the key; null without one.", examples=["planning"])
    role: Role = Field(examples=["reader"])
    regions: list[str] | None = Field(description="null for all regions.", examples=[["Turin"]])
    aggregates_only: bool = Field(examples=[False])


class SessionOfKey(RightsOfClient):
    """The session has begun; what its key may do."""

    name: str = Field(description="Of the key.", examples=["planning"])
    expires_at: datetime = Field(examples=["2026-11-24T08:59:57Z"])


class Ended(BaseModel):
    """The session has ended."""

    message: str = Field(examples=["Session ended"])


@public_router.post(PATH, status_code=201, responses=responses(401, 429), summary="Begin a session")
async def begin_session(request: Request, response: Response, credentials: Credentials) -> SessionOfKey:
    """Sets a cookie that stands for the key for twelve hours, for pages of this origin only."""
    keys: KeyRing = request.app.state.keys
    given = credentials.key.get_secret_value()
    identity = await admit(request, given, keys.find_key)
    session = new_session(identity.prefix, datetime.now(UTC).timestamp())
    response.set_cookie(
        COOKIE,
        sign(session, keys.session_secret(identity)),
        max_age=LIFETIME_S,
        path=_path(request),
        secure=_is_encrypted(request),
        httponly=True,
        samesite="strict",
    )
    response.headers["Cache-Control"] = "no-store"
    expires_at = datetime.fromtimestamp(session.expires_at, UTC)
    return SessionOfKey(**_rights(identity), name=identity.name, expires_at=expires_at)


@router.get(PATH, summary="What this client may do")
async def get_rights(request: Request) -> RightsOfClient:
    """The rights of the key or the session of the request, so that a page offers nothing that would be refused."""
    identity = identity_of(request)
    if not identity.is_anonymous:
        return RightsOfClient(**_rights(identity), name=identity.name)
    try:
        check_local_writer(request)
    except ApiError:
        return RightsOfClient(**_rights(identity) | {"role": "reader"}, name=None)
    return RightsOfClient(**_rights(identity) | {"role": "admin"}, name=None)


@router.delete(PATH, summary="End a session")
async def delete_session(request: Request, response: Response) -> Ended:
    """Ends the session of the cookie in all processes, with its streams."""
    session = identity_of(request).session
    if session is None:
        raise ApiError(400, "The request has no cookie of a session")
    pools: Pools = request.app.state.pools
    async with pools.writes.begin() as connection:
        await end_session(connection, session)
    response.delete_cookie(COOKIE, _path(request), httponly=True, samesite="strict")
    return Ended(message="Session ended")


def _rights(identity: Identity) -> dict[str, Any]:
    rights = identity.rights
    return {
        "role": rights.role,
        "regions": None if rights.regions is None else sorted(rights.regions),
        "aggregates_only": rights.aggregates_only,
    }


def _path(request: Request) -> str:
    return request.url.path.removesuffix(PATH)


def _is_encrypted(request: Request) -> bool:
    """Whether the client uses TLS. A proxy's header can make the cookie only stricter."""
    return "https" in (request.url.scheme, request.headers.get("x-forwarded-proto"))
