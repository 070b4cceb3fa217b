"""A bucket of Google Cloud Storage as landing zone: objects by name and generation, streamed both ways."""

import io
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import BinaryIO, cast

from google.api_core.exceptions import NotFound
from google.cloud.storage import Blob, Bucket, Client
from google.cloud.storage.fileio import BlobWriter

from shifts_core.landing.bucket_requests import (
    CHUNK_BYTES,
    CLIENT_ERRORS,
    request_arguments,
    translate_errors,
)
from shifts_core.landing.errors import FileChanged
from shifts_core.landing.names import (
    check_client_path,
    check_path,
    is_hidden,
    is_path,
    parse_bucket_url,
    printable,
)
from shifts_core.landing.object_reader import ObjectReader
from shifts_core.landing.retry_options import RetryOptions
from shifts_core.landing.zone import FileReference, LandedFile, ignore

_LISTED = "items(name,generation,size),nextPageToken"


class BucketLandingZone:
    """The objects below `gs://bucket/prefix`; an object appears whole, and each upload is a new generation.

    With `STORAGE_EMULATOR_HOST` set (`http://host:port`) the client uses that server, without credentials.
    """

    def __init__(self, url: str, connect: Callable[[], Client] | None, retry: RetryOptions) -> None:
        self._bucket_name, self._prefix = parse_bucket_url(url)
        self._root = f"gs://{self._bucket_name}/{self._prefix}"
        self._connect = connect or (lambda: Client(project=None))
        self._retry = retry

    def list_files(self, on_skipped: Callable[[str, str], None] = ignore) -> Iterator[LandedFile]:
        """Every object whose name is a path and not hidden; placeholders of folders are left out."""
        with translate_errors(f"{self._root} cannot be listed", self._retry):
            blobs = self._bucket.list_blobs(
                prefix=self._prefix, fields=_LISTED, **request_arguments(self._retry)
            )
            for blob in blobs:
                name = blob.name.removeprefix(self._prefix)
                if is_hidden(name) or name.endswith("/") or not name:
                    continue
                if is_path(name):
                    yield self._landed(name, blob)
                else:
                    on_skipped(printable(name), "its name is not a path")

    def find(self, name: str) -> LandedFile | None:
        """The live generation of an object."""
        blob = self._get(name)
        return None if blob is None else self._landed(name, blob)

    @contextmanager
    def open(self, file: LandedFile) -> Iterator[BinaryIO]:
        """The bytes of one generation as stored, in ranges; the checksum is verified when all are read in order."""
        found = self._get(file.name)
        if found is None:
            raise FileChanged(f"{file.name} is no longer in the landing zone")
        if str(found.generation) != file.version:
            raise FileChanged(f"{file.name} changed before it was read")
        # A new handle: one that knows its generation would read it even after a replacement in a versioned bucket.
        reader = ObjectReader(self._blob(file.name), file, found.crc32c, self._retry)
        with io.BufferedReader(reader, CHUNK_BYTES) as stream:
            yield stream

    @contextmanager
    def write(self, name: str) -> Iterator[BinaryIO]:
        """A resumable upload. Its last request completes it; after an exception it is cancelled."""
        blob = self._blob(name)
        with translate_errors(f"{name} cannot be written to {self._root}", self._retry):
            upload = blob.open(
                "wb", chunk_size=CHUNK_BYTES, ignore_flush=True, **request_arguments(self._retry)
            )
            try:
                yield cast("BinaryIO", upload)
                upload.close()
            except BaseException:
                _cancel(upload)
                raise

    def resolve(self, path: str) -> FileReference:
        """The object at a URL, or at a path below the prefix; loading it shows whether it exists."""
        name = path.removeprefix(self._root)
        check_client_path(name)
        return FileReference(name, self._root + name)

    def delete(self, name: str, versions: Collection[str]) -> None:
        """Deletes the generations of an object from its first to the newest of these, live or not."""
        newest = max((int(version) for version in versions if version.isdecimal()), default=0)
        if not newest or not is_path(name):
            return
        key, arguments = self._prefix + name, request_arguments(self._retry)
        with translate_errors(f"{name} cannot be deleted from {self._root}", self._retry):
            blobs = self._bucket.list_blobs(prefix=key, versions=True, fields=_LISTED, **arguments)
            for blob in [each for each in blobs if each.name == key and each.generation <= newest]:
                with suppress(NotFound):
                    # With its generation, a versioned bucket keeps no copy of it.
                    blob.delete(**arguments)

    def delete_partial_uploads(self) -> None:
        """Does nothing: an upload that is never completed does not become an object."""

    @cached_property
    def _bucket(self) -> Bucket:
        with translate_errors(f"{self._root} cannot be used", self._retry):
            return self._connect().bucket(self._bucket_name)

    def _blob(self, name: str) -> Blob:
        check_path(name)
        return self._bucket.blob(self._prefix + name)

    def _get(self, name: str) -> Blob | None:
        check_path(name)
        key = self._prefix + name
        arguments = request_arguments(self._retry)
        with translate_errors(f"{name} cannot be looked up in {self._root}", self._retry):
            blob = self._bucket.get_blob(key, **arguments)
            if blob is None:
                # A missing bucket is reported as a missing object too; listing tells them apart.
                for _ in self._bucket.list_blobs(prefix=key, max_results=1, fields=_LISTED, **arguments):
                    pass
            return blob

    def _landed(self, name: str, blob: Blob) -> LandedFile:
        return LandedFile(name, self._root + name, str(blob.generation), blob.size)


def _cancel(upload: BlobWriter) -> None:
    """Ends an upload without completing it; the garbage collector would complete one that is left open."""
    with suppress(*CLIENT_ERRORS):
        upload.terminate()
    upload._buffer.close()
