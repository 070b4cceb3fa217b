"""A stream that counts and hashes the bytes that are read from it."""

import hashlib
import io
from typing import BinaryIO


class HashingReader(io.RawIOBase):
    """Reads from another stream, each byte once."""

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__()
        self._stream = stream
        self._sha256 = hashlib.sha256()
        self.bytes_read = 0

    @property
    def content_hash(self) -> str:
        """SHA-256 of the bytes read so far, hexadecimal."""
        return self._sha256.hexdigest()

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fills the buffer as far as the stream has bytes; 0 at its end."""
        count: int = self._stream.readinto(buffer)  # type: ignore[attr-defined]
        self._sha256.update(buffer[:count])
        self.bytes_read += count
        return count
