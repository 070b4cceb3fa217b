"""Uploads into a landing folder: locked partial files, and the errors of writing them."""

import fcntl
import io
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EDQUOT, ENAMETOOLONG, ENOSPC
from pathlib import Path
from typing import TYPE_CHECKING

from shifts_core.landing.errors import InvalidPath, LandingZoneFull, LandingZoneUnavailable

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class PartialFile(io.FileIO):
    """A partial file whose failed writes raise errors of the landing zone, unlike those of the data's source."""

    def write(self, data: "ReadableBuffer") -> int:
        """Writes some or all of the data, and returns the number of bytes."""
        with translate_write_errors("the file"):
            return super().write(data)


def create_partial(folder: Path) -> tuple[Path, "io.BufferedWriter[PartialFile]"]:
    """A new file in the folder; its lock protects it from `delete_unlocked` in another process."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{uuid.uuid4().hex}.part"
    while True:
        stream = io.BufferedWriter(PartialFile(path, "xb"))
        fcntl.flock(stream, fcntl.LOCK_EX)
        if os.fstat(stream.fileno()).st_nlink:
            return path, stream
        # It was deleted before it was locked.
        stream.close()


def delete_unlocked(folder: Path) -> None:
    """Deletes the partial files that no process is writing."""
    for partial in folder.glob("*.part"):
        with partial.open("rb") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            partial.unlink(missing_ok=True)


@contextmanager
def translate_write_errors(name: str) -> Iterator[None]:
    """Turns a failed system call into an error of the landing zone.

    Raises:
        LandingZoneFull: the disk or the quota has no space left.
        InvalidPath: the file system refuses so long a name.
        LandingZoneUnavailable: for any other error.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (ENOSPC, EDQUOT):
            raise LandingZoneFull("the landing zone is full") from error
        if error.errno == ENAMETOOLONG:
            raise InvalidPath("too long for the landing zone") from error
        raise LandingZoneUnavailable(f"{name} cannot be written: {error.strerror}") from error
