"""Errors as clients see them: a status and `{"message": …}`, never a stack trace."""

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException


class Message(BaseModel):
    """Every error's body."""

    message: str


class ApiError(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def install_error_handlers(app: FastAPI) -> None:
    """Gives every error its body."""

    @app.exception_handler(ApiError)
    async def _api_error(_: Request, error: ApiError) -> JSONResponse:
        return _answer(error.status, error.message)

    @app.exception_handler(RequestValidationError)
    async def _invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        return _answer(400, "; ".join(_describe(e) for e in error.errors()[:5]))

    @app.exception_handler(HTTPException)
    async def _http_error(_: Request, error: HTTPException) -> JSONResponse:
        return JSONResponse({"message": str(error.detail)}, error.status_code, headers=error.headers)

    @app.exception_handler(PoolTimeout)
    @app.exception_handler(OperationalError)
    async def _busy(_: Request, __: Exception) -> JSONResponse:
        return JSONResponse(
            {"message": "The database is busy or away, try again"}, 503, headers={"Retry-After": "2"}
        )


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The errors of a route, for its documentation."""
    return {status: {"model": Message} for status in (*statuses, 503)}


def _answer(status: int, message: str) -> JSONResponse:
    return JSONResponse({"message": message}, status)


def _describe(error: Any) -> str:
    place: Sequence[Any] = error["loc"]
    return f"{'.'.join(str(part) for part in place[1:]) or place[0]}: {error['msg']}"
