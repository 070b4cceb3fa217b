"""A bucket of Google Cloud Storage as landing zone; the only place of the service that asks it."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from functools import cached_property
from typing import Any, TypeVar

import requests
from google.api_core.exceptions import GoogleAPIError
from google.auth.exceptions import GoogleAuthError
from google.cloud.storage import Blob, Bucket, Client
from google.cloud.storage.exceptions import DataCorruption, InvalidResponse
from google.cloud.storage.fileio import BlobWriter
from google.cloud.storage.retry import DEFAULT_RETRY

from shifts_api.web.errors import ApiError
from shifts_core.landing.names import checked_name
from shifts_core.landing.writer import NamedFile, copy

CHUNK_BYTES = 8 * 1024**2
"""What one request takes."""
PATIENCE_S = 20.0
"""How long one request is repeated while a client waits."""
_URL = re.compile(r"gs://([^/]+)(?:/(.*?))?/?", re.DOTALL)
_FAULTS = (GoogleAPIError, GoogleAuthError, InvalidResponse, DataCorruption, requests.RequestException)
_log = logging.getLogger(__name__)
Result = TypeVar("Result")


class BucketInbox:
    """The objects below `gs://bucket/prefix`; an object appears whole when its upload is completed."""

    def __init__(self, url: str) -> None:
        match = _URL.fullmatch(url)
        if match is None:
            raise ValueError(f"landing zone {url!r}: not of the form gs://bucket/prefix")
        self._bucket_name = match[1]
        self._prefix = f"{match[2]}/" if match[2] else ""
        self._root = f"gs://{self._bucket_name}/{self._prefix}"

    def named(self, path: str) -> NamedFile:
        """An object's URL, or its path below the prefix; whether it is there shows when it is loaded."""
        name = checked_name(path.removeprefix(self._root), "data")
        return NamedFile(name, self._root + name)

    async def receive(self, name: str, chunks: AsyncIterator[bytes]) -> NamedFile:
        """A resumable upload that is completed by its last request, or dropped."""
        key = self._prefix + checked_name(name, "name")
        upload = await _ask(lambda: _begin(self._bucket.blob(key)))
        try:
            await copy(chunks, lambda piece: _told(lambda: upload.write(piece)))
            await _ask(upload.close)
        except BaseException:
            await asyncio.to_thread(_drop, upload)
            raise
        stored: Blob | None = await _ask(lambda: self._bucket.get_blob(key, **_patience()))
        if stored is None:
            return NamedFile(name, self._root + name)
        return NamedFile(name, self._root + name, str(stored.generation), stored.size)

    def forget_broken_uploads(self) -> None:
        """Nothing to do: an upload that is never completed is no object."""

    @cached_property
    def _bucket(self) -> Bucket:
        return Client(project=None).bucket(self._bucket_name)


def _begin(blob: Blob) -> BlobWriter:
    writer: BlobWriter = blob.open("wb", chunk_size=CHUNK_BYTES, ignore_flush=True, **_patience())
    return writer


def _patience() -> dict[str, Any]:
    retry = DEFAULT_RETRY.with_delay(initial=0.25, multiplier=2.0, maximum=4.0).with_timeout(PATIENCE_S)
    return {"timeout": (5.0, 15.0), "retry": retry}


async def _ask(request: Callable[[], Result]) -> Result:
    return await asyncio.to_thread(_told, request)


def _told(request: Callable[[], Result]) -> Result:
    """Turns the client's many exceptions into one answer. Their texts hold the upload's address, a secret."""
    try:
        return request()
    except _FAULTS as error:
        status = getattr(getattr(error, "response", None), "status_code", None)
        _log.warning("no answer from the bucket", extra={"error": type(error).__name__, "status": status})
        raise ApiError(503, "The landing zone is away, try again", {"Retry-After": "10"}) from None


def _drop(upload: BlobWriter) -> None:
    """Ends an upload without completing it; one left open would be completed by the garbage collector."""
    with suppress(*_FAULTS):
        upload.terminate()
    upload._buffer.close()
