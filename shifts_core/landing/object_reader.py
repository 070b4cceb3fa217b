"""One generation of a bucket's object as a stream that downloads range by range."""

import io
from base64 import b64decode
from typing import TYPE_CHECKING

from google.api_core.exceptions import NotFound, PreconditionFailed
from google.cloud.storage import Blob
from google_crc32c import extend

from shifts_core.landing.bucket_requests import CHUNK_BYTES, request_arguments, translate_errors
from shifts_core.landing.errors import DamagedTransfer, FileChanged, LandingZoneUnavailable
from shifts_core.landing.retry_options import RetryOptions
from shifts_core.landing.zone import LandedFile

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class ObjectReader(io.RawIOBase):
    """The bytes of an object as stored; a download that breaks off continues at the byte where it broke.

    Reading raises `FileChanged` if the generation is no longer the live one, `LandingZoneUnavailable` if the
    service cannot be reached, and `DamagedTransfer` if the bytes do not match the object's checksum.
    """

    def __init__(self, blob: Blob, file: LandedFile, crc32c: str, retry: RetryOptions) -> None:
        """Takes the checksum as the service writes it: base64 of four bytes."""
        super().__init__()
        self._blob = blob
        self._file = file
        self._retry = retry
        self._position = 0
        # The service has a checksum of the whole object only: it is verified while reading is sequential.
        self._expected_crc32c = int.from_bytes(b64decode(crc32c), "big")
        self._crc32c = 0
        self._checked_bytes = 0

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Sends no request: the next range starts at the new position."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._file.size}[whence]
        self._position = max(0, start + offset)
        return self._position

    def readall(self) -> bytes:
        """The rest, in ranges of a chunk each; the base class would request small ones."""
        return b"".join(iter(lambda: self.read(CHUNK_BYTES) or b"", b""))

    def readinto(self, buffer: "WriteableBuffer") -> int:
        """Downloads one range, as large as the buffer but at most one chunk."""
        view = memoryview(buffer).cast("B")
        wanted = min(len(view), CHUNK_BYTES, self._file.size - self._position)
        if wanted <= 0:
            return 0
        data = self._download(self._position, wanted)
        if not 0 < len(data) <= wanted:
            raise DamagedTransfer(f"{self._file.name}: {len(data)} bytes arrived instead of {wanted}")
        if self._position == self._checked_bytes:
            self._update_checksum(data)
        view[: len(data)] = data
        self._position += len(data)
        return len(data)

    def _download(self, start: int, length: int) -> bytes:
        try:
            with translate_errors(f"{self._file.name} cannot be read", self._retry):
                data: bytes = self._blob.download_as_bytes(
                    start=start,
                    end=start + length - 1,
                    raw_download=True,
                    if_generation_match=int(self._file.version),
                    checksum=None,
                    **request_arguments(self._retry),
                )
        except LandingZoneUnavailable as error:
            if isinstance(error.__cause__, NotFound | PreconditionFailed):
                raise FileChanged(f"{self._file.name} changed while it was read") from error
            raise
        return data

    def _update_checksum(self, data: bytes) -> None:
        self._crc32c = extend(self._crc32c, data)
        self._checked_bytes += len(data)
        if self._checked_bytes == self._file.size and self._crc32c != self._expected_crc32c:
            raise DamagedTransfer(f"{self._file.name} was damaged in transfer: its checksum is wrong")
