"""How the bucket is asked: for how long, how often again, and what is said when it was in vain."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import requests
from google.api_core.exceptions import GoogleAPIError, RetryError
from google.auth.exceptions import GoogleAuthError
from google.cloud.storage.exceptions import DataCorruption, InvalidResponse
from google.cloud.storage.retry import DEFAULT_RETRY

from shifts_core.landing.zone import DamagedTransfer, LandingZoneUnavailable

CHUNK_BYTES = 8 * 1024**2
"""What one request brings or takes: large enough that its delay does not count, small enough for any worker."""
PATIENCE_S = 40.0
"""How long one request is repeated; a sensor's evaluation is ended after 60 s."""
FAULTS = (GoogleAPIError, GoogleAuthError, InvalidResponse, DataCorruption, requests.RequestException)
"""What the client raises when the service did not do as it was asked."""


def patience() -> dict[str, Any]:
    """Arguments of every request: repeated while the fault may pass, with growing pauses."""
    retry = DEFAULT_RETRY.with_delay(initial=0.25, multiplier=2.0, maximum=8.0).with_timeout(PATIENCE_S)
    return {"timeout": (10.0, 30.0), "retry": retry}


@contextmanager
def told(what: str) -> Iterator[None]:
    """Turns the client's many exceptions into one sentence.

    No answer of the service is a file's fault: it is down, or does not let us in, or the bucket is missing.

    Raises:
        DamagedTransfer: the client found a wrong checksum.
        LandingZoneUnavailable: caused by anything else that the client raised.
    """
    try:
        yield
    except DataCorruption as error:
        raise DamagedTransfer(f"{what}: {_reason(error)}") from error
    except FAULTS as error:
        raise LandingZoneUnavailable(f"{what}: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    if isinstance(error, RetryError) and error.cause is not None:
        return f"{_reason(error.cause)}, for {PATIENCE_S:g} s"
    response = getattr(error, "response", None)
    if response is not None:
        return _said(response)
    if isinstance(error, requests.ConnectionError) and error.request is not None:
        return f"{urlsplit(str(error.request.url)).netloc} cannot be reached"
    return str(error).partition("\n")[0]


def _said(response: requests.Response) -> str:
    try:
        return str(response.json()["error"]["message"])
    except (ValueError, LookupError, TypeError):
        return f"{response.status_code} {response.reason}"
