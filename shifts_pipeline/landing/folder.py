"""A folder as landing zone: what is complete there, and reading and writing it safely."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from shifts_pipeline.landing.zone import FileChanged, LandedFile, LandingZoneError, is_hidden

SETTLED_AFTER_S = 3.0
"""A file nobody wrote to for so long is complete. What is renamed into place keeps its older time."""


class FolderLandingZone:
    """The files below a folder; sub-folders are part of a file's name, symbolic links are not followed."""

    def __init__(self, root: Path, clock: Callable[[], float] = time.time) -> None:
        self._root = root.absolute()
        self._clock = clock

    def list_files(self) -> Iterator[LandedFile]:
        """Every complete file: not hidden, not empty of name, and unchanged for `SETTLED_AFTER_S`."""
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            yield from self._below(self._root, "")
        except OSError as error:
            raise LandingZoneError(f"landing folder {self._root}: {error.strerror}") from error

    def _below(self, folder: Path, prefix: str) -> Iterator[LandedFile]:
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda e: e.name):
                name = prefix + entry.name
                if is_hidden(entry.name):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    yield from self._below(Path(entry.path), name + "/")
                elif entry.is_file(follow_symlinks=False):
                    try:
                        stat = entry.stat(follow_symlinks=False)
                    except FileNotFoundError:
                        continue
                    # A clock that was set back must not hide a file for ever.
                    age = abs(self._clock() - stat.st_mtime)
                    if age >= SETTLED_AFTER_S and _is_text(name):
                        yield self._landed(name, stat)

    def find(self, name: str) -> LandedFile | None:
        """The file of that name as it is now."""
        try:
            stat = self._path(name).stat(follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise LandingZoneError(f"{name}: {error.strerror}") from error
        return self._landed(name, stat)

    @contextmanager
    def open(self, file: LandedFile) -> Iterator[BinaryIO]:
        """The file's bytes; that they did not change is checked before and after."""
        try:
            stream = self._path(file.name).open("rb")
        except FileNotFoundError as error:
            raise FileChanged(f"{file.name} is no longer in the landing zone") from error
        except OSError as error:
            raise LandingZoneError(f"{file.name} cannot be read: {error.strerror}") from error
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
            raise LandingZoneError(f"{path} cannot be written: {error.strerror}") from error
        try:
            with stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            # Complete by construction: an older time lets the sensor take it at its next look.
            stat = partial.stat()
            settled = stat.st_mtime_ns - int(SETTLED_AFTER_S * 1e9)
            os.utime(partial, ns=(stat.st_atime_ns, settled))
            partial.rename(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise

    def _path(self, name: str) -> Path:
        parts = name.split("/")
        if not name or "\0" in name or any(part in ("", ".", "..") for part in parts):
            raise LandingZoneError(f"{name!r} is not a path below the landing zone")
        path = self._root.joinpath(*parts)
        if path.parent.resolve() != self._root.resolve().joinpath(*parts[:-1]) or path.is_symlink():
            raise LandingZoneError(f"{name!r} is a link out of the landing zone")
        return path

    def _landed(self, name: str, stat: os.stat_result) -> LandedFile:
        return LandedFile(name, (self._root / name).as_uri(), _version(stat), stat.st_size)

    def _must_be(self, file: LandedFile, stat: os.stat_result) -> None:
        if _version(stat) != file.version:
            raise FileChanged(f"{file.name} changed while it was read")


def _version(stat: os.stat_result) -> str:
    return f"{stat.st_mtime_ns}-{stat.st_size}"


def _is_text(name: str) -> bool:
    """Names that are not UTF-8 cannot become partition keys; they stay where they are."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
