"""A folder as landing zone."""

import asyncio
import fcntl
import logging
import os
import uuid
from collections.abc import AsyncIterator
from errno import EDQUOT, ENAMETOOLONG, ENOSPC
from pathlib import Path
from typing import BinaryIO

from shifts_api.web.errors import ApiError
from shifts_core.landing.names import checked_name
from shifts_core.landing.writer import NamedFile, copy

_log = logging.getLogger(__name__)
_PARTIAL_FOLDER = ".uploads"


class FolderInbox:
    """Files below a folder; symbolic links in it are not followed."""

    def __init__(self, root: Path) -> None:
        # As the pipeline names it: what a ledger row says has to be the same file's word for word.
        self._root = root.absolute()

    def named(self, path: str) -> NamedFile:
        """A path below the folder; an absolute one counts when it leads there."""
        below = path.removeprefix(f"{self._root}/") if path.startswith("/") else path
        name = checked_name(below, "data")
        try:
            found = self._confined(name, "data")
            is_there = found.is_file()
        except PermissionError:
            is_there = False
        except OSError as error:
            raise _fault(error) from None
        if not is_there:
            raise ApiError(400, f"data: there is no file {name} in the landing folder")
        return NamedFile(name, found.as_uri())

    async def receive(self, name: str, chunks: AsyncIterator[bytes]) -> NamedFile:
        """Writes beside the others under a name that is not seen, then renames."""
        checked_name(name, "name")
        try:
            target = self._confined(name, "name")
            partial = self._confined(_PARTIAL_FOLDER, "name") / f"{uuid.uuid4().hex}.part"
            stream = await asyncio.to_thread(_open_locked, partial)
            try:
                with stream:
                    await copy(chunks, stream.write)
                    await asyncio.to_thread(_sync, stream)
                    return await asyncio.to_thread(self._publish, partial, target, name)
            finally:
                await asyncio.to_thread(partial.unlink, missing_ok=True)
        except OSError as error:
            raise _fault(error) from None

    def forget_broken_uploads(self) -> None:
        """Removes partial files; those that another service is writing are locked."""
        for partial in (self._root / _PARTIAL_FOLDER).glob("*.part"):
            with partial.open("rb") as stream:
                try:
                    fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                partial.unlink(missing_ok=True)

    def _publish(self, partial: Path, target: Path, name: str) -> NamedFile:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            self._confined(name, "name")
            partial.rename(target)
        except (FileExistsError, IsADirectoryError, NotADirectoryError):
            raise ApiError(
                400, f"name: a folder is where {name!r} is to be, or a file where it needs a folder"
            ) from None
        stat = target.stat(follow_symlinks=False)
        return NamedFile(name, target.as_uri(), f"{stat.st_mtime_ns}-{stat.st_size}", stat.st_size)

    def _confined(self, name: str, field: str) -> Path:
        """The path of a name; nothing on the way is a link."""
        path = self._root
        for part in name.split("/"):
            path /= part
            if path.is_symlink():
                raise ApiError(400, f"{field}: {name!r} leads through a link")
        return path


def _fault(error: OSError) -> ApiError:
    """What a client is told when a system call fails: it can only shorten the name or try again."""
    if error.errno in (ENOSPC, EDQUOT):
        return ApiError(507, "The landing zone is full")
    if error.errno == ENAMETOOLONG:
        return ApiError(400, "name: too long for the landing zone")
    _log.warning("the landing folder does not work", extra={"error": str(error)})
    return ApiError(503, "The landing zone is away, try again", {"Retry-After": "10"})


def _open_locked(path: Path) -> BinaryIO:
    """A new file; the lock tells a service that starts meanwhile that it is no broken upload's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        stream = path.open("xb")
        fcntl.flock(stream, fcntl.LOCK_EX)
        if os.fstat(stream.fileno()).st_nlink:
            return stream
        # It was taken for one before it was locked.
        stream.close()


def _sync(stream: BinaryIO) -> None:
    """Brings the bytes to the disk."""
    stream.flush()
    os.fsync(stream.fileno())
