"""Errors as clients receive them: a status and `{"message": …}`, never a stack trace."""

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
METHODS = ("GET", "POST", "PUT", "DELETE")
"""That some route accepts."""
_KEY_REUSED, _NO_COPY = "SH422", "SH412"
"""SQLSTATEs of functions in `sql/trips_db/functions`: posting.sql and deletions.sql."""
_DOCUMENTED = {
    400: ("A parameter or the body is invalid", "Missing query parameters: nortest, region"),
    401: ("The API key is missing, wrong or revoked", "An API key is needed: Authorization: Bearer <key>"),
    403: ("The client may not do this", "This key is not for region Paris"),
    404: ("Not found", "File 7 not found"),
    408: ("The body did not arrive", "No part of the body arrived for 15 s"),
    409: ("Nothing would keep the trips", "copies: no other file has the bytes of trips.csv"),
    413: ("The body is too large", "The body is larger than 16777216 bytes"),
    414: ("The URL is too long", "The URL is longer than 8192 bytes"),
    421: (
        "The Host header is not a name of this service",
        "Host evil.example is not served here; SHIFTS_API_HOSTS names those that are",
    ),
    422: ("The idempotency key was used for another request", "Idempotency-Key: used for another request"),
    429: ("Too many wrong keys from this address", "Too many wrong keys, try again later"),
    431: ("The headers are too long", "The headers are longer than 32768 bytes"),
    500: ("A fault of the service", "Internal error"),
    503: ("Busy or unavailable, try again", "The database is busy or away, try again"),
    507: ("The landing zone is full", "The landing zone is full"),
}
"""Description and example message by status."""
_CONNECTION_CLASS = "08"
"""Of SQLSTATEs."""
_TYPE_MESSAGES = {
    "missing": "is missing",
    "int_parsing": "a whole number is needed",
    "int_from_float": "a whole number is needed",
    "int_parsing_size": "a smaller number is needed",
}
_PATTERN_MESSAGES = {
    "cursor": "the next_cursor of the previous page of this list is needed",
    "idempotency-key": "1 to 255 visible ASCII characters are needed",
    "last-event-id": "the id of an event is needed",
    "run_id": "the id of a run is needed",
    "task_id": "the id of a task is needed",
    "time": "a time of day like 08:00 or a window like 06:00-09:30 is needed",
    "types": "event types separated by commas are needed",
}
"""By parameter, instead of its regular expression."""


class Message(BaseModel):
    """The body of every error."""

    message: str = Field(examples=["Region Paris not found"])


class ApiError(Exception):
    """An error response."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers


def is_worker_away(error: BaseException | None) -> bool:
    """Whether the database answers, and its worker that holds what an error is about does not."""
    return isinstance(error, psycopg.Error) and (error.sqlstate or "").startswith(_CONNECTION_CLASS)


def install_error_handlers(app: FastAPI) -> None:
    """Answers every exception with a status and a message."""

    @app.exception_handler(ApiError)
    async def _api_error(_: Request, error: ApiError) -> JSONResponse:
        return answer(error.status, error.message, error.headers)

    @app.exception_handler(RequestValidationError)
    async def _invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        return answer(400, describe(error.errors()))

    @app.exception_handler(HTTPException)
    async def _http_error(request: Request, error: HTTPException) -> JSONResponse:
        headers = {"Allow": _allowed_methods(request)} if error.status_code == 405 else error.headers
        return answer(error.status_code, str(error.detail), headers)

    @app.exception_handler(ClientDisconnect)
    async def _disconnected(_: Request, __: Exception) -> JSONResponse:
        # No client reads this; it keeps the disconnect from counting as a fault.
        return answer(400, "The body is incomplete")

    @app.exception_handler(PoolTimeout)
    @app.exception_handler(DBAPIError)
    @app.exception_handler(psycopg.Error)
    async def _database_error(_: Request, error: Exception) -> JSONResponse:
        cause = error.orig if isinstance(error, DBAPIError) else error
        if isinstance(cause, psycopg.errors.QueryCanceled):
            return answer(503, "The query took too long, ask for less", {"Retry-After": "30"})
        if isinstance(cause, psycopg.errors.LockNotAvailable):
            return answer(503, "Other writes hold the same weeks, try again", {"Retry-After": "5"})
        if isinstance(cause, psycopg.errors.InsufficientPrivilege):
            _log.error("the database refused what a route allowed", extra={"error": str(cause)})
            return answer(403, "This key may not do this")
        if isinstance(cause, psycopg.Error) and cause.sqlstate == _KEY_REUSED:
            return answer(422, "Idempotency-Key: used for another request")
        if isinstance(cause, psycopg.Error) and cause.sqlstate == _NO_COPY:
            return answer(409, f"copies: {cause.diag.message_primary}")
        if not isinstance(cause, (PoolTimeout, psycopg.OperationalError, psycopg.InterfaceError)):
            raise error
        if is_worker_away(cause):
            _log.warning("a worker of the database does not answer", extra={"error": type(error).__name__})
            return answer(503, "The server that holds the region is away, try again", {"Retry-After": "5"})
        _log.warning("the database does not answer", extra={"error": type(error).__name__})
        return answer(503, "The database is busy or away, try again", {"Retry-After": "2"})

    @app.exception_handler(Exception)
    async def _fault(_: Request, __: Exception) -> JSONResponse:
        return answer(500, "Internal error")


def _allowed_methods(request: Request) -> str:
    """The methods of a path; Starlette names those of the first matching route only."""
    routes = request.app.routes
    scopes = [{**request.scope, "method": method} for method in METHODS]
    return ", ".join(
        scope["method"] for scope in scopes if any(route.matches(scope)[0] is Match.FULL for route in routes)
    )


def answer(status: int, message: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """The response to an error."""
    return JSONResponse({"message": message}, status, headers=headers)


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The documentation of error responses; those of every route are declared once, in `app.py`."""
    return {
        status: {
            "model": Message,
            "description": _DOCUMENTED[status][0],
            "content": {"application/json": {"example": {"message": _DOCUMENTED[status][1]}}},
        }
        for status in statuses
    }


def describe(errors: Sequence[Any]) -> str:
    """The first five validation errors, each with its location."""
    return "; ".join(_describe(error) for error in errors[:5])


def _describe(error: Any) -> str:
    location: Sequence[Any] = error["loc"]
    if len(location) > 1 and location[0] in ("query", "path", "header", "body"):
        location = location[1:]
    message = _TYPE_MESSAGES.get(error["type"]) or str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "string_pattern_mismatch" and location:
        message = _PATTERN_MESSAGES.get(str(location[-1]), message)
    return f"{'.'.join(map(str, location))}: {message}" if location else message
