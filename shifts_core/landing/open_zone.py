"""Opens the landing zone at a URL."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from shifts_core.landing.errors import LandingZoneError
from shifts_core.landing.folder import FolderLandingZone
from shifts_core.landing.retry_options import RetryOptions
from shifts_core.landing.zone import LandingZone

if TYPE_CHECKING:
    from google.cloud.storage import Client


def open_zone(
    url: str, connect: "Callable[[], Client] | None" = None, retry: RetryOptions | None = None
) -> LandingZone:
    """The landing zone at a folder's path, a `file://` URL or `gs://bucket/prefix`.

    Args:
        url: where files are dropped.
        connect: makes the client of Google Cloud Storage, at the first request to a bucket; the default uses the
            credentials of the environment.
        retry: limits of requests to a bucket.

    Raises:
        LandingZoneError: the URL has another form.
    """
    if url.startswith("gs://"):
        # Google's client takes two seconds to import; folders need none of it.
        from shifts_core.landing.bucket import BucketLandingZone  # noqa: PLC0415

        return BucketLandingZone(url, connect, retry or RetryOptions())
    if "://" in url and not url.startswith("file://"):
        raise LandingZoneError(f"landing zone {url!r}: neither a folder nor gs://bucket/prefix")
    return FolderLandingZone(Path(url.removeprefix("file://")))
