"""The landing zone as routes use it: uploads run in threads, and its errors become statuses."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from typing import TypeVar

from shifts_api.web.errors import ApiError
from shifts_core.landing.errors import InvalidPath, LandingZoneError, LandingZoneFull
from shifts_core.landing.names import check_client_path
from shifts_core.landing.reference_files import reference_folder
from shifts_core.landing.retry_options import RetryOptions
from shifts_core.landing.zone import FileReference, LandingZone

RETRY_OPTIONS = RetryOptions(deadline_s=20.0, max_delay_s=4.0, connect_timeout_s=5.0, read_timeout_s=15.0)
"""For requests to a bucket while a client waits."""
_WRITE_BYTES = 1024**2
_log = logging.getLogger(__name__)
_Entered = TypeVar("_Entered")


async def receive(zone: LandingZone, name: str, chunks: AsyncIterator[bytes]) -> FileReference:
    """Writes an upload into the landing zone, whole or not at all.

    Returns:
        The version that was written, or the bare reference if the file is already gone again.

    Raises:
        ApiError: 400, the name is invalid or the file is empty; 503, the zone is unavailable; 507, it is full.
    """
    with landing_errors("name"):
        check_client_path(name)
        check_is_of_trips(name)
        async with _in_threads(zone.write(name)) as stream:
            pending, size = bytearray(), 0
            async for chunk in chunks:
                pending += chunk
                size += len(chunk)
                if len(pending) >= _WRITE_BYTES:
                    await asyncio.to_thread(stream.write, bytes(pending))
                    pending.clear()
            if size == 0:
                raise ApiError(400, "The file is empty")
            await asyncio.to_thread(stream.write, bytes(pending))
        return await asyncio.to_thread(zone.find, name) or zone.resolve(name)


def check_is_of_trips(name: str) -> None:
    """Refuses reference files, which the ledger of trip files does not have.

    Raises:
        InvalidPath: the name is one of a reference file.
    """
    if folder := reference_folder(name):
        raise InvalidPath(f"{name!r} is a file of {folder}: copy it into the landing zone")


@contextmanager
def landing_errors(field: str) -> Iterator[None]:
    """Turns errors of the landing zone into responses.

    Args:
        field: where the client wrote the path, for the message.

    Raises:
        ApiError: 400, the path is invalid; 503, the zone is unavailable; 507, it is full.
    """
    try:
        yield
    except InvalidPath as error:
        raise ApiError(400, f"{field}: {error}") from None
    except LandingZoneFull:
        raise ApiError(507, "The landing zone is full") from None
    except LandingZoneError as error:
        _log.warning("the landing zone is unavailable", extra={"error": str(error)})
        raise ApiError(503, "The landing zone is away, try again", {"Retry-After": "10"}) from None


@asynccontextmanager
async def _in_threads(manager: AbstractContextManager[_Entered]) -> AsyncIterator[_Entered]:
    """Enters and leaves a context manager in threads; a cancelled task leaves it too."""
    entered = await asyncio.to_thread(manager.__enter__)
    try:
        yield entered
    except BaseException:
        await asyncio.to_thread(manager.__exit__, *sys.exc_info())
        raise
    await asyncio.to_thread(manager.__exit__, None, None, None)
