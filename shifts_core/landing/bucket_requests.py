"""Requests to a bucket: how large, how often repeated, and which error stands for a failed one."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import requests
from google.api_core.exceptions import GoogleAPIError, RetryError
from google.auth.exceptions import GoogleAuthError
from google.cloud.storage.exceptions import DataCorruption, InvalidResponse
from google.cloud.storage.retry import DEFAULT_RETRY

from shifts_core.landing.errors import DamagedTransfer, LandingZoneUnavailable
from shifts_core.landing.retry_options import RetryOptions

CHUNK_BYTES = 8 * 1024**2
"""Size of one request's data: large enough to hide its latency, small enough for any worker."""
CLIENT_ERRORS = (GoogleAPIError, GoogleAuthError, InvalidResponse, DataCorruption, requests.RequestException)
"""What Google's client raises when a request fails."""


def request_arguments(retry: RetryOptions) -> dict[str, Any]:
    """The arguments `timeout` and `retry` of every request; errors that may pass are repeated."""
    return {
        "timeout": (retry.connect_timeout_s, retry.read_timeout_s),
        "retry": DEFAULT_RETRY.with_delay(
            initial=0.25, multiplier=2.0, maximum=retry.max_delay_s
        ).with_timeout(retry.deadline_s),
    }


@contextmanager
def translate_errors(what: str, retry: RetryOptions) -> Iterator[None]:
    """Turns the many exceptions of Google's client into one sentence, which holds no URL of a request.

    The URL of an upload is a secret: it lets everybody who knows it write.

    Raises:
        DamagedTransfer: the client found a wrong checksum.
        LandingZoneUnavailable: for any other error. The service is down, refuses access, or has no such bucket;
            none of these is the fault of a file.
    """
    try:
        yield
    except DataCorruption as error:
        raise DamagedTransfer(f"{what}: {_reason(error, retry)}") from error
    except CLIENT_ERRORS as error:
        raise LandingZoneUnavailable(f"{what}: {_reason(error, retry)}") from error


def _reason(error: BaseException, retry: RetryOptions) -> str:
    if isinstance(error, RetryError) and error.cause is not None:
        return f"{_reason(error.cause, retry)}, for {retry.deadline_s:g} s"
    response = getattr(error, "response", None)
    if response is not None:
        return _message(response)
    if isinstance(error, requests.ConnectionError) and error.request is not None:
        return f"{urlsplit(str(error.request.url)).netloc} cannot be reached"
    if isinstance(error, requests.RequestException):
        return type(error).__name__
    return str(error).partition("\n")[0]


def _message(response: requests.Response) -> str:
    try:
        return str(response.json()["error"]["message"])
    except (ValueError, LookupError, TypeError):
        return f"{response.status_code} {response.reason}"
