"""The landing zone's interface, and which version of it a URL means."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

SUFFIXES = (".csv", ".csv.gz", ".parquet")


@dataclass(frozen=True)
class LandedFile:
    """One complete file in the landing zone."""

    name: str
    """Path below the landing zone, with `/` between its parts."""
    uri: str
    version: str
    """Changes whenever the bytes may have changed."""
    size: int


class LandingZone(Protocol):
    """A place where files are dropped.

    Names that begin with `.` or end in `.tmp` or `.part`, or lie in a folder whose name begins with `.`, are
    not yet there. What is not a trip file by its suffix is listed too: the loader says what is wrong with it.
    """

    def list_files(self) -> Iterator[LandedFile]:
        """Every complete file, in any order.

        Raises:
            LandingZoneError: the zone cannot be read.
        """
        ...

    def find(self, name: str) -> LandedFile | None:
        """The file of that name as it is now, complete or not; None when there is none.

        Raises:
            LandingZoneError: the zone cannot be read, or the name leads out of it.
        """
        ...

    def open(self, file: LandedFile) -> AbstractContextManager[BinaryIO]:
        """The bytes of exactly that version, streamed.

        Raises:
            FileChanged: the file is gone or has another version by now.
            LandingZoneError: the zone cannot be read.
        """
        ...

    def write(self, name: str) -> AbstractContextManager[BinaryIO]:
        """A stream whose bytes appear under `name`, whole, when the block ends without an exception."""
        ...


class LandingZoneError(Exception):
    """The landing zone cannot be used; the message says what to mend."""


class FileChanged(Exception):  # noqa: N818  an event, not a fault
    """The file was replaced or removed between listing and reading."""


def is_hidden(name: str) -> bool:
    """Whether a name says that its file is still being written or nobody's business."""
    return any(part.startswith(".") for part in name.split("/")) or name.endswith((".tmp", ".part"))


def open_landing_zone(url: str) -> LandingZone:
    """The landing zone at a folder's path, a `file://` URL or `gs://bucket/prefix`.

    Raises:
        LandingZoneError: the URL names neither.
    """
    if url.startswith("gs://"):
        # The cloud client takes two seconds to import; folders shall not pay for it.
        from shifts_pipeline.landing.bucket import BucketLandingZone  # noqa: PLC0415

        return BucketLandingZone(url)
    if "://" in url and not url.startswith("file://"):
        raise LandingZoneError(f"landing zone {url!r}: neither a folder nor gs://bucket/prefix")
    from shifts_pipeline.landing.folder import FolderLandingZone  # noqa: PLC0415

    return FolderLandingZone(Path(url.removeprefix("file://")))
