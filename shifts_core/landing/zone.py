"""The interface of a landing zone, and how it describes a file."""

from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import BinaryIO, Protocol


@dataclass(frozen=True)
class FileReference:
    """Where a file lies, whatever its version."""

    name: str
    """Path below the landing zone, with `/` between its parts."""
    uri: str


@dataclass(frozen=True)
class LandedFile(FileReference):
    """One version of a file in the landing zone."""

    version: str
    """Changes whenever the bytes may have changed."""
    size: int
    """In bytes."""


def ignore(name: str, reason: str) -> None:
    """Does nothing with the entries that a listing skips."""


class LandingZone(Protocol):
    """A place where files are dropped, and from which they are read.

    Files are ignored while their names start with `.` or end in `.tmp` or `.part`, or while they lie in a folder
    whose name starts with `.`. Files with other suffixes than those of trip files are listed: the loader reports
    them.
    """

    def list_files(self, on_skipped: Callable[[str, str], None] = ignore) -> Iterator[LandedFile]:
        """Every complete file, in any order.

        Args:
            on_skipped: called with the printable name and the reason of each entry that cannot be a trip file
                or cannot be read; all other entries are listed.

        Raises:
            LandingZoneUnavailable: the zone itself cannot be read.
        """
        ...

    def find(self, name: str) -> LandedFile | None:
        """The current version of a file, complete or not; None if it does not exist.

        Raises:
            InvalidPath: the name leads out of the zone.
            LandingZoneUnavailable: the zone cannot be reached.
            LandingZoneError: the file cannot be read.
        """
        ...

    def open(self, file: LandedFile) -> AbstractContextManager[BinaryIO]:
        """A seekable stream of the bytes of exactly this version.

        Raises:
            FileChanged: the file is gone or has another version by now.
            LandingZoneUnavailable: the zone cannot be reached.
            DamagedTransfer: other bytes arrived than are stored.
            LandingZoneError: this file cannot be read.
        """
        ...

    def write(self, name: str) -> AbstractContextManager[BinaryIO]:
        """A stream whose bytes appear under `name`, whole, when the block ends without an exception.

        Raises:
            InvalidPath: no file can have this name here.
            LandingZoneFull: the zone has no space left.
            LandingZoneUnavailable: the zone cannot be written to.
        """
        ...

    def resolve(self, path: str) -> FileReference:
        """The file that a client names: by its path below the zone, or by its full path or URL.

        Raises:
            InvalidPath: it leads out of the zone, or there is no such file.
            LandingZoneUnavailable: the zone cannot be reached.
        """
        ...

    def delete(self, name: str, versions: Collection[str]) -> None:
        """Deletes a file if it has one of these versions, and where a zone keeps replaced versions, all older ones.

        Any other version stays; it does nothing if there is no such file.

        Raises:
            LandingZoneUnavailable: the zone cannot be reached, or refuses it.
            LandingZoneError: the file cannot be deleted.
        """
        ...

    def delete_partial_uploads(self) -> None:
        """Deletes what `write` of a killed process left; uploads in progress are kept."""
        ...
