"""What the file system says about a file of a landing folder: its version, and whose fault an error is."""

import os
import stat
from errno import EACCES, EISDIR, ELOOP, ENAMETOOLONG, ENXIO, EPERM

from shifts_core.landing.errors import FileChanged, LandingZoneError, LandingZoneUnavailable
from shifts_core.landing.zone import LandedFile

_ERRORS_OF_ONE_FILE = {EACCES, EPERM, EISDIR, ELOOP, ENAMETOOLONG, ENXIO}
"""All other errors (EIO, ESTALE, EMFILE …) concern the machine."""


def read_error(error: OSError, name: str) -> LandingZoneError:
    """The error of the landing zone for a failed system call."""
    kind = LandingZoneError if error.errno in _ERRORS_OF_ONE_FILE else LandingZoneUnavailable
    return kind(f"{name} cannot be read: {error.strerror}")


def version_of(status: os.stat_result) -> str:
    """The version of a file, by its modification time and size."""
    return f"{status.st_mtime_ns}-{status.st_size}"


def check_version(file: LandedFile, status: os.stat_result) -> None:
    """Refuses a file that has another version by now.

    Raises:
        FileChanged: it has.
    """
    if not stat.S_ISREG(status.st_mode) or version_of(status) != file.version:
        raise FileChanged(f"{file.name} changed while it was read")
