"""The landing zone as the service may use it: naming files below it, and bringing one there."""

import asyncio
import fcntl
import os
import re
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from errno import EDQUOT, ENAMETOOLONG, ENOSPC
from pathlib import Path
from typing import BinaryIO, Protocol

from shifts_api.errors import ApiError

SUFFIXES = (".csv", ".csv.gz", ".parquet")
MAX_NAME_BYTES = 512
MAX_PART_BYTES = 200
_PARTIAL_FOLDER = ".uploads"
_WRITE_AT_ONCE = 1024**2
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f\\]|^$|^\.|\.(?:tmp|part)$")


@dataclass(frozen=True)
class NamedFile:
    """A file below the landing zone."""

    name: str
    """Path below the landing zone, with `/` between its parts."""
    uri: str
    version: str | None = None
    """The zone's word for its bytes; None when it is to be looked at later."""
    size: int | None = None


class Inbox(Protocol):
    """A landing zone, a folder or a bucket."""

    def named(self, path: str) -> NamedFile:
        """The file that a client means by a path.

        Raises:
            ApiError: 400, it leads out of the landing zone, or there is no such file.
        """
        ...

    async def receive(self, name: str, chunks: AsyncIterator[bytes]) -> NamedFile:
        """Brings a file there, whole or not at all.

        Raises:
            ApiError: 400, the name is none; 501, this zone takes no uploads; 507, it is full.
        """
        ...


class FolderInbox:
    """A folder; symbolic links in it are not followed."""

    def __init__(self, root: Path) -> None:
        # As the pipeline names it: what a ledger row says has to be the same file's word for word.
        self._root = root.absolute()

    def named(self, path: str) -> NamedFile:
        """A path below the folder; an absolute one counts when it leads there."""
        below = path.removeprefix(f"{self._root}/") if path.startswith("/") else path
        name = _checked_name(below)
        found = self._confined(name)
        if not found.is_file():
            raise ApiError(400, f"data: there is no file {name} in the landing folder")
        return NamedFile(name, found.as_uri())

    async def receive(self, name: str, chunks: AsyncIterator[bytes]) -> NamedFile:
        """Writes beside the others under a name that is not seen, then renames."""
        target = self._confined(_checked_name(name))
        partial = self._root / _PARTIAL_FOLDER / f"{uuid.uuid4().hex}.part"
        try:
            stream = await asyncio.to_thread(_open_locked, partial)
            try:
                with stream:
                    await _copy(chunks, stream)
                    if await asyncio.to_thread(_sync, stream) == 0:
                        raise ApiError(400, "The file is empty")
                    return await asyncio.to_thread(self._publish, partial, target, name)
            finally:
                await asyncio.to_thread(partial.unlink, missing_ok=True)
        except OSError as error:
            if error.errno in (ENOSPC, EDQUOT):
                raise ApiError(507, "The landing zone is full") from None
            if error.errno == ENAMETOOLONG:
                raise ApiError(400, "name: too long for the landing zone") from None
            raise

    def forget_broken_uploads(self) -> None:
        """Removes what a service that was killed left behind; what another one is writing is locked."""
        for partial in (self._root / _PARTIAL_FOLDER).glob("*.part"):
            with partial.open("rb") as stream:
                try:
                    fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                partial.unlink(missing_ok=True)

    def _publish(self, partial: Path, target: Path, name: str) -> NamedFile:
        target.parent.mkdir(parents=True, exist_ok=True)
        self._confined(name)
        partial.rename(target)
        stat = target.stat(follow_symlinks=False)
        return NamedFile(name, target.as_uri(), f"{stat.st_mtime_ns}-{stat.st_size}", stat.st_size)

    def _confined(self, name: str) -> Path:
        """The path of a name; nothing on the way is a link."""
        path = self._root
        for part in name.split("/"):
            path /= part
            if path.is_symlink():
                raise ApiError(400, f"{name!r} leads through a link")
        return path


class BucketInbox:
    """A bucket: files in it can be asked for, bringing them there is the bucket's own business."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    def named(self, path: str) -> NamedFile:
        """An object's URL, or its path below the prefix."""
        name = _checked_name(path.removeprefix(f"{self._url}/"))
        return NamedFile(name, f"{self._url}/{name}")

    async def receive(self, name: str, chunks: AsyncIterator[bytes]) -> NamedFile:  # noqa: ARG002
        """Refuses."""
        raise ApiError(501, f"The landing zone is a bucket: bring {name} there")


def open_inbox(url: str) -> FolderInbox | BucketInbox:
    """The landing zone at a folder's path, a `file://` URL or `gs://bucket/prefix`."""
    return BucketInbox(url) if url.startswith("gs://") else FolderInbox(Path(url.removeprefix("file://")))


def _checked_name(name: str) -> str:
    if not _is_text(name):
        raise ApiError(400, "name: holds half a character")
    if name.startswith("/") or "://" in name:
        raise ApiError(400, f"{name[:200]!r} is outside the landing zone")
    if len(name.encode()) > MAX_NAME_BYTES:
        raise ApiError(400, f"name: longer than {MAX_NAME_BYTES} bytes")
    parts = name.split("/")
    if any(_FORBIDDEN.search(part) or len(part.encode()) > MAX_PART_BYTES for part in parts):
        raise ApiError(400, f"{name!r} is no path of a file below the landing zone")
    if not name.lower().endswith(SUFFIXES):
        raise ApiError(400, f"{name!r} does not end in {', '.join(SUFFIXES)}")
    return name


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _open_locked(path: Path) -> BinaryIO:
    path.parent.mkdir(parents=True, exist_ok=True)
    stream = path.open("xb")
    fcntl.flock(stream, fcntl.LOCK_EX)
    return stream


def _sync(stream: BinaryIO) -> int:
    """Brings the bytes to the disk and says how many they are."""
    stream.flush()
    os.fsync(stream.fileno())
    return stream.tell()


async def _copy(chunks: AsyncIterator[bytes], stream: BinaryIO) -> None:
    waiting = bytearray()
    async for chunk in chunks:
        waiting += chunk
        if len(waiting) >= _WRITE_AT_ONCE:
            await asyncio.to_thread(stream.write, bytes(waiting))
            waiting.clear()
    await asyncio.to_thread(stream.write, bytes(waiting))
