"""A folder as landing zone: what is complete there, and reading and writing it safely."""

import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from errno import EACCES, EISDIR, ELOOP, ENAMETOOLONG, ENXIO, EPERM
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote_from_bytes

from shifts_core.landing.zone import (
    FileChanged,
    LandedFile,
    LandingZoneError,
    LandingZoneUnavailable,
    ignore,
    is_hidden,
    printable,
)

SETTLED_AFTER_S = 3.0
"""A file nobody wrote to for so long is complete. What is renamed into place keeps its older time."""
_OF_THE_FILE = {EACCES, EPERM, EISDIR, ELOOP, ENAMETOOLONG, ENXIO}
"""Errors that say something about one file; any other (EIO, ESTALE, EMFILE …) says something about the machine."""


class FolderLandingZone:
    """The files below a folder; sub-folders are part of a file's name, symbolic links are not followed."""

    def __init__(self, root: Path, clock: Callable[[], float] = time.time) -> None:
        self._root = root.absolute()
        self._root_uri = self._root.as_uri().rstrip("/") + "/"
        self._clock = clock

    def list_files(self, on_skipped: Callable[[str, str], None] = ignore) -> Iterator[LandedFile]:
        """Every complete file: not hidden, and unchanged for `SETTLED_AFTER_S`.

        What cannot be read, or is no regular file, is skipped and named; only the root itself must be readable.
        """
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            entries = _sorted_entries(self._root)
        except OSError as error:
            raise LandingZoneUnavailable(f"landing folder {self._root}: {error.strerror}") from error
        # A stack and no recursion: folders may be nested deeper than functions.
        open_folders = [("", iter(entries))]
        while open_folders:
            prefix, rest = open_folders[-1]
            entry = next(rest, None)
            if entry is None:
                open_folders.pop()
                continue
            if is_hidden(entry.name):
                continue
            name = prefix + entry.name
            try:
                if entry.is_dir(follow_symlinks=False):
                    open_folders.append((name + "/", iter(_sorted_entries(entry))))
                elif (found := self._complete(entry, name, on_skipped)) is not None:
                    yield found
            except FileNotFoundError:
                continue  # it was removed meanwhile
            except OSError as error:
                on_skipped(printable(name), error.strerror or type(error).__name__)

    def _complete(
        self, entry: os.DirEntry[str], name: str, on_skipped: Callable[[str, str], None]
    ) -> LandedFile | None:
        if not entry.is_file(follow_symlinks=False):
            kind = "a symbolic link" if entry.is_symlink() else "no regular file"
            on_skipped(printable(name), f"it is {kind}")
            return None
        status = entry.stat(follow_symlinks=False)
        # A clock that was set back must not hide a file for ever.
        if abs(self._clock() - status.st_mtime) < SETTLED_AFTER_S:
            return None
        if not _is_text(name):
            on_skipped(printable(name), "its name is not UTF-8")
            return None
        return self._landed(name, status)

    def find(self, name: str) -> LandedFile | None:
        """The file of that name as it is now."""
        path = self._path(name)
        try:
            status = path.stat(follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError) as error:
            if not self._root.is_dir():
                raise LandingZoneUnavailable(f"landing folder {self._root} is not there") from error
            return None
        except OSError as error:
            raise _explained(error, f"{name} cannot be read") from error
        if not stat.S_ISREG(status.st_mode):
            raise LandingZoneError(f"{name} is no regular file")
        return self._landed(name, status)

    @contextmanager
    def open(self, file: LandedFile) -> Iterator[BinaryIO]:
        """The file's bytes; that they did not change is checked before and after."""
        path = self._path(file.name)
        try:
            # A pipe or a device put in its place would keep the loader waiting.
            flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
            stream = os.fdopen(os.open(path, flags), "rb")
        except FileNotFoundError as error:
            raise FileChanged(f"{file.name} is no longer in the landing zone") from error
        except OSError as error:
            raise _explained(error, f"{file.name} cannot be read") from error
        with stream:
            self._must_be(file, os.fstat(stream.fileno()))
            yield stream
            self._must_be(file, os.fstat(stream.fileno()))

    @contextmanager
    def write(self, name: str) -> Iterator[BinaryIO]:
        """Writes beside the final name, then renames: the file appears whole or not at all."""
        path = self._path(name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_name(f".{path.name}.{os.getpid()}.{time.monotonic_ns()}.part")
            stream = partial.open("xb")
        except OSError as error:
            raise _explained(error, f"{path} cannot be written") from error
        try:
            with stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            # Complete by construction: an older time lets the sensor take it at its next look.
            status = partial.stat()
            settled = status.st_mtime_ns - int(SETTLED_AFTER_S * 1e9)
            os.utime(partial, ns=(status.st_atime_ns, settled))
            partial.rename(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise

    def _path(self, name: str) -> Path:
        parts = name.split("/")
        if not name or "\0" in name or any(part in ("", ".", "..") for part in parts):
            raise LandingZoneError(f"{name!r} is not a path below the landing zone")
        path = self._root.joinpath(*parts)
        try:
            leads_out = path.parent.resolve() != self._root.resolve().joinpath(*parts[:-1])
            is_link = path.is_symlink()
        except OSError as error:
            raise _explained(error, f"{name} cannot be read") from error
        except RuntimeError as error:  # a loop of links, in Python before 3.13
            raise LandingZoneError(f"{name!r} is a link out of the landing zone") from error
        if leads_out or is_link:
            raise LandingZoneError(f"{name!r} is a link out of the landing zone")
        return path

    def _landed(self, name: str, status: os.stat_result) -> LandedFile:
        # The same as `(root / name).as_uri()`, at a tenth of its cost.
        uri = self._root_uri + quote_from_bytes(os.fsencode(name))
        return LandedFile(name, uri, _version(status), status.st_size)

    def _must_be(self, file: LandedFile, status: os.stat_result) -> None:
        if not stat.S_ISREG(status.st_mode) or _version(status) != file.version:
            raise FileChanged(f"{file.name} changed while it was read")


def _sorted_entries(folder: Path | os.DirEntry[str]) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return sorted(entries, key=lambda entry: entry.name)


def _explained(error: OSError, what: str) -> LandingZoneError:
    kind = LandingZoneError if error.errno in _OF_THE_FILE else LandingZoneUnavailable
    return kind(f"{what}: {error.strerror}")


def _version(status: os.stat_result) -> str:
    return f"{status.st_mtime_ns}-{status.st_size}"


def _is_text(name: str) -> bool:
    """Names that are not UTF-8 cannot become partition keys; they stay where they are."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
