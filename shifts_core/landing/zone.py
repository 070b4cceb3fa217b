"""The landing zone's interface, and which version of it a URL means."""

from collections.abc import Callable, Iterator
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


def ignore(name: str, reason: str) -> None:
    """Listens to nothing that a listing skips."""


class LandingZone(Protocol):
    """A place where files are dropped.

    Names that begin with `.` or end in `.tmp` or `.part`, or lie in a folder whose name begins with `.`, are
    not yet there. What is not a trip file by its suffix is listed too: the loader says what is wrong with it.
    """

    def list_files(self, on_skipped: Callable[[str, str], None] = ignore) -> Iterator[LandedFile]:
        """Every complete file, in any order.

        Args:
            on_skipped: called with the printable name and the reason of each entry that cannot be a trip file
                or cannot be read; all others are listed nevertheless.

        Raises:
            LandingZoneUnavailable: the zone itself cannot be read.
        """
        ...

    def find(self, name: str) -> LandedFile | None:
        """The file of that name as it is now, complete or not; None when there is none.

        Raises:
            LandingZoneUnavailable: the zone cannot be reached.
            LandingZoneError: the file cannot be read, or the name leads out of the zone.
        """
        ...

    def open(self, file: LandedFile) -> AbstractContextManager[BinaryIO]:
        """The bytes of exactly that version, streamed.

        Raises:
            FileChanged: the file is gone or has another version by now.
            LandingZoneUnavailable: the zone cannot be reached.
            DamagedTransfer: other bytes arrived than are stored.
            LandingZoneError: this file cannot be read.
        """
        ...

    def write(self, name: str) -> AbstractContextManager[BinaryIO]:
        """A stream whose bytes appear under `name`, whole, when the block ends without an exception."""
        ...


class LandingZoneError(Exception):
    """A file or name of the landing zone cannot be used; the message says what to mend."""


class LandingZoneUnavailable(LandingZoneError):  # noqa: N818  named as the HTTP status is
    """The zone cannot be reached or refuses access: no fault of any file, and worth another try."""


class DamagedTransfer(LandingZoneError):  # noqa: N818  an event
    """Other bytes arrived than are stored: worth a few more tries."""


class FileChanged(Exception):  # noqa: N818  an event, not a fault
    """The file was replaced or removed between listing and reading."""


def is_hidden(name: str) -> bool:
    """Whether a name says that its file is still being written or nobody's business."""
    return any(part.startswith(".") for part in name.split("/")) or name.endswith((".tmp", ".part"))


def printable(name: str) -> str:
    """A name of any bytes and characters as it can be shown and stored."""
    text = name.encode(errors="surrogateescape").decode(errors="backslashreplace")
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def open_landing_zone(url: str) -> LandingZone:
    """The landing zone at a folder's path, a `file://` URL or `gs://bucket/prefix`.

    Raises:
        LandingZoneError: the URL names neither.
    """
    if url.startswith("gs://"):
        # The cloud client takes two seconds to import; folders shall not pay for it.
        from shifts_core.landing.bucket import BucketLandingZone  # noqa: PLC0415

        return BucketLandingZone(url)
    if "://" in url and not url.startswith("file://"):
        raise LandingZoneError(f"landing zone {url!r}: neither a folder nor gs://bucket/prefix")
    from shifts_core.landing.folder import FolderLandingZone  # noqa: PLC0415

    return FolderLandingZone(Path(url.removeprefix("file://")))
