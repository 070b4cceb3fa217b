"""What every landing zone can do for a client, and which one a URL means."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from shifts_api.web.errors import ApiError

_WRITE_AT_ONCE = 1024**2


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
            ApiError: 400, the name is none or the file is empty; 503, the zone is away; 507, it is full.
        """
        ...

    def forget_broken_uploads(self) -> None:
        """Removes what a service that was killed left behind."""
        ...


def open_inbox(url: str) -> Inbox:
    """The landing zone at a folder's path, a `file://` URL or `gs://bucket/prefix`."""
    if url.startswith("gs://"):
        from shifts_core.landing.bucket_writer import BucketInbox  # noqa: PLC0415 - the client takes a second to import

        return BucketInbox(url)
    from shifts_core.landing.folder_writer import FolderInbox  # noqa: PLC0415 - it is one of the two

    return FolderInbox(Path(url.removeprefix("file://")))


async def copy(chunks: AsyncIterator[bytes], write: Callable[[bytes], object]) -> None:
    """Hands the chunks of an upload on, in larger pieces and in threads, holding one piece.

    Raises:
        ApiError: 400, there were none.
    """
    waiting, size = bytearray(), 0
    async for chunk in chunks:
        waiting += chunk
        size += len(chunk)
        if len(waiting) >= _WRITE_AT_ONCE:
            await asyncio.to_thread(write, bytes(waiting))
            waiting.clear()
    if size == 0:
        raise ApiError(400, "The file is empty")
    await asyncio.to_thread(write, bytes(waiting))
