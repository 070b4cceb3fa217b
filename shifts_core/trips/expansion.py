"""Limits of the expansion of compressed files: a small file must not fill the memory or the disk."""

import io
from typing import BinaryIO

from shifts_core.trips.report import UnreadableFile

EXPANSION = 100
"""Text of trips shrinks to a fifth or a tenth; only files that are made to do so shrink to a hundredth."""
UNLIMITED_BYTES = 256 << 20
"""Up to so many bytes, any expansion is accepted."""
_DEFLATE_EXPANSION = 1032
"""The most that gzip can reach."""


def max_expanded_bytes(stored_bytes: int) -> int:
    """The most text, in bytes, that a compressed file may contain."""
    return max(UNLIMITED_BYTES, EXPANSION * stored_bytes)


def max_text_bytes(name: str, stored_bytes: int) -> int:
    """An upper bound of the bytes of text in a file that can be loaded, by the suffix of its name."""
    lowered = name.lower()
    if lowered.endswith(".csv"):
        return stored_bytes
    if lowered.endswith(".gz"):
        return min(max_expanded_bytes(stored_bytes), _DEFLATE_EXPANSION * stored_bytes)
    return max_expanded_bytes(stored_bytes)


def too_large(stored_bytes: int) -> UnreadableFile:
    """The error for a file that expands further."""
    return UnreadableFile(
        f"its {stored_bytes:,} bytes expand to more than {max_expanded_bytes(stored_bytes):,}, over {EXPANSION} times"
        " as much: drop it as .csv if this is intended"
    )


class LimitedExpansion(io.RawIOBase):
    """Reads from a decompressing stream, up to what a file of its size may contain."""

    def __init__(self, stream: BinaryIO, stored_bytes: int) -> None:
        super().__init__()
        self._stream, self._stored_bytes = stream, stored_bytes
        self._left = max_expanded_bytes(stored_bytes)

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fills the buffer as far as the stream has bytes; 0 at its end.

        Raises:
            UnreadableFile: the stream contains more.
        """
        count: int = self._stream.readinto(buffer)  # type: ignore[attr-defined]
        self._left -= count
        if self._left < 0:
            raise too_large(self._stored_bytes)
        return count
