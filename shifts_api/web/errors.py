"""Errors as clients see them: a status and `{"message": …}`, never a stack trace."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match

_log = logging.getLogger(__name__)
_KEY_REUSED = "SH422"
"""SQLSTATE of functions in `sql/trips_db/functions/posting.sql`."""
_MEANINGS = {
    400: ("A parameter or the body is invalid", "Missing query parameters: nortest, region"),
    401: ("The API key is missing or wrong", "An API key is needed: Authorization: Bearer …"),
    403: ("Not allowed from here", "Without an API key writes are allowed from this machine only"),
    404: ("There is no such thing", "File 7 not found"),
    408: ("The body did not come", "The body does not come"),
    413: ("The body is too large", "The body is larger than 16777216 bytes"),
    414: ("The address is too long", "The address is longer than 8192 bytes"),
    421: (
        "The service has no such name",
        "Host evil.example is not served here; SHIFTS_API_HOSTS names those that are",
    ),
    422: ("The idempotency key was used for another request", "Idempotency-Key: used for another request"),
    431: ("The headers are too long", "The headers are longer than 32768 bytes"),
    500: ("A fault of the service", "Internal error"),
    503: ("Busy or away, try again", "The database is busy or away, try again"),
    507: ("The landing zone is full", "The landing zone is full"),
}
_NEEDED = {
    "missing": "is missing",
    "int_parsing": "a whole number is needed",
    "int_from_float": "a whole number is needed",
    "int_parsing_size": "a smaller number is needed",
}
_FORMS = {
    "cursor": "the next_cursor of this list's page before is needed",
    "idempotency-key": "1 to 255 visible ASCII characters are needed",
    "last-event-id": "the id of an event is needed",
    "run_id": "the id of a run is needed",
    "task_id": "the id of a task is needed",
    "time": "a time of day like 08:00 is needed",
    "types": "types of events separated by commas are needed",
}
"""What a pattern means, in words."""


class Message(BaseModel):
    """Every error's body."""

    message: str = Field(examples=["Region Paris not found"])


class ApiError(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers


def install_error_handlers(app: FastAPI) -> None:
    """Gives every error its body."""

    @app.exception_handler(ApiError)
    async def _api_error(_: Request, error: ApiError) -> JSONResponse:
        return answer(error.status, error.message, error.headers)

    @app.exception_handler(RequestValidationError)
    async def _invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        return answer(400, describe(error.errors()))

    @app.exception_handler(HTTPException)
    async def _http_error(request: Request, error: HTTPException) -> JSONResponse:
        headers = {"Allow": _allowed(request)} if error.status_code == 405 else error.headers
        return answer(error.status_code, str(error.detail), headers)

    @app.exception_handler(ClientDisconnect)
    async def _gone(_: Request, __: Exception) -> JSONResponse:
        # Nobody reads it; it keeps a client that went away from counting as a fault.
        return answer(400, "The body ended before its end")

    @app.exception_handler(PoolTimeout)
    @app.exception_handler(DBAPIError)
    @app.exception_handler(psycopg.Error)
    async def _database_error(_: Request, error: Exception) -> JSONResponse:
        cause = error.orig if isinstance(error, DBAPIError) else error
        if isinstance(cause, psycopg.errors.QueryCanceled):
            return answer(503, "The query took too long, ask for less", {"Retry-After": "30"})
        if isinstance(cause, psycopg.errors.LockNotAvailable):
            return answer(503, "Other writes hold the same weeks, try again", {"Retry-After": "5"})
        if isinstance(cause, psycopg.Error) and cause.sqlstate == _KEY_REUSED:
            return answer(422, "Idempotency-Key: used for another request")
        if not isinstance(cause, (PoolTimeout, psycopg.OperationalError, psycopg.InterfaceError)):
            raise error
        _log.warning("the database does not answer", extra={"error": type(error).__name__})
        return answer(503, "The database is busy or away, try again", {"Retry-After": "2"})

    @app.exception_handler(Exception)
    async def _fault(_: Request, __: Exception) -> JSONResponse:
        return answer(500, "Internal error")


def _allowed(request: Request) -> str:
    """The methods of a path, which may have several routes."""
    routes = request.app.routes
    asked = [{**request.scope, "method": method} for method in ("GET", "POST")]
    return ", ".join(
        scope["method"] for scope in asked if any(route.matches(scope)[0] is Match.FULL for route in routes)
    )


def answer(status: int, message: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """An error's response."""
    return JSONResponse({"message": message}, status, headers=headers)


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The documentation of error responses; those of every route are declared once in `app.py`."""
    return {
        status: {
            "model": Message,
            "description": _MEANINGS[status][0],
            "content": {"application/json": {"example": {"message": _MEANINGS[status][1]}}},
        }
        for status in statuses
    }


def describe(errors: Sequence[Any]) -> str:
    """The first few validation errors, each with the place that is wrong."""
    return "; ".join(_describe(error) for error in errors[:5])


def _describe(error: Any) -> str:
    place: Sequence[Any] = error["loc"]
    if len(place) > 1 and place[0] in ("query", "path", "header", "body"):
        place = place[1:]
    words = _NEEDED.get(error["type"]) or str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "string_pattern_mismatch" and place:
        words = _FORMS.get(str(place[-1]), words)
    return f"{'.'.join(str(part) for part in place)}: {words}" if place else words
