"""A folder as landing zone: which files are complete, and reading and writing them safely."""

import os
import stat
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote_from_bytes

from shifts_core.landing.errors import FileChanged, InvalidPath, LandingZoneError, LandingZoneUnavailable
from shifts_core.landing.folder_files import check_version, read_error, version_of
from shifts_core.landing.folder_uploads import create_partial, delete_unlocked, translate_write_errors
from shifts_core.landing.names import check_client_path, check_path, is_hidden, is_text, printable
from shifts_core.landing.zone import FileReference, LandedFile, ignore

SETTLED_AFTER_S = 3.0
"""A file that nobody wrote to for so long is complete. A file that was renamed keeps its older time."""
_PARTIAL_FOLDER = ".uploads"


class FolderLandingZone:
    """The files below a folder. The names of files contain their sub-folders; symbolic links are not followed."""

    def __init__(self, root: Path, clock: Callable[[], float] = time.time) -> None:
        self._root = root.absolute()
        self._root_uri = self._root.as_uri().rstrip("/") + "/"
        self._clock = clock

    def list_files(self, on_skipped: Callable[[str, str], None] = ignore) -> Iterator[LandedFile]:
        """Every complete file: not hidden, and unchanged for `SETTLED_AFTER_S`.

        Entries that cannot be read or are not regular files are skipped; only the root itself must be readable.
        """
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            entries = _sorted_entries(self._root)
        except OSError as error:
            raise LandingZoneUnavailable(f"landing folder {self._root}: {error.strerror}") from error
        # A stack instead of recursion: folders may be nested deeper than Python calls.
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
                continue  # removed since the folder was read
            except OSError as error:
                on_skipped(printable(name), error.strerror or type(error).__name__)

    def _complete(
        self, entry: os.DirEntry[str], name: str, on_skipped: Callable[[str, str], None]
    ) -> LandedFile | None:
        if not entry.is_file(follow_symlinks=False):
            kind = "a symbolic link" if entry.is_symlink() else "not a regular file"
            on_skipped(printable(name), f"it is {kind}")
            return None
        status = entry.stat(follow_symlinks=False)
        # After the clock was set back, a file must not stay hidden.
        if abs(self._clock() - status.st_mtime) < SETTLED_AFTER_S:
            return None
        if not is_text(name):
            on_skipped(printable(name), "its name is not UTF-8")
            return None
        return self._landed(name, status)

    def find(self, name: str) -> LandedFile | None:
        """The current version of a file."""
        try:
            status = self._path(name).stat(follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError) as error:
            self._check_root(error)
            return None
        except OSError as error:
            raise read_error(error, name) from error
        if not stat.S_ISREG(status.st_mode):
            raise LandingZoneError(f"{name} is not a regular file")
        return self._landed(name, status)

    @contextmanager
    def open(self, file: LandedFile) -> Iterator[BinaryIO]:
        """The file's bytes; its version is checked before and after reading."""
        try:
            # A pipe or a device in its place would block the reader without O_NONBLOCK.
            flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
            stream = os.fdopen(os.open(self._path(file.name), flags), "rb")
        except FileNotFoundError as error:
            raise FileChanged(f"{file.name} is no longer in the landing zone") from error
        except OSError as error:
            raise read_error(error, file.name) from error
        with stream:
            check_version(file, os.fstat(stream.fileno()))
            yield stream
            check_version(file, os.fstat(stream.fileno()))

    @contextmanager
    def write(self, name: str) -> Iterator[BinaryIO]:
        """Writes a partial file, then renames it: the file appears whole or not at all."""
        with translate_write_errors(name):
            target = self._path(name)
            partial, stream = create_partial(self._path(_PARTIAL_FOLDER))
        try:
            with stream:
                yield stream
                with translate_write_errors(name):
                    stream.flush()
                    os.fsync(stream.fileno())
                    self._publish(partial, target, name)
        finally:
            with translate_write_errors(name):
                partial.unlink(missing_ok=True)

    def resolve(self, path: str) -> FileReference:
        """The existing file at a path below the folder, or at an absolute path that leads there."""
        name = path.removeprefix(f"{self._root}/") if path.startswith("/") else path
        check_client_path(name)
        try:
            exists = stat.S_ISREG(self._path(name).stat(follow_symlinks=False).st_mode)
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            exists = False
        except OSError as error:
            raise read_error(error, name) from error
        if not exists:
            raise InvalidPath(f"there is no file {name} in the landing folder")
        return FileReference(name, self._uri(name))

    def delete(self, name: str, versions: Collection[str]) -> None:
        """Deletes the file if it has one of these versions. What is no regular file is not one that was loaded."""
        try:
            path = self._path(name)
            status = path.stat(follow_symlinks=False)
            if stat.S_ISREG(status.st_mode) and version_of(status) in versions:
                path.unlink()
        except InvalidPath:
            return
        except (FileNotFoundError, NotADirectoryError) as error:
            self._check_root(error)
        except OSError as error:
            raise LandingZoneUnavailable(f"{name} cannot be deleted: {error.strerror}") from error

    def delete_partial_uploads(self) -> None:
        """Deletes partial files that no process is writing."""
        delete_unlocked(self._root / _PARTIAL_FOLDER)

    def _check_root(self, error: OSError) -> None:
        if not self._root.is_dir():
            raise LandingZoneUnavailable(f"landing folder {self._root} does not exist") from error

    def _path(self, name: str) -> Path:
        """The path of a name; none of its parts is a symbolic link."""
        check_path(name)
        path = self._root
        for part in name.split("/"):
            path /= part
            try:
                status = path.lstat()
            except (FileNotFoundError, NotADirectoryError):
                continue
            if stat.S_ISLNK(status.st_mode):
                raise InvalidPath(f"{name!r} leads through a link")
        return path

    def _publish(self, partial: Path, target: Path, name: str) -> None:
        # The file is complete: with an older time the next listing contains it.
        status = partial.stat()
        os.utime(partial, ns=(status.st_atime_ns, status.st_mtime_ns - int(SETTLED_AFTER_S * 1e9)))
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            self._path(name)
            partial.rename(target)
        except (FileExistsError, IsADirectoryError, NotADirectoryError) as error:
            raise InvalidPath(
                f"a folder is where {name!r} is to be, or a file where it needs a folder"
            ) from error

    def _uri(self, name: str) -> str:
        # The same as `(root / name).as_uri()`, at a tenth of its cost.
        return self._root_uri + quote_from_bytes(os.fsencode(name))

    def _landed(self, name: str, status: os.stat_result) -> LandedFile:
        return LandedFile(name, self._uri(name), version_of(status), status.st_size)


def _sorted_entries(folder: Path | os.DirEntry[str]) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return sorted(entries, key=lambda entry: entry.name)
