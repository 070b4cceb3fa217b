"""One generation of an object as a stream, brought range by range."""

import io
from base64 import b64decode
from typing import TYPE_CHECKING

from google.api_core.exceptions import NotFound, PreconditionFailed
from google.cloud.storage import Blob
from google_crc32c import extend

from shifts_core.landing.cloud_requests import CHUNK_BYTES, patience, told
from shifts_core.landing.zone import DamagedTransfer, FileChanged, LandedFile, LandingZoneUnavailable

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class ObjectReader(io.RawIOBase):
    """The bytes as stored; a range that breaks off is continued at the byte where it broke.

    Reading raises `FileChanged` when the generation is no longer the live one, `LandingZoneUnavailable` when the
    service cannot be reached, `DamagedTransfer` when its bytes are not those that it has a checksum of.
    """

    def __init__(self, blob: Blob, file: LandedFile, crc32c: str) -> None:
        """Takes the checksum as the service writes it: base64 of four bytes."""
        super().__init__()
        self._blob = blob
        self._file = file
        self._position = 0
        # Of a range the service knows no checksum: that of the whole is followed while reading is sequential.
        self._expected = int.from_bytes(b64decode(crc32c), "big")
        self._crc32c = 0
        self._followed = 0

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Costs nothing: the next range begins there."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._file.size}[whence]
        self._position = max(0, start + offset)
        return self._position

    def readall(self) -> bytes:
        """The rest, in ranges of the same size as ever; the base class would take small ones."""
        return b"".join(iter(lambda: self.read(CHUNK_BYTES) or b"", b""))

    def readinto(self, buffer: "WriteableBuffer") -> int:
        """One range, as large as the buffer and no larger than a chunk."""
        view = memoryview(buffer).cast("B")
        wanted = min(len(view), CHUNK_BYTES, self._file.size - self._position)
        if wanted <= 0:
            return 0
        data = self._range(self._position, wanted)
        if not 0 < len(data) <= wanted:
            raise DamagedTransfer(f"{self._file.name}: {len(data)} bytes came where {wanted} were asked for")
        if self._position == self._followed:
            self._follow(data)
        view[: len(data)] = data
        self._position += len(data)
        return len(data)

    def _range(self, start: int, length: int) -> bytes:
        try:
            with told(f"{self._file.name} cannot be read"):
                data: bytes = self._blob.download_as_bytes(
                    start=start,
                    end=start + length - 1,
                    raw_download=True,
                    if_generation_match=int(self._file.version),
                    checksum=None,
                    **patience(),
                )
        except LandingZoneUnavailable as error:
            if isinstance(error.__cause__, NotFound | PreconditionFailed):
                raise FileChanged(f"{self._file.name} changed while it was read") from error
            raise
        return data

    def _follow(self, data: bytes) -> None:
        self._crc32c = extend(self._crc32c, data)
        self._followed += len(data)
        if self._followed == self._file.size and self._crc32c != self._expected:
            raise DamagedTransfer(f"{self._file.name} was damaged on its way: its checksum is wrong")
